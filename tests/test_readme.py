"""README.md and docs/ match the code: their commands and variables exist, and the commands that they show work."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest

from addons.core.codex.catalog import codex_shape, fallback_entries
from addons.core.limits import ENV_PREFIX, FORMER_NAMES, Limits
from addons.core.settings.models_file import parse_models
from addons.core.settings.presets import PRESETS
from addons.core.settings.root import parse_settings
from addons.core.settings.upstream_url import EndpointRules
from tests.adapters.codex.codex_threads import CodexThreads
from tests.e2e.shim import Shim
from tests.fakes.account import Account
from tests.fakes.cursor import FakeCursor
from tests.readme import (
    COMMANDS,
    CONFIGURATION,
    DOCUMENTS,
    README,
    ROOT,
    TROUBLESHOOTING,
    Block,
    Document,
    code_in,
)
from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.forks.client import keep_servers, launcher
from tests.shim_cli.run import environment
from tests.shim_cli.test_app_golden import everything

VARIABLE = re.compile(r"CODEX_SHIM_[A-Z_]*[A-Z]")
SOURCES = [*ROOT.glob("addons/**/*.py"), *ROOT.glob("shim_cli/**/*.py")]
LONGEST_README = 150
NOT_READ = {"CODEX_SHIM_ARTIFACTS", "CODEX_SHIM_UPDATE_GOLDEN", "CODEX_SHIM_GIT"}
"""Variables of the tests, and the end of a name of Homebrew's."""


def test_readme_is_short() -> None:
    assert len(README.text.splitlines()) <= LONGEST_README


@pytest.mark.skipif(sys.platform != "linux", reason="stops the shim with a signal")
def test_shown_output_is_what_a_newcomer_sees(tmp_path: Path) -> None:
    [shown] = README.blocks("text")
    with Shim(environment(tmp_path), tmp_path / "serve.log") as ended:
        pass
    printed = ended.output.replace(str(tmp_path), "~").replace(str(ended.port), "8765")
    assert shown.text.splitlines() == printed.splitlines()[: len(shown.lines)]


def test_documents_count_the_providers() -> None:
    for document in (README, Document("docs/comparison.md")):
        assert re.findall(r"(\d+) (?:providers|by name)", document.text)[0] == str(len(PRESETS))


# Tables ---------------------------------------------------------------------------------------------------


def test_command_table_is_complete() -> None:
    named = [name for cells in COMMANDS.rows("command") for name in code_in(cells[0])]
    commands = {re.split(r" (?:--|\[|[A-Z])", name)[0] for name in named}
    assert commands - {"doctor models", "doctor picker"} == set(everything())


