"""The upstream of a drill: a server on 127.0.0.1 that answers every turn with the same fault.

Never does: read a credential, listen on another address. Invariant: everything but a turn is answered with 404, or
with the models of the account.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socketserver import StreamRequestHandler, ThreadingTCPServer

from shim_cli.drill.drills import Action, End

_NO_LINGER = struct.pack("ii", 1, 0)
_LIMIT_SECONDS = 600.0
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


@dataclass(slots=True)
class DrillUpstream:
    """What the server answers, and what it got."""

    actions: Sequence[Action]
    models: bytes = b""
    """The answer to a request for the models of the account; empty for none."""
    turns: int = 0
    """How many turns arrived."""


@contextmanager
def serving(upstream: DrillUpstream) -> Iterator[int]:
    """Serve on a free port of this machine, which is returned."""

    class Handler(_Handler):
        pass

    Handler.upstream = upstream
    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def shutdown_request(self, request: object) -> None:
        """Close the connection at once: a FIN in front of it would make a reset look like a regular end."""
        assert isinstance(request, socket.socket)  # noqa: S101  for the type checker
        self.close_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing: the terminal belongs to Codex."""


class _Handler(StreamRequestHandler):
    upstream: DrillUpstream
    timeout = _LIMIT_SECONDS

    def handle(self) -> None:
        """Answer the requests of one connection."""
        with suppress(OSError):
            while line := self._read_request():
                if not self._answered(line):
                    return

    def _read_request(self) -> bytes:
        """Read one request and return its first line; empty at the end."""
        line, length = self.rfile.readline(), 0
        for field in iter(self.rfile.readline, b"\r\n"):
            name, _, value = field.partition(b":")
            if not field:
                return b""
            if name.lower() == b"content-length":
                length = int(value)
        self.rfile.read(length)
        return line

    def _answered(self, line: bytes) -> bool:
        """Answer a request. Return whether the connection goes on."""
        if line.startswith(b"POST"):
            self.upstream.turns += 1
            return all(self._does(action) for action in self.upstream.actions)
        models = self.upstream.models if b"/models" in line else b""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.wfile.write(head % len(models) + models if models else _NOT_FOUND)
        return True

    def _does(self, action: Action) -> bool:
        """Do one thing. Return whether the connection goes on."""
        if isinstance(action, bytes):
            self.wfile.write(action)
            return True
        if action is End.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        elif action is End.HOLD:
            self.rfile.read(1)
        return False
