"""Run `codex-shim serve`, or another command that serves turns, as a child process."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tests.e2e.shim import Shim
from tests.shim_cli.forks.client import started
from tests.shim_cli.run import START, environment
from tests.support.ports import free_port

DEMO = json.dumps({"model": "shim-demo", "stream": True, "input": "hi"})


class ForkedShim(Shim):
    """A running codex-shim that is a fork, which costs a tenth of a start."""

    def _start(self, log: BinaryIO) -> subprocess.Popen[str]:
        return started(self._command, **self._how(log))


@dataclass
class Served:
    """A running shim, and the lines that it has printed."""

    process: subprocess.Popen[str]
    port: int
    printed: list[str] = field(default_factory=list)
    connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def read_until(self, text: str) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.printed.append(line)
            if text in line:
                return
        raise AssertionError(self.printed)

    def ask(self, method: str, path: str, body: str = "") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.connections.append(connection)
        connection.request(method, path, body, {"content-type": "application/json"})
        return connection.getresponse()

    def stop(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(20)


@contextmanager
def served(
    home: Path,
    *command: str,
    env: Mapping[str, str] | None = None,
    ready: str = "curl -N",
    stdin: int | None = None,
) -> Iterator[Served]:
    port = free_port()
    process = started(
        [part.replace("PORT", str(port)) for part in command],
        env=environment(home, {"PYTHONUNBUFFERED": "1", **(env or {})}),
        cwd=home,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Served(process, port)
    with process:
        try:
            running.read_until(ready)
            yield running
        finally:
            process.kill()
            for connection in running.connections:
                connection.close()


SERVE = (*START, "serve", "--port", "PORT")
