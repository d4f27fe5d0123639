"""Starts a program as a fork of a fork server, as `subprocess.Popen` starts a process.

One fork server of each kind serves all workers of a test run. It is started by the first one that needs it, and ends
when the last one has ended. Never does: run a program that `programs.py` does not know as a fork. Invariant: a fork has
no descriptors but its three, and the arguments, environment, folder, umask and session of a process of its own.
"""

from __future__ import annotations

import atexit
import inspect
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from tests.shim_cli.forks.programs import (
    BINARIES,
    PYTHON,
    Program,
    Server,
    program_of,
    with_code_before,
)

SERVE = "from tests.shim_cli.forks.server import serve; serve()"
TRIES = 1000
NUMBER = 20
"""The width of a number on the pipe of a fork."""
run = [os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid4().hex]
"""The name of this test run, which is that of its fork servers."""
_connections: dict[Server, socket.socket] = {}


@atexit.register
def leave_servers() -> None:
    """Close the connections to the fork servers: each of them ends when the last one is closed."""
    while _connections:
        _connections.popitem()[1].close()


class NoServerError(OSError):
    """The fork server has ended."""


def started(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    before: str = "",
    start: bool = True,
    **how: Any,
) -> subprocess.Popen[str]:
    """Start the command, as a fork if that is possible. `before` is code that runs first.

    With `start` a fork server is started if none runs.
    """
    if program := program_of(command, env):
        try:
            return Fork(program, command, env=env, before=before, start=start, **how)
        except NoServerError:
            assert not start, "the fork server has ended; its traceback is on stderr"
    if before:
        command = with_code_before(before, command)
    return subprocess.Popen(command, env=env, **how)


def keep_servers(*servers: Server) -> None:
    """Let these fork servers run until this process ends: what a fork or a launcher starts needs one that runs."""
    for server in servers if sys.platform == "linux" else ():
        connection(server, start=True)


def run_here(command: Sequence[str]) -> int:
    """Run a command with the environment, the outputs and the signals of this process. Return its exit code."""
    process = started(command, env=os.environ)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: process.send_signal(number))
    return process.wait()


def launcher(name: str) -> str:
    """Return a script that runs a program of this environment as a fork."""
    start = f"client.run[0] = {run[0]!r}; sys.exit(client.run_here([{str(BINARIES / name)!r}, *sys.argv[1:]]) % 256)"
    folder = str(Path(__file__).parents[3])
    return (
        f"#!{sys.executable} -SP\nimport sys\nsys.path.append({folder!r})\n"
        f"from tests.shim_cli.forks import client\n{start}\n"
    )


class Fork(subprocess.Popen[str]):
    """A fork of a fork server."""

    def __init__(
        self,
        program: Program,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        before: str,
        start: bool,
        **how: Any,
    ) -> None:
        self._program = program
        self._before = before
        self._start = start
        self._result = -1
        super().__init__(command, env=env, **how)

    def _execute_child(self, *given: Any) -> None:
        """Let the fork server fork."""
        names = inspect.signature(subprocess.Popen._execute_child).parameters  # type: ignore[attr-defined]
        how = dict(zip(names, (self, *given), strict=True))
        assert how["preexec_fn"] is None
        assert not how["pass_fds"]
        program = self._program
        call = {
            "code": program.code,
            "argv": program.argv,
            "env": dict(how["env"]),
            "folder": str(how["cwd"] or Path.cwd()),
            "umask": _umask(),
            "session": how["start_new_session"],
            "before": self._before,
        }
        numbers = (how["p2cread"], how["c2pwrite"], how["errwrite"])
        standard = [own if number == -1 else number for own, number in enumerate(numbers)]
        self._result, self.pid = _fork(
            program.server, json.dumps(call).encode(), standard, start=self._start
        )
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(how[name] for name in pipes))  # type: ignore[attr-defined]

    def _try_wait(self, flags: int) -> tuple[int, int]:
        """Return the process id and the wait status once it has ended, as `os.waitpid` does."""
        if flags & os.WNOHANG and not self._has_ended(0):
            return 0, 0
        status = os.read(self._result, NUMBER)
        os.close(self._result)
        return self.pid, int(status)

    def _has_ended(self, seconds: float | None) -> bool:
        poll = select.poll()
        poll.register(self._result, select.POLLIN)
        return bool(poll.poll(None if seconds is None else max(0.0, seconds) * 1000))

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return cast("int | None", self.returncode)

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None and not self._has_ended(timeout):
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        code = self._internal_poll()
        assert code is not None
        return code


def _fork(server: Server, call: bytes, standard: list[int], *, start: bool) -> tuple[int, int]:
    """Return the pipe of the fork's exit status, and its process id."""
    for _ in range(2):
        result, theirs = os.pipe()
        try:
            socket.send_fds(connection(server, start=start), [call], [*standard, theirs])
        except BrokenPipeError:
            pass
        finally:
            os.close(theirs)
        if pid := os.read(result, NUMBER):
            return result, int(pid)
        # it ended just before the call arrived
        os.close(result)
        _connections.pop(server).close()
    raise NoServerError


def connection(server: Server, *, start: bool) -> socket.socket:
    """Return the connection to a fork server. With `start` it is started if none runs. Raises NoServerError."""
    if server not in _connections:
        _connections[server] = _connected(server, start=start)
    return _connections[server]


def _connected(server: Server, *, start: bool) -> socket.socket:
    address = f"\0codex-shim-{server}-{run[0]}"
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for _ in range(TRIES):
        with suppress(ConnectionRefusedError):
            made.connect(address)
            return made
        if not start:
            break
        _start_server(server, address)
    made.close()
    raise NoServerError


def _start_server(server: Server, address: str) -> None:
    """Start the fork server, unless another process does so now."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        try:
            listener.bind(address)
        except OSError:
            return
        listener.listen(64)
        number = os.dup(listener.fileno())
    try:
        os.set_inheritable(number, True)
        nothing = [(os.POSIX_SPAWN_OPEN, each, os.devnull, os.O_RDWR, 0) for each in (0, 1)]
        env = {name: os.environ[name] for name in ("SYSTEMROOT", "TMPDIR") if name in os.environ}
        os.posix_spawn(
            sys.executable,
            [*PYTHON, "-c", SERVE, server, str(number), run[0]],
            {**env, "HOME": os.devnull, "PATH": os.devnull},
            file_actions=nothing,
        )
    finally:
        os.close(number)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