@cache
def constants(path: Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_variable_table_is_complete_and_unique() -> None:
    read = {text for path in SOURCES for text in constants(path) if VARIABLE.fullmatch(text)}
    limits = {ENV_PREFIX + name.upper() for name in asdict(Limits())}
    documented = [name for cells in CONFIGURATION.rows("variable") for name in code_in(cells[0])]
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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_variable_in_the_text_is_read_by_the_code(document: Document) -> None:
    limits = {ENV_PREFIX + name.upper() for name in (*asdict(Limits()), *FORMER_NAMES)}
    documented = {name for cells in CONFIGURATION.rows("variable") for name in code_in(cells[0])}
    assert set(VARIABLE.findall(document.text)) <= documented | limits | NOT_READ


def test_limit_table_matches_the_code() -> None:
    documented = {code_in(cells[0])[0]: float(cells[1]) for cells in CONFIGURATION.rows("limit")}
    assert documented == {name: float(value) for name, value in asdict(Limits()).items()}


@pytest.mark.parametrize(
    "symptom", [code for cells in TROUBLESHOOTING.rows("symptom") for code in code_in(cells[0])]
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


@pytest.mark.parametrize(
    "block",
    [
        *README.blocks("json"),
        *CONFIGURATION.blocks("json"),
        *Document("docs/privacy.md").blocks("json"),
    ],
    ids=lambda block: block.text[:40],
)
def test_settings_example_is_valid(block: Block) -> None:
    data = block.text.encode()
    assert parse_settings(data, "models.json", {}).problems == ()
    assert parse_models(data, "models.json", EndpointRules()).problems == ()


# Shell blocks ---------------------------------------------------------------------------------------------

RUN = [
    README,
    *(Document(f"docs/{name}.md") for name in ("codex", "cursor", "install", "observing")),
]
"""The documents whose shell blocks are run."""
INSTALLS = "it installs; tests/e2e/test_newcomer.py runs the first of them"
NO_DOCKER = "it needs Docker; tests/test_packaging.py checks the file"
NO_HOMEBREW = "it needs Homebrew; tests/test_packaging.py checks the file"
FAKE_PROVIDER = "tests/shim_cli/test_app_first_five_minutes.py types it, with a fake provider"
NOT_RUN = {
    "uv run pytest": "this test is part of it",
    "curl https://cursor.com/install -fsS | bash": "it downloads a third-party installer",
    "cursor-agent login": "it needs a person and a browser",
    "uv tool install .": INSTALLS,
    "uv tool install '.[keyring]'": INSTALLS,
    "uv tool uninstall codex-shim": INSTALLS,
    "git pull && uv tool install --force . && codex-shim restart": INSTALLS,
    'docker build -f scripts/packaging/Dockerfile --build-arg UID="$(id -u)" -t codex-shim .': NO_DOCKER,
    "mkdir -p ~/.codex ~/.codex-shim": NO_DOCKER,
    "docker run --detach --name codex-shim --publish 127.0.0.1:8765:8765 --volume ~/.codex:/home/shim/.codex --volume ~/.codex-shim:/home/shim/.codex-shim codex-shim": NO_DOCKER,
    "docker exec codex-shim codex-shim enable": NO_DOCKER,
    "docker exec codex-shim codex-shim disable": NO_DOCKER,
    "codex-shim add deepseek": FAKE_PROVIDER,
    'codex-shim try "Say hello" --model deepseek-chat': FAKE_PROVIDER,
    "brew tap-new --no-git local/tools": NO_HOMEBREW,
    'cp scripts/packaging/codex-shim.rb "$(brew --repository local/tools)/Formula/"': NO_HOMEBREW,
    'export HOMEBREW_CODEX_SHIM_GIT="$PWD"': NO_HOMEBREW,
    "brew install --HEAD local/tools/codex-shim": NO_HOMEBREW,
}
UNTIL_UP = re.compile(
    r"(?:uv run (?:--no-default-groups )?)?\b(?:codex-shim (?:serve|web|mitmdump)|mitmdump -s)\b"
)
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
    "uv": """#!/bin/sh
[ "$1" = run ] || exit 64
shift
[ "$1" != --no-default-groups ] || shift
exec "$@"
""",
    "uvx": '#!/bin/sh\n[ "$1 $2" = "--from ." ] || exit 64\nshift 2\nexec "$@"\n',
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
        keep_servers("tools")
        ours = ("codex-shim", "mitmdump") if sys.platform == "linux" else ()
        for name, text in (*PROGRAMS.items(), *((name, launcher(name)) for name in ours)):
            (cursor.bin / name).write_text(text)
            (cursor.bin / name).chmod(0o755)
        [example] = [block for block in README.blocks("json") if "DEEPSEEK" in block.text]
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


RUNNABLE = [
    block
    for document in RUN
    for block in document.blocks("sh")
    if not set(block.lines) <= NOT_RUN.keys()
]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a POSIX shell and signals")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("block", RUNNABLE, ids=lambda block: block.lines[0])
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


def test_every_excluded_line_is_still_in_a_document() -> None:
    assert set(NOT_RUN) <= {line for document in RUN for line in document.lines()}


def test_models_example_is_listed_once_its_key_is_set(user: User) -> None:
    listed = json.loads(user.run("list", "--json", DEEPSEEK_API_KEY="k").stdout)
    assert "deepseek-chat" in [row["slug"] for row in listed]
