"""A fake of the Responses API over WebSocket at https://chatgpt.com/backend-api/codex, as strict as the real one.

It reads frames with wsproto, which the product does not use. It refuses an upgrade without the beta header or the login,
frames that are not masked, are not text or are no `response.create`, and responses that another connection made. The
same paths by POST are a second endpoint, whose requests are counted as well. Invariant: whatever may cost money is in
`paid`, in the order in which it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from wsproto import ConnectionType, events
from wsproto.connection import Connection
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError, generate_accept_token

from tests.support.upstream import Exchange, Received

BETA = b"responses_websockets=2026-02-06"
PATH = b"/backend-api/codex/responses"
LOGIN = {b"authorization": b"Bearer b4ckend-bearer", b"chatgpt-account-id": b"acct-b4ckend"}
Json = dict[str, Any]


class GoneError(Exception):
    """The client has left."""


@dataclass
class Frame:
    """One `response.create`, and the means to answer it."""

    payload: Json
    text: str
    link: Link
    response_id: str

    async def send(self, *events_: Json) -> None:
        """Send each event as a text frame, all in one write."""
        await self.link.write(*(orjson.dumps(event).decode() for event in events_))

    async def text_frame(self, *texts: str) -> None:
        await self.link.write(*texts)

    async def created(self) -> None:
        await self.send({"type": "response.created", "response": {"id": self.response_id}})

    async def delta(self, text: str) -> None:
        await self.send({"type": "response.output_text.delta", "delta": text})

    async def completed(self) -> None:
        response = {"id": self.response_id, "output": [], "usage": USAGE}
        await self.send({"type": "response.completed", "response": response})
        self.link.last_response = self.response_id

    async def error(self, status: int | None, code: str, **more: object) -> None:
        error = {"type": code, "code": code, "message": f"refused: {code}"}
        event = {"type": "error", "status": status, "error": error, **more}
        await self.send({key: value for key, value in event.items() if value is not None})


USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
Answer = Callable[[Frame], Awaitable[None]]
Upgrade = Callable[[Exchange], Awaitable[bool]]
"""Answers an upgrade, or returns False to let it succeed."""


async def says_hi(frame: Frame) -> None:
    await frame.created()
    await frame.delta("hi")
    await frame.completed()


def refuses(status: int | None, code: str, **more: object) -> Answer:
    async def refuse(frame: Frame) -> None:
        await frame.error(status, code, **more)

    return refuse


async def posts_hi(exchange: Exchange) -> None:
    await exchange.sse_head()
    done = {"type": "response.completed", "response": {"id": "r-http", "usage": USAGE}}
    await exchange.chunk(b"event: response.completed\ndata: %b\n\n" % orjson.dumps(done))
    await exchange.end()


async def accepts(_: Exchange) -> bool:
    return False


@dataclass
class Link:
    """One WebSocket of a client."""

    exchange: Exchange
    ws: Connection
    last_response: str = ""

    async def write(self, *texts: str) -> None:
        await self.exchange.send(*(self.ws.send(events.TextMessage(text)) for text in texts))

    async def raw(self, event: events.Event) -> None:
        await self.exchange.send(self.ws.send(event))

    async def close(self, code: int) -> None:
        """Send a close frame and the end of the connection."""
        await self.raw(events.CloseConnection(code))
        self.exchange.writer.close()

    def reset(self) -> None:
        self.exchange.cut()


Serve = Callable[[Link], Awaitable[None]]


@dataclass
class SocketBackend:
    """The scripts of the endpoint, and what it was asked."""

    answers: list[Answer] = field(default_factory=lambda: [says_hi])
    """One a frame, in order; the last one repeats."""
    upgrade: Upgrade = accepts
    post: Callable[[Exchange], Awaitable[None]] = posts_hi
    path: bytes = PATH
    deflates: bool = True
    login: dict[bytes, bytes] = field(default_factory=lambda: dict(LOGIN))
    upgrades: list[Received] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Why something was refused."""
    frames: list[Json] = field(default_factory=list)
    posts: list[Received] = field(default_factory=list)
    paid: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    pongs: int = 0
    frame_bytes: int = 0
    """Bytes of the client on the wire after the upgrade."""
    between: Callable[[Link], Awaitable[None]] | None = None
    """Runs after each answer."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client has left."""

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request of a connection: the script of an `upstream`."""
        request = exchange.request
        if request.line.startswith(b"POST"):
            self.posts.append(request)
            self.paid.append("post")
            await self.post(exchange)
        elif b"/responses" not in request.line:
            await exchange.whole(b"{}", b"content-type: application/json", status=b"404 Not Found")
        elif reason := self._objection(request):
            self.refused.append(reason)
            status = b"401 Unauthorized" if reason == "login" else b"400 Bad Request"
            body = b'{"error":{"code":"%b","message":"no"}}' % reason.encode()
            await exchange.whole(body, b"content-type: application/json", status=status)
        else:
            self.upgrades.append(request)
            if not await self.upgrade(exchange):
                await self.switch(exchange)

    def _objection(self, request: Received) -> str:
        if not request.line.startswith(b"GET " + self.path + b" "):
            return "path"
        if any(request.header(name) != value for name, value in self.login.items()):
            return "login"
        if request.header(b"openai-beta") != BETA:
            return "beta"
        wanted = {b"upgrade": b"websocket", b"connection": b"Upgrade"}
        wanted |= {b"sec-websocket-version": b"13"}
        if any(request.header(name) != value for name, value in wanted.items()):
            return "handshake"
        unasked = (b"content-length", b"content-type", b"content-encoding", b"accept-encoding")
        return "headers" if any(request.header(name) for name in unasked) else ""

    async def switch(self, exchange: Exchange, then: Serve | None = None) -> None:
        """Accept the upgrade, and serve the WebSocket."""
        key = exchange.request.header(b"sec-websocket-key") or b""
        lines = [b"upgrade: websocket", b"connection: Upgrade"]
        lines.append(b"sec-websocket-accept: " + generate_accept_token(key))
        extensions: list[Extension] = []
        if self.deflates:
            extension = PerMessageDeflate()
            offer = (exchange.request.header(b"sec-websocket-extensions") or b"").decode()
            agreed = str(extension.accept(offer)).encode()
            lines.append(b"sec-websocket-extensions: permessage-deflate; " + agreed)
            extensions = [extension]
        await exchange.head(*lines, status=b"101 Switching Protocols")
        link = Link(exchange, Connection(ConnectionType.SERVER, extensions))
        self.links.append(link)
        try:
            await (then or self._converse)(link)
        except (GoneError, ConnectionError):
            self.left.set()
        exchange.writer.close()

    async def _converse(self, link: Link) -> None:
        while True:
            text = await self._read(link)
            frame = await self._accepted(link, text)
            if frame is None:
                continue
            self.paid.append("warm-up" if frame.payload.get("generate") is False else "frame")
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            await self._unless_left(link, answer(frame))
            if link.exchange.writer.is_closing():
                return
            if self.between:
                await self.between(link)

    async def _unless_left(self, link: Link, answering: Awaitable[None]) -> None:
        task = asyncio.ensure_future(answering)
        left = asyncio.ensure_future(link.exchange.reader.read(1))
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            raise GoneError
        if left.done() and left.result():
            link.exchange.reader._buffer[:0] = left.result()  # type: ignore[attr-defined]
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        task.result()

    async def _read(self, link: Link) -> str:
        """Return the next text message. Anything else is a reason to close, as it is for the real backend."""
        parts: list[str] = []
        while True:
            for event in link.ws.events():
                if isinstance(event, events.TextMessage):
                    parts.append(event.data)
                    if event.message_finished:
                        return "".join(parts)
                elif isinstance(event, events.Pong):
                    self.pongs += 1
                elif isinstance(event, events.CloseConnection):
                    raise GoneError
                elif isinstance(event, events.BytesMessage):
                    await self._refuse(link, CloseReason.UNSUPPORTED_DATA, "binary")
            data = await link.exchange.reader.read(65536)
            if not data:
                raise GoneError
            self.frame_bytes += len(data)
            try:
                link.ws.receive_data(data)
            except RemoteProtocolError as error:
                await self._refuse(link, CloseReason.PROTOCOL_ERROR, str(error))

    async def _refuse(self, link: Link, code: int, why: str) -> None:
        self.refused.append(why)
        await link.close(code)
        raise GoneError

    async def _accepted(self, link: Link, text: str) -> Frame | None:
        payload = orjson.loads(text)
        self.frames.append(payload)
        frame = Frame(payload, text, link, f"resp_{len(self.frames)}")
        if payload.get("type") != "response.create" or payload.get("store") is not False:
            self.refused.append("frame")
            await frame.error(400, "invalid_request_error")
            return None
        if payload.get("previous_response_id", link.last_response) != link.last_response:
            self.refused.append("previous")
            await frame.error(400, "previous_response_not_found")
            return None
        return frame
