"""README.md tells the truth: its commands and variables are those that there are, and what it says to type works."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from addons.core.catalog import codex_shape, fallback_entries
from addons.core.endpoints import Rules
from addons.core.limits import ENV_PREFIX, Limits
from addons.core.models_file import parse_models
from addons.core.settings import parse_settings
from tests.cli.daemons import User, user_with_daemons
from tests.cli.run import environment
from tests.cli.test_golden import everything
from tests.fakes.account import Account
from tests.fakes.cursor import FakeCursor
from tests.readme import ROOT, TEXT, Block, blocks, code_in, rows

VARIABLE = re.compile(r"CODEX_SHIM_[A-Z_]*[A-Z]")
SOURCES = [*ROOT.glob("addons/**/*.py"), *ROOT.glob("shim_cli/**/*.py")]
LINES = [line for block in blocks("sh") for line in block.lines]


# Tables ---------------------------------------------------------------------------------------------------


def test_the_table_of_commands_names_every_command() -> None:
    named = [name for cells in rows("command") for name in code_in(cells[0])]
    commands = {re.split(r" (?:--|\[|[A-Z])", name)[0] for name in named}
    assert commands - {"doctor models", "doctor picker"} == set(everything())


def constants(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_table_of_variables_names_every_variable_once() -> None:
    read = {text for path in SOURCES for text in constants(path) if VARIABLE.fullmatch(text)}
    limits = {ENV_PREFIX + name.upper() for name in asdict(Limits())}
    told = [name for cells in rows("variable") for name in code_in(cells[0])]
    assert sorted(told) == sorted(set(told))
    assert {name for name in told if name.startswith(ENV_PREFIX)} == read - limits
    others = {"CODEX_HOME", "CODEX_BIN", "CURSOR_AGENT_BIN"}
    assert {name for name in told if not name.startswith(ENV_PREFIX)} == others


def test_no_variable_is_named_that_nothing_reads() -> None:
    limits = {ENV_PREFIX + name.upper() for name in asdict(Limits())}
    told = {name for cells in rows("variable") for name in code_in(cells[0])}
    assert set(VARIABLE.findall(TEXT)) <= told | limits


def test_the_table_of_limits_is_that_of_the_code() -> None:
    told = {code_in(cells[0])[0]: float(cells[1]) for cells in rows("limit")}
    assert told == {name: float(value) for name, value in asdict(Limits()).items()}


@pytest.mark.parametrize(
    "symptom", [code for cells in rows("symptom") for code in code_in(cells[0])]
)
def test_a_symptom_is_what_somebody_says(symptom: str) -> None:
    of_others = {
        "Reconnecting…",
        "auth.json",
        "shim-demo",
        "composer-2-5",
        "codex-call",
        "doctor",
        "request_refused",
    }
    said = (text for path in SOURCES for text in constants(path))
    assert symptom in of_others or any(symptom in text for text in said)


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.text[:20])
def test_an_example_of_settings_has_no_mistake(block: Block) -> None:
    data = block.text.encode()
    assert parse_settings(data, "models.json", {}).problems == ()
    assert parse_models(data, "models.json", Rules()).problems == ()


# Commands within the text ---------------------------------------------------------------------------------

INLINE = sorted(
    {code for code in code_in(TEXT) if code.startswith("codex-shim ") and "…" not in code}
)


@pytest.mark.parametrize("line", [*INLINE, *(line for line in LINES if "codex-shim " in line)])
def test_every_command_and_flag_is_one_that_there_is(line: str) -> None:
    inner = re.search(r"\$\((.*?)\)", line)
    words = shlex.split(inner[1] if inner else line)
    words = words[words.index("codex-shim") + 1 :]
    words = words[: words.index("--")] if "--" in words else words
    name = next((n for n in (" ".join(words[:2]), words[0]) if n in everything()), None)
    assert name, line
    known = {flag for each in everything()[name].params for flag in each.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


# Lines to type --------------------------------------------------------------------------------------------

NOT_RUN = {
    "uv run pytest": "it is what runs this",
    "curl https://cursor.com/install -fsS | bash": "it downloads the installer of somebody else",
    "cursor-agent login": "it asks a person in a browser",
    "uv tool install .": "tests/e2e/test_newcomer.py runs it",
}
UNTIL_UP = re.compile(r"uv run (?:codex-shim (?:serve|web|mitmdump)|mitmdump)\b")
PREAMBLE = """
set -euo pipefail
until_up() {
    "$@" >"$HOME/up.log" 2>&1 & local pid=$!
    for _ in $(seq 400); do
        if curl -fs -o /dev/null "http://127.0.0.1:$CODEX_SHIM_PORT/health"; then
            kill -INT "$pid"
            wait "$pid"
            return
        fi
        kill -0 "$pid" || { cat "$HOME/up.log"; return 1; }
        sleep 0.1
    done
    cat "$HOME/up.log"
    return 1
}
"""
PROGRAMS = {
    # `uv run X` is X of this environment: there is nothing to sync
    "uv": '#!/bin/sh\n[ "$1" = run ] || exit 64\nshift\nexec "$@"\n',
    "pip": '#!/bin/sh\n[ "$*" = "install uv" ]\n',
    "codex": """#!/bin/sh
