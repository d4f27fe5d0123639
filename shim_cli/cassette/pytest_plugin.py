"""A pytest fixture for projects that use Codex or the Responses API: recorded turns instead of a model.

    # conftest.py
    pytest_plugins = ["shim_cli.cassette.pytest_plugin"]

    # test_agent.py
    def test_agent(codex_cassette):
        base_url = codex_cassette("turns.jsonl")  # http://127.0.0.1:PORT/v1

Never does: reach the network, read or write the user's state folder. Invariant: what a test started ends with the test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

__all__ = ["CodexCassette", "codex_cassette", "replaying"]

CodexCassette = Callable[..., str]
"""Called with a file, and optionally `loose` and `speed`; returns the base URL of a server that replays it."""
_ADDRESS = re.compile(r" on (http://127\.0\.0\.1:\d+/v1)$")
_END_SECONDS = 20.0


@contextmanager
def replaying(file: Path | str, *, loose: bool = False, speed: float = 0) -> Iterator[str]:
    """Replay a cassette on a free port, and yield the base URL. Raises RuntimeError with the reason if it cannot start."""
    arguments = ["replay", str(file), "--port", "0", "--speed", str(speed)]
    command = [sys.executable, "-m", "shim_cli", *arguments, *(["--loose"] if loose else [])]
    with tempfile.TemporaryDirectory(
        prefix="codex-shim-replay-", ignore_cleanup_errors=True
    ) as home:
        own = {"CODEX_SHIM_STATE_DIR": home, "HOME": home, "CODEX_HOME": home}
        log = Path(home, "replay.log")
        with (
            log.open("w") as errors,
            subprocess.Popen(  # noqa: S603  this program, and no shell
                command,
                env={**os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            try:
                yield _base_url(process, log)
            finally:
                _end(process)


def _base_url(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout  # noqa: S101  for the type checker
    found = _ADDRESS.search(process.stdout.readline().rstrip())
    if found is None:
        process.wait(_END_SECONDS)
        raise RuntimeError(log.read_text().strip() or "the replay did not start")
    return found[1]


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture
def codex_cassette() -> Iterator[CodexCassette]:
    """Return a function that replays a cassette until the end of the test."""
    with ExitStack() as stack:

        def replay(file: Path | str, *, loose: bool = False, speed: float = 0) -> str:
            return stack.enter_context(replaying(file, loose=loose, speed=speed))

        yield replay
