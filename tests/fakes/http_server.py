"""A small HTTP/1.1 server for tests that controls every byte it sends.

It runs in a thread of its own, on loopback. Never does: repair a request, frame an answer differently from its script.
Invariant: each complete request is recorded, raw and in order, before it is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from http import HTTPStatus
from types import TracebackType
from typing import Self

from tests.fakes.backend_socket import SWITCHING, BackendSocket, is_upgrade
from tests.fakes.http_messages import (
    Action,
    Answer,
    Cut,
    Hold,
    Pause,
    Reader,
    Request,
    Respond,
    Send,
    read_request,
)

_RST_ON_CLOSE = struct.pack("ii", 1, 0)


class LoopbackServer:
    """A TCP server on loopback in a thread of its own; a subclass serves each connection."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        """The port, which may be chosen before the server starts; 0 for a free one."""

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def serve(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        raise NotImplementedError

    async def _listen(self) -> None:
        def protocol() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(Reader(limit=1 << 26), self._accept)

        self._server = await self._loop.create_server(protocol, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or not isinstance(reader, Reader):
            return
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError):
                await self.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the server closes: asyncio would log it as an error
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _close(self) -> None:
        if self._server:
            # a connection that is being accepted when the server closes would stay open
            for listener in self._server.sockets:
                with contextlib.suppress(NotImplementedError):
                    self._loop.remove_reader(listener.fileno())
            for _ in range(3):
                await asyncio.sleep(0)
            self._server.close()
        for _ in range(3):
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)


class HttpServer(LoopbackServer):
    """Answers each request with the result of `respond`, and keeps connections alive."""

    def __init__(self, respond: Respond, upgrade: Respond | None = None) -> None:
        super().__init__()
        self._respond = respond
        self._upgrade = upgrade or respond
        """Answers the request for a WebSocket. At a 101 `respond` answers its frames."""
        self.requests: list[Request] = []
        self.sockets: list[BackendSocket] = []
        """The connections that became WebSockets."""
        self.connections = 0
        """The number of connections that were opened."""
        self.client_left = threading.Event()
        """Set when a client disconnected before its answer ended."""

    async def serve(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        """Read requests and answer them one after the other."""
        self.connections += 1
        while request := await read_request(reader):
            answer = self._upgrade(request) if is_upgrade(request) else None
            if answer and answer.status == SWITCHING:
                socket = BackendSocket(request, reader, writer, self._respond, self.requests.append)
                self.sockets.append(socket)
                if await socket.serve():
                    self.client_left.set()
                return
            self.requests.append(request)
            if not await self._answered(answer or self._respond(request), reader, writer):
                return

    async def _answered(self, answer: Answer, reader: Reader, writer: asyncio.StreamWriter) -> bool:
        playing = asyncio.ensure_future(play(answer, writer))
        left = asyncio.ensure_future(reader.ended.wait())
        await asyncio.wait({playing, left}, return_when=asyncio.FIRST_COMPLETED)
        left.cancel()
        if playing.done():
            return playing.result()
        playing.cancel()
        self.client_left.set()
        return False


async def play(answer: Answer, writer: asyncio.StreamWriter) -> bool:
    """Send one answer. Return whether the connection can serve another request."""
    if answer.gate:
        await answer.gate.passed()
    writer.write(_head(answer))
    for action in answer.actions:
        if not await _act(action, writer, chunked=answer.chunked):
            return False
    if answer.chunked:
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _head(answer: Answer) -> bytes:
    framing = (
        (b"transfer-encoding", b"chunked")
        if answer.chunked
        else (b"content-length", b"%d" % len(answer.payload))
    )
    reason = HTTPStatus(answer.status).phrase.encode()
    lines = (b"%s: %s\r\n" % pair for pair in (*answer.headers, framing))
    return b"HTTP/1.1 %d %s\r\n%s\r\n" % (answer.status, reason, b"".join(lines))


async def _act(action: Action, writer: asyncio.StreamWriter, *, chunked: bool) -> bool:
    match action:
        case Send(data):
            writer.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
            await writer.drain()
        case Pause(seconds):
            await asyncio.sleep(seconds)
        case Hold(gate):
            await writer.drain()
            await gate.passed()
        case Cut(reset):
            await writer.drain()
            if reset:
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
            return False
    return True
