"""README.md matches the code: its commands and variables exist, and the commands it shows work."""

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

from addons.core.codex.catalog import codex_shape, fallback_entries
from addons.core.limits import ENV_PREFIX, FORMER_NAMES, Limits
from addons.core.settings.models_file import parse_models
from addons.core.settings.root import parse_settings
from addons.core.settings.upstream_url import EndpointRules
from tests.adapters.codex.codex_threads import CodexThreads
from tests.fakes.account import Account
from tests.fakes.cursor import FakeCursor
from tests.readme import ROOT, TEXT, Block, blocks, code_in, rows
from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.run import environment
from tests.shim_cli.test_app_golden import everything

VARIABLE = re.compile(r"CODEX_SHIM_[A-Z_]*[A-Z]")
SOURCES = [*ROOT.glob("addons/**/*.py"), *ROOT.glob("shim_cli/**/*.py")]
LINES = [line for block in blocks("sh") for line in block.lines]


# Tables ---------------------------------------------------------------------------------------------------


def test_command_table_is_complete() -> None:
    named = [name for cells in rows("command") for name in code_in(cells[0])]
    commands = {re.split(r" (?:--|\[|[A-Z])", name)[0] for name in named}
    assert commands - {"doctor models", "doctor picker"} == set(everything())


def constants(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_variable_table_is_complete_and_unique() -> None:
    read = {text for path in SOURCES for text in constants(path) if VARIABLE.fullmatch(text)}
    limits = {ENV_PREFIX + name.upper() for name in asdict(Limits())}
    documented = [name for cells in rows("variable") for name in code_in(cells[0])]
    assert sorted(documented) == sorted(set(documented))
    assert {name for name in documented if name.startswith(ENV_PREFIX)} == read - limits
    others = {
        "CODEX_HOME",
        "CODEX_SQLITE_HOME",
        "CODEX_BIN",
        "CODEX_AUTHAPI_BASE_URL",
        "CURSOR_AGENT_BIN",
    }
    assert {name for name in documented if not name.startswith(ENV_PREFIX)} == others


def test_every_variable_in_the_text_is_read_by_the_code() -> None:
    limits = {ENV_PREFIX + name.upper() for name in (*asdict(Limits()), *FORMER_NAMES)}
    documented = {name for cells in rows("variable") for name in code_in(cells[0])}
    assert set(VARIABLE.findall(TEXT)) <= documented | limits


def test_limit_table_matches_the_code() -> None:
    documented = {code_in(cells[0])[0]: float(cells[1]) for cells in rows("limit")}
    assert documented == {name: float(value) for name, value in asdict(Limits()).items()}


@pytest.mark.parametrize(
    "symptom", [code for cells in rows("symptom") for code in code_in(cells[0])]
)
def test_quoted_symptom_is_a_text_of_the_product(symptom: str) -> None:
    from_other_programs = {
        "Reconnecting…",
        "auth.json",
        "shim-demo",
        "composer-2-5",
        "codex-call",
        "doctor",
        "request_refused",
    }
    texts = (text for path in SOURCES for text in constants(path))
    assert symptom in from_other_programs or any(symptom in text for text in texts)


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.text[:20])
def test_settings_example_is_valid(block: Block) -> None:
    data = block.text.encode()
    assert parse_settings(data, "models.json", {}).problems == ()
    assert parse_models(data, "models.json", EndpointRules()).problems == ()


# Commands in the text -------------------------------------------------------------------------------------

INLINE = sorted(
    {code for code in code_in(TEXT) if code.startswith("codex-shim ") and "…" not in code}
)


@pytest.mark.parametrize("line", [*INLINE, *(line for line in LINES if "codex-shim " in line)])
def test_shown_command_and_flags_exist(line: str) -> None:
    inner = re.search(r"\$\((.*?)\)", line)
    arguments = shlex.split(inner[1] if inner else line)
    arguments = arguments[arguments.index("codex-shim") + 1 :]
    arguments = arguments[: arguments.index("--")] if "--" in arguments else arguments
    candidates = (" ".join(arguments[:2]), arguments[0])
    name = next((one for one in candidates if one in everything()), None)
    assert name, line
    known = {flag for each in everything()[name].params for flag in each.opts}
    assert {one.partition("=")[0] for one in arguments if one.startswith("--")} <= known


# Shell blocks ---------------------------------------------------------------------------------------------

NOT_RUN = {
    "uv run pytest": "this test is part of it",
    "curl https://cursor.com/install -fsS | bash": "it downloads a third-party installer",
    "cursor-agent login": "it needs a person and a browser",
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
    # `uv run X` runs X of this environment; there is nothing to sync
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
    """Return a user with everything that the README mentions: a login, a key, Cursor, a thread."""
    cursor = FakeCursor(tmp_path / "cursor")
    cursor.install()
    cursor.login("in")
    with user_with_daemons(tmp_path) as created:
        (tmp_path / ".codex").mkdir()
        Account().write(tmp_path / ".codex")
        CodexThreads(tmp_path).begin(1)
        cache = json.dumps(codex_shape(fallback_entries()))
        (tmp_path / ".codex" / "models_cache.json").write_text(cache)
        for name, text in PROGRAMS.items():
            (cursor.bin / name).write_text(text)
            (cursor.bin / name).chmod(0o755)
        [example] = [block for block in blocks("json") if "DEEPSEEK" in block.text]
        (tmp_path / ".codex-shim").mkdir()
        (tmp_path / ".codex-shim" / "models.json").write_text(example.text)
        path = os.pathsep.join(
            [str(cursor.bin), str(Path(sys.executable).parent), "/usr/bin", "/bin"]
        )
        created.more = {**cursor.env, "PATH": path, "CODEX_BIN": str(cursor.bin / "codex")}
        yield created


def script_of(block: Block, port: int) -> str:
    """Return the block as a script in which every server is stopped once it answers."""
    lines = [line for line in block.lines if line not in NOT_RUN]
    text = "\n".join(UNTIL_UP.sub(r"until_up \g<0>", line, count=1) for line in lines)
    return PREAMBLE + text.replace("8765", str(port)) + "\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a POSIX shell and signals")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("block", blocks("sh"), ids=lambda block: block.lines[0])
def test_shell_block_works(block: Block, user: User, tmp_path: Path) -> None:
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


def test_every_excluded_line_is_still_in_the_readme() -> None:
    assert set(NOT_RUN) <= set(LINES)


def test_models_example_is_listed_once_its_key_is_set(user: User) -> None:
    listed = json.loads(user.run("list", "--json", DEEPSEEK_API_KEY="k").stdout)
    assert "deepseek-chat" in [row["slug"] for row in listed]
