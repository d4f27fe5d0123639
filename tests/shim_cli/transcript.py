"""Transcripts: command lines and their output, as text files that a test plays.

    @ a preparation: a function in `tests/shim_cli/stage.py`
    $ codex-shim COMMAND      with `&` at the end, it runs until it answers and is then interrupted
    | a line of stdout
    ! a line of stderr
    ? the exit code, if it is not 0

Invariant: values that differ between runs are replaced by a name in angle brackets; no line contains the local token.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from addons.core.version import VERSION
from shim_cli.state.health import probe
from tests.shim_cli.forks.client import started
from tests.shim_cli.run import START, Done, environment, run
from tests.shim_cli.stage import PREPARATIONS, Stage
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
Rule = tuple[str, str]
VARYING: tuple[Rule, ...] = (
    (r"(config-backups/)\S+(\.toml)", r"\1<copy>\2"),
    (r"(\bpid\"?:? +|\bkill (?:-9 )?)\d+", r"\1<pid>"),
    (r"(\"uptime_seconds\": )[\d.]+", r"\1<number>"),
    (r"\b\d\d:\d\d:\d\d(?:\.\d+)?\b", "<clock>"),
    (r"(?<![\d.])(?!127\.0\.0\.1|0\.0\.0\.0)\d+\.\d+(?:\.\d+)+(?:[-.]?(?:rc|dev|post)\d+)?", "<version>"),
    (r"(\"seconds\": )[\d.]+(, \"first_text_seconds\": )[\d.]+", r"\1<number>\2<number>"),
    (r"(\"seconds\": )[\d.]+(, \"first_text_seconds\": null)", r"\1<number>\2"),
    (r"\b\d+\.\d+ s\b", "<time>"),
    (r"\b\d+ (?:d|h|min|s)(?: \d+ (?:h|min|s))?\b", "<time>"),
    (r" +[\d,]+ bytes", " <number> bytes"),
    (r"(\"(?:since|lifted_until|resets_at|empty_at|percent_per_hour)\": )[\d.]+", r"\1<number>"),
    (r"\buntil \d\d:\d\d\b", "until <clock>"),
    (r"[\d.]+ % per hour: empty at about (?:\w+ )?\d\d:\d\d", "<number> % per hour: empty at about <clock>"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d\b(?!:)", "<date> <time>"),
    (r"\b\d{4}-\d\d-\d\d\b", "<date>"),
    (r"in use by \S+ \(", "in use by <program> ("),
    (r"((?:OpenSSL|Platform): +)\S.*", r"\1<system>"),
)  # fmt: skip
PROBES = re.compile(r"client (?:dis)?connect|/health|<< ", re.IGNORECASE)
"""Lines that mitmproxy prints about the health probes of this module."""
SLOW = "waiting up to"
"""A line that `stop` prints if it takes more than a second."""


@dataclass(frozen=True, slots=True)
class Typed:
    """One command line of a transcript."""

    line: str

    @property
    def words(self) -> list[str]:
        """The words without variable assignments."""
        return [word for word in shlex.split(self.line) if not _is_assignment(word)]

    @property
    def command(self) -> str:
        """The name of the command: `model use`, `list`."""
        words = iter(self.words[1:])
        names = []
        for word in words:
            if word in {"--settings", "--port", "--state-dir"}:
                next(words)
            elif not word.startswith("-"):
                names.append(word)
        is_group = names[:1] in (["model"], ["service"], ["threads"], ["budget"])
        return " ".join(names[: 1 + is_group])


def typed(text: str) -> Iterator[Typed]:
    """Yield every command line of a transcript."""
    for line in text.splitlines():
        if line.startswith("$ "):
            yield Typed(line[2:])


def play(text: str, stage: Stage) -> str:
    """Run the commands of a transcript and return it with the current output."""
    played: list[str] = []
    for line in text.splitlines():
        if line.startswith("@ "):
            PREPARATIONS[line[2:]](stage)
        if line.startswith("$ "):
            played += [line, *_outcome(line[2:], stage)]
        elif not line.startswith(("| ", "|", "! ", "!", "? ")):
            played.append(line)
    return "\n".join(played) + "\n"


def _outcome(line: str, stage: Stage) -> Iterator[str]:
    words = shlex.split(line.format(port=stage.user.port, home=stage.user.home))
    assignments = dict(word.split("=", 1) for word in words if _is_assignment(word))
    rest = [word for word in words if not _is_assignment(word)]
    assert rest[0] == "codex-shim", line
    env = environment(stage.user.home, {**stage.env, **assignments})
    if rest[-1] == "&":
        done = _interrupted([*START, *rest[1:-1]], env, stage)
    else:
        done = run(rest[1:], env, stage.user.home)
    assert "Traceback" not in done.stderr
    yield from (f"| {text}".rstrip() for text in _plain(done.stdout, stage).splitlines())
    stderr = (text for text in done.stderr.splitlines() if not text.startswith(SLOW))
    yield from (f"! {text}".rstrip() for text in _plain("\n".join(stderr), stage).splitlines())
    if done.returncode:
        yield f"? {done.returncode}"


def _interrupted(words: list[str], env: Mapping[str, str], stage: Stage) -> Done:
    with started(
        words, env=env, cwd=stage.user.home, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            _wait_until_running(stage.user.port)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)
        finally:
            process.kill()
    lines = [line for line in stdout.splitlines() if not PROBES.search(line)]
    return Done(words, process.returncode, "\n".join(lines), stderr)


def _wait_until_running(port: int) -> None:
    asyncio.run(until(lambda: probe(port).state == "running", 30.0))


def _plain(text: str, stage: Stage) -> str:
    token = stage.user.state / "token"
    if token.is_file():
        assert token.read_text().strip() not in text
    for known, name in (
        (str(stage.user.home), "<home>"),
        (sys.executable, "<python>"),
        (str(ROOT), "<repository>"),
        (VERSION, "<version>"),
    ):
        text = text.replace(known, name)
    for port, name in ((stage.user.port, "<port>"), (stage.user.port + 1, "<next port>")):
        text = re.sub(rf"\b{port}\b", name, text)
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return text


def _is_assignment(word: str) -> bool:
    return re.fullmatch(r"[A-Z_]+=.*", word) is not None
