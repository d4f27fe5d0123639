"""A fork server: a process that has imported the libraries of programs, and runs each program in a fork.

A call is one message: what to run as JSON, and four descriptors. They are the program's stdin, stdout and stderr, and
the pipe on which the server writes the fork's process id, and its exit status once it has ended. Never does: run a
program itself. Invariant: a fork has no descriptors but its three, and the environment, folder, umask and session of its call.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

from tests.shim_cli.forks import client
from tests.shim_cli.forks.interpreter import (
    MAX_DESCRIPTORS,
    open_standard_streams,
    run_as_main,
)
from tests.shim_cli.forks.preloaded import preload

MAX_MESSAGE = 1 << 18


def serve() -> None:
    """Serve, as the fork server of the kind and the listener in the arguments, until nobody is connected."""
    server, number, client.run[0] = sys.argv[1:]
    preload(server)
    gc.collect()
    gc.freeze()
    try:
        call = ForkServer(socket.socket(fileno=int(number))).run()
    except KeyboardInterrupt:
        return
    exec(call["before"], {})  # noqa: S102
    sys.argv[:] = call["argv"]
    open_standard_streams()
    run_as_main(call["code"])


class ForkServer:
    """Forks for each call of those who are connected, and reports how the forks end."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        listener.setblocking(False)
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self._connections: dict[int, socket.socket] = {}
        self._running: dict[int, tuple[int, int]] = {}
        """A fork's process descriptor → its process id, the pipe for its exit status."""

    def run(self) -> dict[str, Any]:
        """Serve until nobody is connected. Returns in the forks only: what to run."""
        while True:
            for ready, _ in self._poll.poll():
                if ready in self._running:
                    self._report_end(ready)
                elif ready not in self._connections:
                    self._accept()
                elif call := self._call(self._connections[ready]):
                    return call

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            size = struct.calcsize("3i")
            peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            if struct.unpack("3i", peer)[1] != os.getuid():
                connection.close()
                return
            self._connections[connection.fileno()] = connection
            self._poll.register(connection, select.POLLIN)

    def _call(self, connection: socket.socket) -> dict[str, Any] | None:
        """Fork for one call. Return it in the fork."""
        message, descriptors, _, _ = socket.recv_fds(connection, MAX_MESSAGE, 4)
        if not message:
            self._leave(connection)
            return None
        if not (pid := os.fork()):
            return _become(json.loads(message), descriptors)
        *standard, result = descriptors
        for descriptor in standard:
            os.close(descriptor)
        _tell(result, pid)
        process = os.pidfd_open(pid)
        self._running[process] = pid, result
        self._poll.register(process, select.POLLIN)
        return None

    def _leave(self, connection: socket.socket) -> None:
        self._poll.unregister(connection)
        del self._connections[connection.fileno()]
        connection.close()
        if not self._connections:
            self._accept()
        if not self._connections:
            os._exit(0)

    def _report_end(self, process: int) -> None:
        pid, result = self._running.pop(process)
        self._poll.unregister(process)
        os.close(process)
        _tell(result, os.waitpid(pid, 0)[1])
        os.close(result)


def _tell(result: int, number: int) -> None:
    with suppress(BrokenPipeError):  # the caller waits no longer
        os.write(result, b"%*d" % (client.NUMBER, number))


def _become(call: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
    """Make this process that of one program."""
    for number in range(3):
        os.dup2(descriptors[number], number)
    os.closerange(3, MAX_DESCRIPTORS)
    os.chdir(call["folder"])
    os.umask(call["umask"])
    if call["session"]:
        os.setsid()
    coerced = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}
    os.environ.clear()
    os.environ.update({**coerced, **call["env"]})
    return call
