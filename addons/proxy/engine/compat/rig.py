"""What surrounds the engine during the self-test: a plan, a handler whose hooks do what the addon does, an upstream.

Never does: touch mitmproxy's `ctx`, write a log line. Invariant: every error that mitmproxy or the engine would log is
kept in `Failures`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.http import HTTPFlow
from mitmproxy.options import Options
from mitmproxy.proxy import commands
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.proxy.server import ConnectionHandler, LiveConnectionHandler

from addons.core.limits import Limits
from addons.core.secrets import Origin
from addons.core.turn import (
    ClientRequest,
    Fault,
    FaultKind,
    Head,
    Plan,
    Relay,
    Send,
    Sink,
    Step,
    StreamLocal,
    UpstreamRequest,
)
from addons.proxy.engine.compat.versions import SelfTestError
from addons.proxy.engine.engine import Engine

STREAM, WHOLE, LOCAL = "/stream", "/whole", "/local"
DELTA = b'data: {"type":"response.output_text.delta"}\n\n'
DONE = b'data: {"type":"response.completed"}\n\n'
JSON = b'{"output":"self-test"}'
LIMITS = Limits(heartbeat_seconds=0.005)
_EVENT_STREAM = Head(200, ((b"content-type", b"text/event-stream"),))
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Failures:
    """The errors of one self-test, described without paths and traceback."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def note(self, error: object) -> None:
        """Keep an exception or a text."""
        text = str(error)
        kind = type(error).__name__ if isinstance(error, BaseException) else ""
        self.found.append(": ".join(filter(None, (kind, text))))

    def note_loop_error(
        self, _loop: asyncio.AbstractEventLoop, context: Mapping[str, object]
    ) -> None:
        """Keep what asyncio reports of a task that nothing awaited."""
        self.note(context.get("exception") or context.get("message"))


class TestEngine(Engine):
    """The engine, without the Master that knows the handlers."""

    __test__ = False

    def __init__(self, origin: Origin, failures: Failures) -> None:
        super().__init__(_Router(origin), LIMITS)
        self.handlers: dict[str, ConnectionHandler] = {}
        self.failures = failures

    def _handler_of(self, client: Client) -> ConnectionHandler | None:
        return self.handlers.get(client.id)

    def internal_fault(self, error: BaseException) -> Fault:
        """Keep the error. Nothing is logged."""
        self.failures.note(error)
        return Fault(FaultKind.INTERNAL, "self-test")


class TestHandler(LiveConnectionHandler):
    """mitmproxy's handler of one client connection."""

    __test__ = False

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, engine: TestEngine
    ) -> None:
        mode = ProxyMode.parse("reverse:http://127.0.0.1:9")
        super().__init__(reader, writer, _options(), mode)
        self._engine = engine
        engine.handlers[self.client.id] = self
        self.head_seen = asyncio.Event()

    async def handle_hook(self, hook: commands.StartHook) -> None:
        """Do what the addon does."""
        (data,) = hook.args()
        match hook.name:
            case "client_connected":
                self._engine.accept(data)
            case "client_disconnected":
                self._engine.disconnected(data)
            case "next_layer":
                self._choose_layer(data)
            case "requestheaders":
                self._admit_head(data)
            case "request":
                self._engine.admit_whole(data)

    def _choose_layer(self, nextlayer: NextLayer) -> None:
        if nextlayer.context.layers:
            self._engine.choose_layer(nextlayer)
        else:
            nextlayer.layer = modes.ReverseProxy(nextlayer.context)

    def _admit_head(self, flow: HTTPFlow) -> None:
        self._engine.admit_head(flow, None)
        self.head_seen.set()

    def log(self, message: str, level: int = logging.INFO, exc_info: object = None) -> None:  # noqa: ARG002  mitmproxy's signature
        """Keep an error. Nothing is logged."""
        if level >= logging.ERROR:
            self._engine.failures.note(sys.exception() or message)


class Upstream:
    """Answers on loopback. It waits for the client between the parts of a stream, so that each is a read of its own."""

    def __init__(self) -> None:
        self.connections = 0
        self.may_go_on = asyncio.Semaphore(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                await reader.readexactly(int(length[1]) if length else 0)
                await self._answer(head, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        if STREAM.encode() not in head:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(JSON), JSON))
            return
        cut = len(DONE) // 2
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n%x;h11\r\n%b\r\n" % (len(DELTA), DELTA)
        )
        await self.may_go_on.acquire()
        writer.write(b"%x\r\n%b" % (len(DONE), DONE[:cut]))
        await self.may_go_on.acquire()
        writer.write(b"%b\r\n0\r\n\r\n" % DONE[cut:])


class _OptionLoader:
    """Takes the options that mitmproxy's listener registers."""

    def __init__(self, options: Options) -> None:
        self.add_option = options.add_option


def _options() -> Options:
    options = Options()
    Proxyserver().load(_OptionLoader(options))
    options.update(connection_strategy="lazy", keep_host_header=True)
    return options


@dataclass(frozen=True, slots=True)
class _Router:
    origin: Origin

    def plan(self, request: ClientRequest) -> Plan:
        return _Plan(request, self.origin)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Sends one request and relays its answer, or streams a local source."""

    request: ClientRequest
    origin: Origin

    def start(self) -> Step:
        if self.request.path == LOCAL:
            return StreamLocal(_EVENT_STREAM, _write_locally, _Translator())
        path, body = self.request.path, self.request.body
        return Send(UpstreamRequest(self.origin, "POST", path, (), body))

    def on_head(self, head: Head) -> Step:
        return Relay(head, _Translator())

    def on_body(self, head: Head, body: bytes) -> Step:
        raise AssertionError(head, body)

    def on_fault(self, fault: Fault) -> Step:
        raise SelfTestError(fault.detail)


class _Translator:
    """Passes everything on."""

    def __init__(self) -> None:
        self.terminal = False
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        self._tail = (self._tail + data)[-len(DONE) :]
        self.terminal = self.terminal or self._tail == DONE
        return data

    def finish(self) -> bytes:
        return b""

    def fail(self, fault: Fault) -> bytes:
        raise SelfTestError(fault.detail)


async def _write_locally(sink: Sink) -> None:
    await sink.write(DELTA)
    await sink.write(DONE)
