"""HTTP messages of the fakes: a request as received, and an answer as a script of actions.

Never does: open a socket, repair a request. Invariant: an answer performs its actions in order and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from dataclasses import dataclass

HeaderList = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as received."""

    head: bytes
    """Request line and headers, without the blank line."""
    body: bytes
    """Without its transfer coding, with its content coding."""

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode("latin-1")

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def headers(self) -> HeaderList:
        """Names and values, in their original order and case."""
        lines = (line.partition(b":") for line in self.head.split(b"\r\n")[1:])
        return tuple((name, value.strip(b" \t")) for name, _, value in lines)

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        wanted = name.lower().encode()
        found = (value for key, value in self.headers if key.lower() == wanted)
        return next((value.decode("latin-1") for value in found), None)


@dataclass(frozen=True, slots=True)
class Send:
    """Send payload bytes: a chunk of a chunked body, plain bytes of any other."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for a while. Only for tests of silence."""

    seconds: float


class Gate:
    """A point at which an answer waits until the test opens it. Thread-safe."""

    def __init__(self) -> None:
        self._open: Future[None] = Future()
        self._reached: Future[None] = Future()

    def open(self) -> None:
        """Let the answer continue. Call once."""
        self._open.set_result(None)

    def wait_reached(self, seconds: float = 20) -> None:
        """Wait until the answer reaches this gate. Raises TimeoutError."""
        self._reached.result(seconds)

    def wait_opened(self, seconds: float = 20) -> None:
        """Wait, on a thread, until the gate is open. Raises TimeoutError."""
        self._open.result(seconds)

    async def passed(self) -> None:
        """Wait until the gate is open."""
        if not self._reached.done():
            self._reached.set_result(None)
        # Shielded: a connection that ends must not close the gate for the test.
        await asyncio.shield(asyncio.wrap_future(self._open))


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait at a gate."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection without ending the body."""

    reset: bool = False
    """Close by RST instead of FIN."""


Action = Send | Pause | Hold | Cut


@dataclass(frozen=True, slots=True)
class Answer:
    """A status line, headers and a script of actions. The body is chunked or has a content-length."""

    actions: tuple[Action, ...] = ()
    status: int = 200
    headers: HeaderList = ()
    chunked: bool = True
    gate: Gate | None = None
    """A gate before the status line."""

    @property
    def payload(self) -> bytes:
        """The whole body as if nothing cut it."""
        return b"".join(action.data for action in self.actions if isinstance(action, Send))


Respond = Callable[[Request], Answer]


class Reader(asyncio.StreamReader):
    """A stream reader with an event for the end of the stream, so that it can be awaited without reading."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.ended = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.ended.set()

    def set_exception(self, exc: BaseException) -> None:
        super().set_exception(exc)  # type: ignore[arg-type]
        self.ended.set()


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Return one complete request, None when the connection ends first."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
        request = Request(head, b"")
        return Request(head, await _read_body(request, reader))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def _read_body(request: Request, reader: asyncio.StreamReader) -> bytes:
    if (request.header("transfer-encoding") or "").lower() == "chunked":
        return b"".join([chunk async for chunk in _chunks(reader)])
    return await reader.readexactly(int(request.header("content-length") or 0))


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
