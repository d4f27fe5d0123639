"""A WebSocket to the fake ChatGPT backend: each frame is a request of its script, each event of the answer a frame.

What a frame leaves out of the history is put back, so that tests see the request that it means. Invariant: a frame that
refers to a response of another connection is refused, and a warm-up takes no answer of the script.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from wsproto import ConnectionType, events
from wsproto.connection import Connection
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import generate_accept_token

from tests.fakes.http_messages import (
    Action,
    Cut,
    HeaderList,
    Hold,
    Pause,
    Reader,
    Request,
    Respond,
    Send,
)

BETA = "responses_websockets=2026-02-06"
SWITCHING = 101
CARRIED = "ws_request_header_"
CLOCK = "x-codex-ws-stream-request-start-ms"
_OF_UPGRADE = (b"connection", b"upgrade", b"openai-beta")
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-accept: %b\r\nsec-websocket-extensions: permessage-deflate; %b\r\n\r\n"
)
_ID = b"resp_fabricated"
_LIMITS = b"x-codex-"
Json = dict[str, Any]


def is_upgrade(request: Request) -> bool:
    return (request.header("upgrade") or "").lower() == "websocket"


@dataclass
class BackendSocket:
    """One connection behind its upgrade request."""

    upgrade: Request
    reader: Reader
    writer: asyncio.StreamWriter
    respond: Respond
    note: Callable[[Request], None]
    """Records a request."""
    history: list[object] = field(default_factory=list)
    """The input and the output behind `last`."""
    last: str = ""
    """The id of the last response."""
    count: int = 0
    received: int = 0
    """Bytes on the wire, without the upgrade."""

    def __post_init__(self) -> None:
        extension = PerMessageDeflate()
        self._agreed = str(extension.accept(self.upgrade.header("sec-websocket-extensions") or ""))
        self._ws = Connection(ConnectionType.SERVER, [extension])

    async def serve(self) -> bool:
        """Switch protocols, and answer frames until the client leaves. Return whether it left inside an answer."""
        key = (self.upgrade.header("sec-websocket-key") or "").encode()
        self.writer.write(_SWITCH % (generate_accept_token(key), self._agreed.encode()))
        while (text := await self._text()) is not None:
            answering = asyncio.ensure_future(self._answer(orjson.loads(text)))
            gone = asyncio.ensure_future(self.reader.ended.wait())
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not answering.done():
                answering.cancel()
                return True
            if not answering.result():
                break
        return False

    async def _text(self) -> str | None:
        parts: list[str] = []
        while True:
            for event in self._ws.events():
                if isinstance(event, events.CloseConnection):
                    return None
                if isinstance(event, events.TextMessage):
                    parts.append(event.data)
                    if event.message_finished:
                        return "".join(parts)
            if not (data := await self.reader.read(65536)):
                return None
            self.received += len(data)
            self._ws.receive_data(data)

    def _write(self, document: object) -> None:
        text = orjson.dumps(document).decode()
        self.writer.write(self._ws.send(events.TextMessage(text)))

    async def _answer(self, payload: Json) -> bool:
        """Answer one frame. Return whether the connection stays."""
        self.count += 1
        previous = payload.pop("previous_response_id", None)
        if previous not in (None, self.last) or payload.pop("type", None) != "response.create":
            self._refuse(400, {"code": "previous_response_not_found", "message": str(previous)})
            return True
        self.history = [*(self.history if previous else ()), *payload["input"]]
        if payload.pop("generate", True) is False:
            return await self._play(_WARM_UP)
        request = self._request({**payload, "input": self.history})
        self.note(request)
        answer = self.respond(request)
        if answer.gate:
            await answer.gate.passed()
        if answer.status == 200:
            self._tell_limits(dict(answer.headers))
            return await self._play(answer.actions)
        self._refuse(answer.status, _error_of(answer.payload), answer.headers)
        return not any(isinstance(action, Cut) for action in answer.actions)

    def _tell_limits(self, headers: dict[bytes, bytes]) -> None:
        """Send the rate limits, which by HTTP are in the head, as an event."""
        windows: Json = {}
        for name, value in headers.items():
            if name.startswith(_LIMITS):
                window, _, figure = name.decode().removeprefix(_LIMITS.decode()).partition("-")
                if window in {"primary", "secondary"}:
                    windows.setdefault(window, {})[figure.replace("-", "_")] = int(value)
        if windows:
            self._write({"type": "codex.rate_limits", "rate_limits": windows})

    def _refuse(self, status: int, error: object, headers: HeaderList = ()) -> None:
        fields = {name.decode(): value.decode() for name, value in headers}
        self._write({"type": "error", "status": status, "error": error, "headers": fields})

    def _request(self, payload: Json) -> Request:
        """Return the request by HTTP that a frame means."""
        metadata = payload.get("client_metadata") or {}
        carried = [name for name in metadata if name.startswith(CARRIED)]
        own = {
            name.removeprefix(CARRIED).replace("_", "-").encode(): metadata.pop(name).encode()
            for name in carried
        }
        metadata.pop(CLOCK, None)
        if "x-codex-turn-metadata" in metadata:
            own[b"x-codex-turn-metadata"] = metadata["x-codex-turn-metadata"].encode()
        inherited = [
            (name, value)
            for name, value in self.upgrade.headers
            if name.lower() not in {*own, *_OF_UPGRADE} and not name.startswith(b"sec-")
        ]
        fields = [*inherited, *own.items(), (b"content-type", b"application/json")]
        lines = [b"POST %b HTTP/1.1" % self.upgrade.target.encode()]
        lines += [b"%b: %b" % each for each in fields]
        return Request(b"\r\n".join(lines), orjson.dumps(payload))

    async def _play(self, actions: Sequence[Action]) -> bool:
        buffer = b""
        for action in actions:
            match action:
                case Send(data):
                    *blocks, buffer = (buffer + data).split(b"\n\n")
                    for block in blocks:
                        self._event(block)
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Hold(gate):
                    await self.writer.drain()
                    await gate.passed()
                case Cut(reset):
                    await self.writer.drain()
                    if reset:
                        self.writer.transport.abort()
                    return False
            await self.writer.drain()
        return True

    def _event(self, block: bytes) -> None:
        data = b"".join(line[5:] for line in block.split(b"\n") if line.startswith(b"data:"))
        own_id = b"resp_%d_%d" % (id(self), self.count)
        event = orjson.loads(data.replace(_ID, own_id))
        self._write(event)
        if event["type"] == "response.output_item.done":
            self.history.append(event["item"])
        elif event["type"] == "response.completed":
            self.last = event["response"]["id"]


def _error_of(body: bytes) -> object:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {"message": body.decode(errors="replace")}
    return document.get("error") or {"message": document.get("detail")}


def _event(kind: str) -> Send:
    response = {"id": _ID.decode(), "output": []}
    return Send(b"data: " + orjson.dumps({"type": kind, "response": response}) + b"\n\n")


_WARM_UP = (_event("response.created"), _event("response.completed"))
