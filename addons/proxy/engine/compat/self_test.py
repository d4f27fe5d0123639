"""Four small turns through the real engine, on sockets of this process, before the listener is open.

Names and signatures say nothing of behaviour. Here an upstream, a client and mitmproxy's own connection handler carry
what most turns are made of: a chunked stream in several reads with a heartbeat, a second request on the same
connections, the idle upstream connection given to another client, and a local source.

Never does: touch the user's settings, upstreams, ledger, log or flows. Invariant: it ends within `LIMIT_SECONDS`,
leaves no socket and no task, and reports a difference as an exception.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mitmproxy.utils import asyncio_utils

from addons.core.secrets import Origin
from addons.proxy.engine.compat.rig import (
    DELTA,
    DONE,
    JSON,
    LOCAL,
    STREAM,
    WHOLE,
    Failures,
    TestEngine,
    TestHandler,
    Upstream,
)
from addons.proxy.engine.compat.versions import SelfTestError
from addons.proxy.engine.response_side import HEARTBEAT

log = logging.getLogger(__name__)

LIMIT_SECONDS = 10.0
"""Enough for a very busy machine. The test takes about 20 ms."""
NO_ANSWER = "a turn got no answer"
LOOPBACK = "127.0.0.1"
_BODY = b'{"input":"self-test"}'
_CUT = 7
_READ_BYTES = 65536

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def run(loop_factory: LoopFactory | None = None) -> None:
    """Run the test in a thread of its own: this one may have a running event loop. Raises what went wrong."""
    raised: list[BaseException] = []

    def main() -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(_main())
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
            raised.append(error)

    thread = threading.Thread(target=main, name="self-test", daemon=True)
    thread.start()
    thread.join(2 * LIMIT_SECONDS)
    if thread.is_alive():
        raise SelfTestError(NO_ANSWER)
    if raised:
        raise raised[0]


async def _main() -> None:
    failures = Failures()
    asyncio.get_running_loop().set_exception_handler(failures.note_loop_error)
    upstream = Upstream()
    try:
        server = await asyncio.start_server(upstream.serve, LOOPBACK, 0)
    except OSError as error:
        # The listener of the shim will fail as well, with better advice.
        log.warning("the self-test was left out, because %s cannot be used: %s", LOOPBACK, error)
        return
    with asyncio_utils.set_eager_task_factory():
        try:
            async with asyncio.timeout(LIMIT_SECONDS), _closing(server) as port:
                await _SelfTest(upstream, port, failures).run()
        except OSError as error:  # a TimeoutError is one as well
            failures.note(NO_ANSWER)
            raise SelfTestError(failures.found[0]) from error
    if failures.found:
        raise SelfTestError(failures.found[0])


@asynccontextmanager
async def _closing(server: asyncio.Server) -> AsyncIterator[int]:
    """Yield the port. After an exception nothing is waited for: its connections may never end."""
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
    await server.wait_closed()


class _SelfTest:
    def __init__(self, upstream: Upstream, port: int, failures: Failures) -> None:
        self._upstream = upstream
        self._engine = TestEngine(Origin("http", LOOPBACK, port), failures)
        self._handlers: asyncio.Queue[TestHandler] = asyncio.Queue()
        self._left = asyncio.Event()

    async def run(self) -> None:
        """Run the turns of two clients, one after the other."""
        async with _closing(await asyncio.start_server(self._accept, LOOPBACK, 0)) as port:
            async with self._client(port) as client:
                await client.stream(self._upstream)
                await client.turn(WHOLE, JSON)
            _require(len(self._engine.pool) == 1, "an idle upstream connection was not kept")
            async with self._client(port) as client:
                await client.turn(WHOLE, JSON)
                await client.turn(LOCAL, DELTA + DONE)
        _require(self._upstream.connections == 1, "an idle upstream connection was not used again")
        _require(not self._engine.live_turns, "a turn was not unregistered")
        self._engine.pool.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = TestHandler(reader, writer, self._engine)
        self._handlers.put_nowait(handler)
        try:
            await handler.handle_client()
        finally:
            self._left.set()

    @asynccontextmanager
    async def _client(self, port: int) -> AsyncIterator[_Client]:
        self._left.clear()
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            yield _Client(reader, writer, await self._handlers.get())
        finally:
            writer.close()
        await self._left.wait()


class _Client:
    """One client connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: TestHandler
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._received = b""

    async def stream(self, upstream: Upstream) -> None:
        """Receive a stream whose upstream goes on when this client has what was sent so far."""
        await self._send(STREAM)
        await self._until(HEARTBEAT)
        upstream.may_go_on.release()
        await self._until(DONE[: len(DONE) // 2])
        upstream.may_go_on.release()
        await self._check(DELTA + DONE)

    async def turn(self, path: str, expected: bytes) -> None:
        """Send a request and check the body of its answer."""
        await self._send(path)
        await self._check(expected)

    async def _send(self, path: str) -> None:
        """Send a request in two parts."""
        self._handler.head_seen.clear()
        self._received = b""
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(_BODY)}\r\n\r\n"
        self._writer.write(head.encode() + _BODY[:_CUT])
        await self._handler.head_seen.wait()
        self._writer.write(_BODY[_CUT:])

    async def _until(self, wanted: bytes) -> None:
        while wanted not in self._received:
            data = await self._reader.read(_READ_BYTES)
            _require(bool(data), "a connection was closed before a turn's answer was complete")
            self._received += data

    async def _check(self, expected: bytes) -> None:
        await self._until(b"\r\n\r\n")
        head = self._received.partition(b"\r\n\r\n")[0].lower()
        is_chunked = b"transfer-encoding: chunked" in head
        await self._until(b"\r\n0\r\n\r\n" if is_chunked else expected)
        body = self._received.partition(b"\r\n\r\n")[2]
        found = _without_chunks(body).replace(HEARTBEAT, b"") if is_chunked else body
        is_right = head.startswith(b"http/1.1 200") and found == expected
        _require(is_right, "a turn's answer differs from what its upstream sent")


def _require(condition: bool, otherwise: str) -> None:  # noqa: FBT001  an assertion
    if not condition:
        raise SelfTestError(otherwise)


def _without_chunks(body: bytes) -> bytes:
    found = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        found, body = found + rest[:length], rest[length + 2 :]
    return found
