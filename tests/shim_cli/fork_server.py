"""The program of the fork server of `run.py`: a process that has imported the CLI and runs each command line in a fork.

It is started as `python -P -c`, like the CLI itself. A request is one message: a call as JSON and four descriptors. They
are the command's stdin, stdout and stderr, and the pipe on which the server writes two lines: the command's process id
and its exit code. Never does: run a command itself, write to its own stdout. Invariant: a command has no descriptors but
its three, and the arguments, environment, folder and umask of its call; it ends as an interpreter of its own ends.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
from importlib import import_module
from pkgutil import walk_packages

import shim_cli
from shim_cli.app import main

MAX_MESSAGE, MAX_DESCRIPTORS = 1 << 18, 1 << 10
LIBRARIES = ("pydantic", "orjson", "tomlkit")
"""What commands import when they first need it."""


def import_commands() -> None:
    """Import what the commands import."""
    for module in walk_packages(shim_cli.__path__, "shim_cli."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in LIBRARIES:
        import_module(name)
    gc.freeze()


class ForkServer:
    """Forks for each call that arrives on its socket, and reports how the forks end."""

    def __init__(self, calls: socket.socket) -> None:
        self._calls = calls
        self._poll = select.poll()
        self._poll.register(calls, select.POLLIN)
        self._running: dict[int, tuple[int, int]] = {}
        """A command's process descriptor → its process id, the pipe for its exit code."""

    def run(self) -> None:
        """Serve until the other end of the socket is closed. Returns in the forks only."""
        while True:
            for ready, _ in self._poll.poll():
                if ready in self._running:
                    self._report_end(ready)
                elif self._call():
                    return

    def _call(self) -> bool:
        """Fork for one call. Return whether this is the fork."""
        message, descriptors, _, _ = socket.recv_fds(self._calls, MAX_MESSAGE, 4)
        if not message:
            os._exit(0)
        if not (pid := os.fork()):
            self._calls.detach()
            _become(message, descriptors)
            return True
        *standard, result = descriptors
        for descriptor in standard:
            os.close(descriptor)
        _tell(result, pid)
        process = os.pidfd_open(pid)
        self._running[process] = pid, result
        self._poll.register(process, select.POLLIN)
        return False

    def _report_end(self, process: int) -> None:
        pid, result = self._running.pop(process)
        self._poll.unregister(process)
        os.close(process)
        _, status = os.waitpid(pid, 0)
        _tell(result, os.waitstatus_to_exitcode(status))
        os.close(result)


def _tell(result: int, number: int) -> None:
    try:
        os.write(result, b"%d\n" % number)
    except BrokenPipeError:
        return  # the caller waits no longer


def _become(message: bytes, descriptors: list[int]) -> None:
    """Make this process that of one command line."""
    args, env, folder, umask = json.loads(message)
    for number in range(3):
        os.dup2(descriptors[number], number)
    os.closerange(3, MAX_DESCRIPTORS)
    os.chdir(folder)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[1:] = args


if __name__ == "__main__":
    number = int(sys.argv[1])
    import_commands()
    ForkServer(socket.socket(fileno=number)).run()
    main()
