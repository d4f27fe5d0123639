"""codex-shim as a child process: started like a user does, awaited until it answers, ended by SIGTERM.

Never does: import the proxy. Invariant: stdout and stderr of the child are stored, to be scanned and shown.
"""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from tests.shim_cli.forks.client import started
from tests.support.ports import free_port

START_SECONDS = 20


def shim_command(*arguments: str) -> list[str]:
    """Return the command line of the `codex-shim` in the environment of this interpreter."""
    return [str(Path(sys.executable).with_name("codex-shim")), *arguments]


def finished(
    command: Sequence[str], env: Mapping[str, str], folder: Path, seconds: float = 90
) -> subprocess.CompletedProcess[str]:
    """Run a command of this project to its end, as a fork if that is possible."""
    pipe = subprocess.PIPE
    with started(
        command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def assert_websocket(state: Path, since: int = 0) -> None:
    """Fail unless a WebSocket carried a turn of the access log of a state folder, from one line on."""
    deadline = time.monotonic() + START_SECONDS
    while not any("transport" in line for line in logged_turns(state)[since:]):
        assert time.monotonic() < deadline, "every turn came by HTTP"
        time.sleep(0.02)


def logged_turns(state: Path) -> list[dict[str, object]]:
    """Return the lines of the access log of a state folder."""
    log = state / "access.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


class Shim:
    """One running codex-shim, for use as a context manager."""

    def __init__(
        self, env: Mapping[str, str], log: Path, command: str = "serve", *flags: str
    ) -> None:
        self.port = free_port()
        self._env = env
        self._log = log
        self._command = shim_command(command, "--port", str(self.port), *flags)
        self._process: subprocess.Popen[Any] | None = None
        self._was_killed = False

    def _start(self, log: BinaryIO) -> subprocess.Popen[Any]:
        return subprocess.Popen(self._command, **self._how(log))

    def _how(self, log: BinaryIO) -> dict[str, Any]:
        """Return the environment, the folder and the outputs of the child."""
        return {
            "env": dict(self._env),
            "cwd": self._log.parent,
            "stdin": subprocess.DEVNULL,
            "stdout": log,
            "stderr": subprocess.STDOUT,
        }

    @property
    def output(self) -> str:
        """Everything that the child printed."""
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = self._start(log)
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        code = self.stop()
        if kind is None:
            expected = -signal.SIGKILL if self._was_killed else 0
            assert code == expected, f"codex-shim ended with {code}:\n{self.output[-2000:]}"
            assert "Traceback" not in self.output, self.output[-4000:]

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Send a GET request to the shim; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def slugs(self) -> list[str]:
        """Return the slugs of /v1/models."""
        _, body = self.get("/v1/models")
        document = json.loads(body)
        return [row.get("id") or row.get("slug") for row in document.get("data", [])]

    def stop(self) -> int:
        """End the child with SIGTERM and return its exit code. May be called twice."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(5)

    def kill(self) -> None:
        """End the child with SIGKILL."""
        assert self._process is not None
        self._was_killed = True
        self._process.kill()
        self._process.wait(5)

    def _wait_until_up(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                status, _ = self.get("/health")
            except OSError:
                time.sleep(0.05)
                continue
            if status == 200:
                return
            time.sleep(0.05)
        msg = f"codex-shim did not come up:\n{self.output[-2000:]}"
        raise TimeoutError(msg)
