"""Draw the pictures of README.md: a terminal with real output of codex-shim, and the badges; and that of `radar`.

`uv run python -m scripts.pictures` writes them into docs/pictures; `--check` fails if one is out of date. The commands run
as child processes with a home folder of their own, a fabricated ChatGPT login and a fake of `cursor-agent`; the turns that
`usage` counts are answered by a fake of ChatGPT's backend. Only the port, the process id and the home folder are replaced.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

from addons.core.codex.catalog import codex_shape, fallback_entries
from addons.core.version import VERSION
from tests.e2e.shim import shim_command
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.cursor import FakeCursor
from tests.shim_cli.forks.client import keep_servers
from tests.shim_cli.run import finished
from tests.support.codex_client import Posted, request
from tests.support.ports import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
MODELS = """{
  "models": [
    {"model": "deepseek-chat", "provider": "deepseek", "api_key_env": "DEEPSEEK_API_KEY"},
    "qwen3:8b"
  ]
}
"""
SHOWN: tuple[tuple[str, ...], ...] = (
    ("list",),
    ("enable", "--model", "deepseek-chat"),
    ("usage",),
)
TURNS = (scenarios.Usage(18_200, 0, 640, 120), scenarios.Usage(19_400, 18_100, 210, 0))
PORT = 8765
COLUMNS, LINE_HEIGHT, CHARACTER = 112, 19, 8.43
PADDING, TOP = 18, 52
SECONDS_PER_COMMAND = 1.6
STYLE = """
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; }
.command { fill: #e6edf3; font-weight: 600; } .prompt { fill: #3fb950; } .output { fill: #b1bac4; }
@media (prefers-reduced-motion: no-preference) { .later { animation: appear .01s step-end backwards; } }
@keyframes appear { from { opacity: 0; } }
"""


# Commands -------------------------------------------------------------------------------------------------


def recorded() -> list[tuple[str, list[str]]]:
    """Return each command line with the lines that it printed."""
    with tempfile.TemporaryDirectory() as folder, ChatGptBackend(Account()) as backend:
        home = Path(folder).resolve()
        port = free_port()
        env = _prepared(home, port, backend.account)
        keep_servers("commands", "serve")
        scenes = []
        try:
            for arguments in SHOWN:
                is_start = arguments[0] == "enable"
                more = {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url} if is_start else {}
                printed = _run(arguments, {**env, **more})
                scenes.append((shell_line(arguments), _general(printed, home, port)))
                if is_start:
                    _send_turns(backend, home, env)
        finally:
            _run(("disable",), env)
        return scenes


def shell_line(arguments: Sequence[str]) -> str:
    """Return what a person types."""
    return " ".join(("codex-shim", *arguments))


def _prepared(home: Path, port: int, account: Account) -> dict[str, str]:
    """Create the home folder of a user with every kind of model. Return the environment."""
    cursor = FakeCursor(home / "cursor")
    cursor.install()
    cursor.login("in")
    codex = home / ".codex"
    codex.mkdir()
    account.write(codex)
    (codex / "models_cache.json").write_text(json.dumps(codex_shape(fallback_entries())))
    (home / ".codex-shim").mkdir()
    (home / ".codex-shim" / "models.json").write_text(MODELS)
    return {
        **cursor.env,
        "HOME": str(home),
        "PATH": str(cursor.bin),
        "NO_COLOR": "1",
        "COLUMNS": str(COLUMNS),
        "CODEX_SHIM_PORT": str(port),
        "DEEPSEEK_API_KEY": "k",
    }


def _run(arguments: Sequence[str], env: Mapping[str, str]) -> str:
    done = finished(shim_command(*arguments), env, Path(env["HOME"]))
    done.check_returncode()
    return done.stdout


def _general(printed: str, home: Path, port: int) -> list[str]:
    """Return the lines without what differs on every machine."""
    text = printed.replace(str(home), "~").replace(str(port), str(PORT))
    return re.sub(r"\bpid \d+", "pid 4242", text).rstrip().splitlines()


def _send_turns(backend: ChatGptBackend, home: Path, env: Mapping[str, str]) -> None:
    """Send one turn for each entry of TURNS, and wait until the ledger has them.

    The answers name no reset time of the quota: the fake's is in the past.
    """
    token = (home / ".codex-shim" / "token").read_text().strip()
    headers = {"content-type": "application/json", "x-codex-shim-token": token}
    for usage in TURNS:
        answer = scenarios.turn(scenarios.message("Done."), usage=usage)
        without_reset = tuple(one for one in answer.headers if not one[0].endswith(b"-reset-at"))
        backend.play(replace(answer, headers=without_reset))
        sent = Posted(
            int(env["CODEX_SHIM_PORT"]),
            request("gpt-5.5", include=[], instructions="Be brief."),
            headers,
        )
        if b"response.completed" not in sent.ended():
            msg = f"the turn failed: {sent.answer.decode()}"
            raise RuntimeError(msg)
    asyncio.run(until(lambda: _turns_counted(env) == len(TURNS)))


def _turns_counted(env: Mapping[str, str]) -> int:
    return int(json.loads(_run(("usage", "--json"), env))["all"]["turns"])


# Drawing --------------------------------------------------------------------------------------------------


def terminal(scenes: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return the picture of a terminal. The scenes appear one after the other, where animation is wanted."""
    rows = list(_rows(scenes))
    width = round(2 * PADDING + COLUMNS * CHARACTER)
    height = TOP + LINE_HEIGHT * len(rows)
    lines = "\n".join(
        f'<g{delay} transform="translate({PADDING} {TOP + LINE_HEIGHT * index})">{row}</g>'
        for index, (delay, row) in enumerate(rows)
    )
    lights = "".join(
        f'<circle cx="{22 + 20 * index}" cy="20" r="6" fill="{colour}"/>'
        for index, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    title = escape(", ".join(command for command, _ in scenes))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">
<title>A terminal: {title}</title>
<style>{STYLE}</style>
<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>
{lights}
{lines}
</svg>
"""


def _rows(scenes: Sequence[tuple[str, Sequence[str]]]) -> Iterator[tuple[str, str]]:
    """Yield the attributes and the text of each line."""
    for number, (command, output) in enumerate(scenes):
        typed, printed = (_delay(number, part) for part in (0.0, 0.6))
        prompt = '<tspan class="prompt">$ </tspan>'
        yield typed, f'<text class="command" xml:space="preserve">{prompt}{escape(command)}</text>'
        for line in output:
            for part in wrapped(line):
                text = escape(part, quote=False)
                yield printed, f'<text class="output" xml:space="preserve">{text}</text>'
        yield "", ""


def wrapped(line: str) -> list[str]:
    """Return the rows that a terminal of this width shows for a line."""
    return [line[at : at + COLUMNS] for at in range(0, max(len(line), 1), COLUMNS)]


def _delay(number: int, part: float) -> str:
    seconds = (number + part) * SECONDS_PER_COMMAND
    return f' class="later" style="animation-delay: {seconds:.1f}s"' if seconds else ""


def badge(label: str, value: str) -> str:
    """Return a badge: a label and a value."""
    left, right = (round(10 + 6.7 * len(text)) for text in (label, value))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img">
<title>{label}: {value}</title>
<rect width="{left + right}" height="20" rx="3" fill="#555"/>
<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z" fill="#0969da"/>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="{left / 2:g}" y="14">{label}</text>
<text x="{left + right / 2:g}" y="14">{value}</text>
</g>
</svg>
"""


def badges() -> dict[str, str]:
    """Return file name → badge."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    values = {
        "version": VERSION,
        "python": project["requires-python"].removeprefix(">=") + "+",
        "platforms": "Linux · macOS · Windows",
        "license": project["license"],
    }
    return {f"badge-{label}.svg": badge(label, value) for label, value in values.items()}


def pictures() -> dict[str, str]:
    """Return file name → SVG of every picture."""
    from scripts.workbench_pictures import radar_scene  # noqa: PLC0415  it needs this module

    return {
        **badges(),
        "terminal.svg": terminal(recorded()),
        "radar.svg": terminal([radar_scene()]),
    }


def main() -> int:
    """Write or check the pictures. Return 1 if `--check` finds one out of date."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail if a picture is out of date")
    drawn = pictures()
    if parser.parse_args().check:
        stale = [name for name, text in drawn.items() if not _is_current(FOLDER / name, text)]
        for name in stale:
            sys.stderr.write(f"docs/pictures/{name}: run `uv run python -m scripts.pictures`\n")
        return bool(stale)
    FOLDER.mkdir(exist_ok=True)
    for name, text in drawn.items():
        (FOLDER / name).write_text(text)
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