case "$*" in
    --version) echo "codex-cli 0.169.0" ;;
    "debug models --bundled") echo '{"models": [{"slug": "bundled"}]}' ;;
esac
""",
}


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    """Somebody with everything that the README speaks of: a login, a key, Cursor."""
    cursor = FakeCursor(tmp_path / "cursor")
    cursor.install()
    cursor.login("in")
    with user_with_daemons(tmp_path) as someone:
        (tmp_path / ".codex").mkdir()
        Account().write(tmp_path / ".codex")
        cache = json.dumps(codex_shape(fallback_entries()))
        (tmp_path / ".codex" / "models_cache.json").write_text(cache)
        for name, text in PROGRAMS.items():
            (cursor.bin / name).write_text(text)
            (cursor.bin / name).chmod(0o755)
        [rows_of_ones_own] = [block for block in blocks("json") if "DEEPSEEK" in block.text]
        (tmp_path / ".codex-shim").mkdir()
        (tmp_path / ".codex-shim" / "models.json").write_text(rows_of_ones_own.text)
        path = os.pathsep.join(
            [str(cursor.bin), str(Path(sys.executable).parent), "/usr/bin", "/bin"]
        )
        someone.more = {**cursor.env, "PATH": path, "CODEX_BIN": str(cursor.bin / "codex")}
        yield someone


def script_of(block: Block, port: int) -> str:
    """The block as a script in which nothing runs for ever."""
    lines = [line for line in block.lines if line not in NOT_RUN]
    text = "\n".join(UNTIL_UP.sub(r"until_up \g<0>", line, count=1) for line in lines)
    return PREAMBLE + text.replace("8765", str(port)) + "\n"


@pytest.mark.skipif(sys.platform != "linux", reason="a shell, and signals")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("block", blocks("sh"), ids=lambda block: block.lines[0])
def test_what_it_says_to_type_works(block: Block, user: User, tmp_path: Path) -> None:
    env = environment(user.home, {**user.more, "CODEX_SHIM_PORT": str(user.port), "CI": "1"})
    ran = subprocess.run(
        ["bash", "-c", script_of(block, user.port)],
        env=env,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


def test_every_line_that_is_not_run_is_still_there() -> None:
    assert set(NOT_RUN) <= set(LINES)


def test_the_example_of_settings_is_offered_once_its_key_is_there(user: User) -> None:
    listed = json.loads(user.run("list", "--json", DEEPSEEK_API_KEY="k").stdout)
    assert "deepseek-chat" in [row["slug"] for row in listed]
