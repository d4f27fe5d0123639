"""Every command line that the product prints works: it is accepted by its program, and does what its sentence says.

`codex-shim …` lines are parsed by the command line itself and run against fakes (`RUNS`), or by the test that `ELSEWHERE`
names. Lines of other programs are in `OTHER`, with what verifies them. A new line fails here until it is in a table.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
import shlex
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from addons.adapters.ledger.reader import open_reader
from tests.adapters.codex.codex_threads import CodexThreads, thread_id
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.model_upstream import KEY, say
from tests.printed import OTHER_PROGRAMS, ROOT, Printed, lines_in, printed, texts
from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.run import shim
from tests.shim_cli.stage import ECHO
from tests.shim_cli.test_app_golden import everything
from tests.support.waiting import until
from tests.test_document_commands import refused

THREAD = thread_id(1)
VALUES = {
    "port": "PORT", "listen.port": "PORT", "listen.port + 1": "PORT", "id": THREAD, "thread_id": THREAD,
    "thread.id": THREAD, "to": "shim", "slug": "deepseek-v4", "named[0].slug": "deepseek-v4",
    "table.live[0].slug": "deepseek-v4", "shlex.quote(slugs[0])": "deepseek-v4", "preset.name": "vllm",
    "self.budget.name": "day-dollars",
}  # fmt: skip
"""What stands for the placeholders of a line."""
NAMES = {"FILE": "turns.flow", "MODEL": "deepseek-v4", "URL": "URL", "PATH": "PATH"}
"""What a person puts in place of a word in capitals. `URL` and `PATH` are replaced by the fixture."""
PROSE = {
    "(pid", "accepts", "again", "and", "answered", "at", "block", "can", "cannot", "checked", "could", "demo", "did",
    "does", "ended", "failed", "from", "has", "holds", "in", "is", "itself", "left", "listens", "needs", "never",
    "notices", "only", "passes", "reads", "refuses", "requires", "runs", "sends", "sets", "started", "tries", "turn",
    "was", "with", "wrote", "{VERSION}", "{note}",
}  # fmt: skip
"""What may follow the name of the program where a sentence is about it."""
OTHER_PROSE = {
    "closed", "collided", "could", "did", "does", "ended", "is", "used", "was", "would", "{how}",
}  # fmt: skip


def own(line: str) -> str:
    """Return a line of `codex-shim` with values in place of what stands for them."""
    filled = re.sub(r"\{([^}]*)\}", lambda found: VALUES[found[1]], line)
    return " ".join(NAMES.get(word, word) for word in re.split(r" (?:>>?) ", filled)[0].split(" "))


def is_prose(each: Printed) -> bool:
    """Return whether an unquoted line is the middle of a sentence about the program."""
    program, second, *_ = [*each.line.split(" "), ""]
    words = PROSE if program == "codex-shim" else OTHER_PROSE
    return not each.is_quoted and second in words


@cache
def own_lines() -> frozenset[str]:
    """Return the lines of `codex-shim`, with values in them."""
    return frozenset(
        own(each.line)
        for each in printed()
        if each.line.startswith("codex-shim ") and not is_prose(each)
    )


@dataclass(frozen=True, slots=True)
class Run:
    """One line: what it prints, what was typed before it and to answer it, and its exit code."""

    says: str
    before: tuple[str, ...] = ()
    code: int = 0
    stdin: str = ""


UP = ("start",)
RUNS = {
    "codex-shim add --help": Run("Usage: codex-shim add"),
    "codex-shim help add": Run("Usage: codex-shim add"),
    "codex-shim help enable": Run("Usage: codex-shim enable"),
    "codex-shim help test": Run("Usage: codex-shim test"),
    "codex-shim add deepseek --model deepseek-chat --key-env DEEPSEEK_API_KEY --yes": Run("codex-shim try --model"),
    "codex-shim budget": Run("day-dollars"),
    "codex-shim budget lift 1 --for 30m": Run("is lifted for 30 min"),
    "codex-shim budget lift day-dollars": Run("is lifted for 1 h"),
    "codex-shim budget lift day-dollars --for 1h": Run("is lifted for 1 h"),
    "codex-shim codex": Run("codex was given", code=7),
    'codex-shim codex -- exec "Say hello"': Run("codex was given Say hello", code=7),
    f"codex-shim codex -- resume {THREAD}": Run(f"codex was given {THREAD}", code=7),
    "codex-shim completion bash": Run("complete"),
    "codex-shim completion zsh": Run("#compdef codex-shim"),
    "codex-shim disable": Run("Removed", before=("enable --model deepseek-v4",)),
    "codex-shim disable --older": Run("nothing"),
    "codex-shim doctor": Run("Daemon", before=UP),
    "codex-shim doctor --settings PATH": Run("models.json", before=UP),
    "codex-shim doctor models": Run("deepseek-v4", before=UP),
    "codex-shim drill": Run("the upstream answers 429"),
    "codex-shim enable": Run("Undo: codex-shim disable"),
    "codex-shim enable --model deepseek-v4": Run("deepseek-v4"),
    "codex-shim enable --move-threads": Run("Moved 1 thread to codex-shim"),
    "codex-shim enable --port PORT": Run("Undo: codex-shim disable"),
    "codex-shim generate": Run("custom_model_catalog.json"),
    "codex-shim list": Run("deepseek-v4"),
    "codex-shim list --all": Run("deepseek-v4"),
    "codex-shim list --all --json": Run('"slug": "deepseek-v4"'),
    "codex-shim model forget --all": Run(""),
    "codex-shim model forget deepseek-v4": Run("deepseek-v4"),
    'codex-shim model use "GPT-5.5"': Run("gpt-5.5"),
    "codex-shim model use gpt-5.5": Run("gpt-5.5"),
    "codex-shim model use deepseek-v4": Run("deepseek-v4"),
    "codex-shim radar --seen": Run("Nothing was seen"),
    "codex-shim remove deepseek-chat": Run("Removed deepseek-chat", stdin="y\n"),
    "codex-shim remove deepseek-chat --yes": Run("Removed deepseek-chat"),
    "codex-shim report": Run(".zip", before=("try hi",)),
    "codex-shim report --last": Run(".zip", before=("try hi",)),
    "codex-shim restart": Run("stopped (pid", before=UP),
    "codex-shim restart --port PORT": Run("stopped (pid", before=UP),
    "codex-shim restart --force --port PORT": Run("killed (pid", before=UP),
    "codex-shim start": Run("running at"),
    "codex-shim start --port PORT": Run("running at"),
    "codex-shim status": Run("running at", before=UP),
    "codex-shim status --port PORT": Run("running at", before=UP),
    "codex-shim statusline": Run("deepseek-v4 · ", before=("try hi",)),
    "codex-shim statusline --thread 0199-b": Run(""),
    "codex-shim stop": Run("stopped", before=UP),
    "codex-shim stop --port PORT": Run("stopped", before=UP),
    "codex-shim test": Run("deepseek-v4"),
    "codex-shim test --all --json": Run('"slug": "deepseek-v4"'),
    "codex-shim test deepseek-v4 gpt-5.5": Run("gpt-5.5"),
    "codex-shim threads": Run(THREAD),
    "codex-shim threads list --json": Run(THREAD),
    "codex-shim threads move --to openai --all": Run("Nothing to move"),
    "codex-shim threads move --to shim --all": Run("Undo: codex-shim threads undo"),
    "codex-shim threads move --to shim 01a229d8": Run("Undo: codex-shim threads undo"),
    f"codex-shim threads move --to shim {THREAD}": Run("Undo: codex-shim threads undo"),
    "codex-shim threads undo": Run("Moved 1 thread back", before=("threads move --to shim --all",)),
    "codex-shim try": Run("hi there"),
    "codex-shim try --json": Run("hi there"),
    "codex-shim try --model deepseek-v4": Run("hi there"),
    'codex-shim try "Say hello"': Run("hi there"),
    'codex-shim try "hello"': Run("hi there"),
    'codex-shim try "What is 6 x 7?" --model deepseek-v4': Run("hi there"),
    "codex-shim usage": Run("deepseek-v4", before=("try hi",)),
    "codex-shim usage --by day --csv": Run("day,turns,", before=("try hi",)),
    "codex-shim usage --since 7d": Run("deepseek-v4", before=("try hi",)),
    "codex-shim usage --quota --by thread": Run("No upstream has reported a quota"),
    "codex-shim usage --quota --json": Run('"windows": []'),
}  # fmt: skip
FIND_SERVERS = "tests/shim_cli/commands/test_add.py"
SERVES, TOOLS = (
    "tests/shim_cli/commands/test_serve.py",
    "tests/shim_cli/commands/test_mitmproxy_tools.py",
)
DRILL = "tests/shim_cli/drill/test_command.py"
RADAR = "tests/shim_cli/radar/test_command.py"
CASSETTE = "tests/shim_cli/cassette/test_command.py"
PRIVACY = "tests/shim_cli/privacy/test_command.py"
WHAT_IF = "tests/shim_cli/what_if/test_command.py"
HAR = "tests/shim_cli/report/test_har.py"
ELSEWHERE = {
    "codex-shim add": FIND_SERVERS,
    "codex-shim add openai-compatible --base-url URL": FIND_SERVERS,
    "codex-shim add vllm --base-url URL": FIND_SERVERS,
    "codex-shim add local": "tests/shim_cli/commands/test_add_local.py",
    "codex-shim add ollama": FIND_SERVERS,
    "codex-shim add ollama --base-url URL": FIND_SERVERS,
    "codex-shim add ollama --yes": FIND_SERVERS,
    "codex-shim app": "tests/shim_cli/commands/test_desktop.py",
    "codex-shim app ~/project": "tests/shim_cli/commands/test_desktop.py",
    "codex-shim record turns.flow": CASSETTE,
    "codex-shim record turns.jsonl": CASSETTE,
    "codex-shim har 0199-b --from turns.flow -o turns.har": HAR,
    "codex-shim har last --from turns.flow": HAR,
    "codex-shim har last --from turns.jsonl": HAR,
    "codex-shim replay turns.flow --loose": "tests/e2e/test_cassettes.py",
    "codex-shim replay turns.jsonl": CASSETTE,
    "codex-shim replay turns.jsonl --speed 0": CASSETTE,
    "codex-shim radar": RADAR,
    "codex-shim radar --codex PATH": RADAR,
    "codex-shim radar --npm VERSION --write turns.flow": RADAR,
    "codex-shim radar --npm latest": RADAR,
    "codex-shim privacy -": PRIVACY,
    "codex-shim privacy notes.txt": PRIVACY,
    "codex-shim privacy turns.flow": PRIVACY,
    "codex-shim drill 429": DRILL,
    "codex-shim drill cut --model deepseek-v4": DRILL,
    "codex-shim what-if LAST --as deepseek-v4": WHAT_IF,
    "codex-shim what-if turns.flow --as deepseek-v4": WHAT_IF,
    "codex-shim what-if turns.flow:3 --as gpt-5.5 --html compared.html": WHAT_IF,
    "codex-shim what-if turns.jsonl --as gpt-5.5 deepseek-v4 --open": WHAT_IF,
    "codex-shim mitmdump": TOOLS,
    "codex-shim mitmdump -- -w turns.flow": TOOLS,
    "codex-shim web": TOOLS,
    "codex-shim web -- --set web_port=8090": TOOLS,
    "codex-shim serve": SERVES,
    "codex-shim serve --allow-remote": SERVES,
    "codex-shim serve --port PORT": SERVES,
    "codex-shim serve --port 0": SERVES,
    "codex-shim serve --hook codex_shim_hooks.py": SERVES,
    "codex-shim report --flow 1f0c --with-text": "tests/shim_cli/report/test_command.py",
    "codex-shim report --flow-file turns.flow": "tests/shim_cli/report/test_command.py",
    "codex-shim service install": "tests/shim_cli/commands/test_service.py",
}
"""Lines that need a terminal, run until they are stopped, or need another system → the test that runs the command."""
CODEX = "the real Codex accepts it: tests/e2e/test_printed_commands.py"
CURSOR = (
    "not possible: cursor-agent is closed and needs an account; facts are recorded from its --help"
)
SYSTEM = "not possible: it changes services of the machine; the unit itself is tested in commands/test_service.py"
POSIX = "tests/shim_cli/console/test_shells.py runs what the shells build"
WINDOWS = "not possible here: Windows only; tests/shim_cli/console/test_shells.py holds the text"
OTHER = {
    "codex app": "not possible: Codex Desktop runs on macOS only",
    "codex features enable standalone_web_search": CODEX,
    "codex fork {id}": CODEX,
    "codex login": CODEX,
    "printenv CODEX_ACCESS_TOKEN | codex login --with-access-token": CODEX,
    "printenv OPENAI_API_KEY | codex login --with-api-key": CODEX,
    "curl https://cursor.com/install -fsS | bash": "not possible: it installs a program from the internet",
    "curl -N --noproxy '*' {shlex.quote(url)} -H {shlex.quote(kind)} -d {shlex.quote(body)}": "tests/shim_cli/commands/test_serve_line.py runs it against each route",
    "cursor-agent --model {turn.model}": "nobody types it: it is the record of a turn",
    "cursor-agent -p hello": CURSOR,
    "cursor-agent login": CURSOR,
    "cursor-agent models": CURSOR,
    "cursor-agent status": CURSOR,
    "cursor-agent update": CURSOR,
    "uv pip install --python {python} '{requirement}'": "tests/adapters/system/test_packages.py",
    "vllm serve MODEL": "not possible: it needs vLLM",
    "lms server start": "not possible: it needs LM Studio",
    "llama-server -m MODEL.gguf": "not possible: it needs llama.cpp",
    "npm install -g @openai/codex": "tests/e2e/codex_cli.py installs the same package, without -g",
    "npm view @openai/codex versions": "not possible: it asks the registry of npm",
    "lms load MODEL --context-length 65536": "not possible: it needs LM Studio",
    "ollama pull {model}": "not possible: it needs Ollama",
    "ollama ps": "not possible: it needs Ollama",
    "ollama serve": "not possible: it needs Ollama",
    "uv tool install --force .": "tests/e2e/test_checkout.py installs a checkout",
    "ssh -N -L {port}:127.0.0.1:{port} THIS-MACHINE": "not possible: it needs a second machine",
    "systemctl --user daemon-reload && systemctl --user enable --now {unit}": SYSTEM,
    "systemctl --user disable --now {unit}": SYSTEM,
    "launchctl bootstrap gui/$(id -u": SYSTEM,
    "launchctl bootout gui/$(id -u)/{LABEL}": SYSTEM,
    "kill -9 {state.pid}": POSIX,
    "kill {pid}": POSIX,
    "export {name}={value}": POSIX,
    'export {name}="${{name}:+${name},}{value}"': POSIX,
    "unset {name}": POSIX,
    "unset {DISABLE_VARIABLE}": POSIX,
    "unset {problem.partition(':')[0]}": POSIX,
    "unset CODEX_SHIM_CURSOR_WORKSPACE": POSIX,
    "unset CURSOR_AGENT_BIN": POSIX,
    "ls -l {shlex.quote(path)}": POSIX,
    "ls -l {shlex.quote(str(self.path))}": POSIX,
    "ls -ld {shlex.quote(path)}": POSIX,
    "chmod 600 {path}": POSIX,
    "chmod 600 {shlex.quote(path)}": POSIX,
    "chmod u+w": POSIX,
    "attrib -R": WINDOWS,
    "notepad {self.quote(path)}": WINDOWS,
    "icacls {self.quote(path)}": WINDOWS,
    'icacls {self.quote(path)} /inheritance:r /grant:r "${env:USERNAME}:F"': WINDOWS,
}  # fmt: skip
"""Each line of another program → what verifies it, or why nothing can."""


# The lines ----------------------------------------------------------------------------------------------------


def test_lines_are_found() -> None:
    assert len(own_lines()) > 60
    assert {each.where.split(":")[0].rpartition("/")[0] for each in printed()} >= {
        "addons/core", "addons/core/codex", "addons/core/server", "shim_cli", "shim_cli/commands", "shim_cli/doctor",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("<p>Stop it: <code>codex-shim stop</code><b>Copy</b></p>", ["codex-shim stop"]),
        ("Stop it: codex-shim stop", ["codex-shim stop"]),
        ("Run codex-shim enable, then go on. Type `codex-shim list`.", ["codex-shim list", "codex-shim enable"]),
        ("codex-shim is up", ["codex-shim is up"]),
        ("Install it: uv tool install .", ["uv tool install ."]),
        ("the uv tool", []),
    ],
)  # fmt: skip
def test_lines_of_a_text_are_found(text: str, lines: list[str]) -> None:
    assert [each.line for each in lines_in(text, "here")] == lines


def test_strings_and_calls_are_read_and_docstrings_are_not() -> None:
    tree = ast.parse('"doc"\nx = "a"\n"""of x"""\ny = f"b{x}c"\ncommand("z" if y else "w", 1)\n')
    assert {text for _, text in texts(tree)} >= {
        "a", "b{x}c", "codex-shim z --port {port}", "codex-shim w --port {port}",
    }  # fmt: skip
    assert not {"doc", "of x", "b"} & {text for _, text in texts(tree)}


def test_every_word_behind_the_program_is_a_command_or_prose() -> None:
    commands = {name.split(" ")[0] for name in everything()} | {"help"}
    strange = [
        each
        for each in printed()
        if each.line.startswith("codex-shim ")
        and not is_prose(each)
        and each.line.split(" ")[1] not in commands
    ]
    assert strange == []


def test_own_lines_are_accepted_by_the_command_line() -> None:
    lines = (line.replace("PORT", "8765").removeprefix("codex-shim ") for line in own_lines())
    assert refused(lines) == {}


def test_every_own_line_is_run() -> None:
    assert own_lines() - RUNS.keys() - ELSEWHERE.keys() == set()
    assert (RUNS.keys() | ELSEWHERE.keys()) - own_lines() == set()
    for line, test in ELSEWHERE.items():
        text = (ROOT / test).read_text()
        options = [word for word in shlex.split(line)[1:] if word.startswith("--") and word != "--"]
        assert shlex.split(line)[1] in text, line
        assert [word for word in options if word not in text] == [], line


def test_every_line_of_another_program_is_in_the_table() -> None:
    lines = {
        each.line
        for each in printed()
        if each.line.split(" ")[0] in OTHER_PROGRAMS and not is_prose(each)
    }
    assert lines - OTHER.keys() == set()
    assert OTHER.keys() - lines == set()
    for how in OTHER.values():
        for path in re.findall(r"tests/\S+\.py", how):
            assert (ROOT / path).exists()


# What they do -------------------------------------------------------------------------------------------------


@pytest.fixture
def upstream() -> Iterator[ChatUpstream]:
    with ChatUpstream() as fake:
        fake.play(*[say("hi there")] * 6)
        yield fake


@pytest.fixture
def user(tmp_path: Path, upstream: ChatUpstream) -> Iterator[User]:
    """Return a user with everything that the lines are about: rows, a login, Codex, a thread."""
    row = {"model": "own-1", "provider": "vllm", "base_url": upstream.base_url, "api_key": KEY}
    rows = [{**row, "slug": slug} for slug in ("deepseek-v4", "deepseek-chat")]
    account = Account()
    codex = tmp_path / "codex"
    codex.write_text(ECHO.format(python=sys.executable))
    codex.chmod(0o755)
    (tmp_path / ".codex-shim").mkdir()
    budgets = [{"per": "day", "dollars": 5, "unknown_price": "allow"}]
    settings = json.dumps({"models": rows, "budgets": budgets})
    (tmp_path / ".codex-shim" / "models.json").write_text(settings)
    (tmp_path / ".codex").mkdir()
    account.write(tmp_path / ".codex")
    models = {"models": [{"slug": "gpt-5.5", "display_name": "GPT-5.5"}]}
    (tmp_path / ".codex" / "models_cache.json").write_text(json.dumps(models))
    CodexThreads(tmp_path).begin(1)
    with ChatGptBackend(account) as backend, user_with_daemons(tmp_path) as someone:
        backend.play(*[scenarios.text("hi there")] * 6)
        someone.more = {
            "CODEX_BIN": str(codex),
            "CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url,
            "DEEPSEEK_API_KEY": KEY,
        }
        yield someone


def has_turn(ledger: Path) -> bool:
    """Return whether the shim, which writes a turn a moment after its end, has written one."""
    with suppress(sqlite3.Error), open_reader(ledger) as db:
        return bool(db.execute("SELECT 1 FROM turns").fetchone())
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and a POSIX shell script as Codex")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("line", RUNS)
def test_own_line_does_what_it_says(line: str, user: User, upstream: ChatUpstream) -> None:
    run = RUNS[line]
    for earlier in run.before:
        before = user.run(*shlex.split(earlier))
        assert before.returncode == 0, before.stdout + before.stderr
        if earlier.startswith("try "):
            asyncio.run(until(lambda: has_turn(user.state / "usage.sqlite")))
    values = {"PORT": str(user.port), "URL": upstream.base_url, "PATH": str(user.home / ".codex-shim" / "models.json")}  # fmt: skip
    words = [values.get(word, word) for word in shlex.split(line)[1:]]
    env = {"CODEX_SHIM_PORT": str(user.port), **user.more}
    done = shim(user.home, *words, env=env, stdin=run.stdin)
    assert done.returncode == run.code, done.stdout + done.stderr
    assert run.says in done.stdout + done.stderr, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
