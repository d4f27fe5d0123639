"""The answer of one turn: its framing and head, the bytes of its body, its timers and its record.

Never does: decide how a turn ends, or what an upstream's response means. Invariant: nothing is written to the client
except through this module and `ListenerHttp1.chunk`, whose bytes are noted here. Bytes of the engine's own go only into a 200
`text/event-stream` answer without content-encoding and only between two events; such an answer has no `content-length`. An
empty chunk is never written: in HTTP/1 it ends the body.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.net.http import status_codes
from mitmproxy.proxy import commands
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpResponseHeadersHook

from addons.core.headers import Headers, media_type
from addons.core.masking.credentials import without_cookies
from addons.core.masking.mask import TurnMask
from addons.core.protocols.sse import Border, DataEvents
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import AwaitsEnd, Head, QuotesUpstream, Translator
from addons.proxy.engine.interfaces import LayerHost, TurnHost
from addons.proxy.engine.local_source import SourcePump
from addons.proxy.engine.mitmproxy_patches.messages import headers_of, response_of
from addons.proxy.engine.recorder import Recorder
from addons.proxy.engine.states import ClientEvent, ClientState, TurnState
from addons.proxy.engine.timers import SilenceClock

HEARTBEAT = b'event: response.heartbeat\ndata: {"type":"response.heartbeat"}\n\n'
FRAMING = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
BODILESS = frozenset({204, 304})


def http_head(status: int, headers: Headers, content: bytes | None = None) -> http.Response:
    """Return a mitmproxy response with the phrase of its status."""
    data = http.ResponseData(
        http_version=b"HTTP/1.1",
        status_code=status,
        reason=status_codes.RESPONSES.get(status, "").encode(),
        headers=headers_of(headers),
        content=content,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
    )
    return response_of(data)


def is_encoded(head: Head) -> bool:
    """Return whether plain bytes in this body would break it."""
    return (head.header(b"content-encoding") or b"identity").lower() != b"identity"


def _unknown_length(request: http.Request) -> Headers:
    if request.is_http2:
        return ()
    if request.http_version == "HTTP/1.0":
        return ((b"connection", b"close"),)
    return ((b"transfer-encoding", b"chunked"),)


def _data_line(data: bytes, line_begins: bool) -> int:  # noqa: FBT001  a fact about the bytes before
    """Return where the first data line begins, or -1."""
    return 0 if line_begins and data.startswith(b"data:") else data.find(b"\ndata:")


class ClientFraming:
    """The framing of one streamed answer, and what was sent of it so far."""

    __slots__ = ("_has_data", "_line_begins", "border", "is_sse", "takes_closing")

    def __init__(self) -> None:
        self.is_sse = False
        """Whether the engine may put events of its own between the events of this answer."""
        self.takes_closing = False
        """Whether what the translator adds at a clean end may be written."""
        self.border = Border()
        self._line_begins = True
        self._has_data = False
        """Whether a data line of the event under way was sent."""

    def open(self, head: Head, request: http.Request) -> http.Response:
        """Return the head of a streamed answer, framed for this client."""
        bodiless = head.status in BODILESS or request.method == "HEAD"
        is_plain = not is_encoded(head)
        is_events = media_type(head.headers) == b"text/event-stream"
        self.is_sse = is_events and is_plain and head.status == status_codes.OK and not bodiless
        headers: list[tuple[bytes, bytes]] = []
        has_length = False
        for field in head.headers:
            name = field[0].lower()
            if name == b"content-length":
                if self.is_sse:
                    continue
                has_length = True
            if name not in FRAMING:
                headers.append(field)
        self.takes_closing = is_plain and not (has_length or bodiless)
        if not (has_length or bodiless):
            headers += _unknown_length(request)
        response = http_head(head.status, tuple(headers))
        response.stream = True
        return response

    def completes_data_event(self, data: bytes) -> bool:
        """Note bytes for the client. Return whether they end an event with a data line: clients dispatch only these.

        May return False wrongly (a field name cut in two, a lone CR): one more heartbeat does no harm. Never returns
        True for comments or for event, id and retry lines alone: a missing heartbeat would do harm.
        """
        if not self.is_sse:
            return False
        at = 0 if self._has_data else _data_line(data, self._line_begins)
        self.border.feed(data)
        if at >= 0 and data.endswith(b"\n\n"):
            # nearly every write: whole events
            self._line_begins, self._has_data = True, False
            return True
        self._line_begins = data.endswith((b"\n", b"\r"))
        if at < 0:
            return False
        end = max(data.rfind(b"\n\n", at), data.rfind(b"\n\r\n", at))
        ended = end >= 0 or self.border.clean
        after = max(end, 0)
        self._has_data = not self.border.clean and (not ended or b"\ndata:" in data[after:])
        return ended

    @property
    def accepts_heartbeat(self) -> bool:
        """Whether the engine may write an event of its own now."""
        return self.is_sse and self.border.clean

    def separator(self) -> bytes:
        """Return what precedes a closing event: a blank line if the stream broke off inside an event."""
        return b"" if self.border.clean else b"\n\n"


class ResponseSide:
    """Writes one answer to the client."""

    __slots__ = (
        "_client", "_ending", "_events", "_has_echo", "_keeps_body", "_kept", "_layer", "_original_headers",
        "_quoting", "_state", "_stream_id", "_wakeup", "clock", "flow", "framing", "mask", "passes_through",
        "record", "recorder", "relay_error", "source", "translator",
    )  # fmt: skip

    flow: http.HTTPFlow

    def __init__(
        self, stream_id: int, client: Client, engine: TurnHost, layer: LayerHost, state: TurnState
    ) -> None:
        self._stream_id = stream_id
        self._client = client
        self._layer = layer
        self._state = state
        self._wakeup: commands.RequestWakeup | None = None
        self._keeps_body = False
        self._kept = bytearray()
        self._events = DataEvents()
        """The events of the upstream."""
        self.record = TurnRecord()
        self.mask = TurnMask(engine.process_secrets)
        self.passes_through = False
        """Whether the client gets the upstream's own bytes. What is kept of them is masked, they are not."""
        self._original_headers: Headers = ()
        """The upstream's own headers, where they differ from those in the flow."""
        self.recorder = Recorder(
            self.record,
            engine.capture_bytes,
            engine.now,
            self.mask,
            engine.on_progress,
            on_recorded=engine.on_recorded,
        )
        self.clock = SilenceClock(engine.limits, engine.now)
        self.framing = ClientFraming()
        self.translator: Translator | None = None
        self._quoting: QuotesUpstream | None = None
        """The translator, if it knows what it quotes of the upstream."""
        self._has_echo = False
        """Whether the upstream was seen to repeat a secret."""
        self._ending: AwaitsEnd | None = None
        """The translator, if it knows when the upstream's answer is complete."""
        self.source: SourcePump | None = None
        self.relay_error: Exception | None = None
        """What `feed` raised outside of the error boundary. It is raised again inside."""

    def begin(self, flow: http.HTTPFlow, *, keeps_body: bool) -> None:
        """Answer this flow. `keeps_body` stores the streamed body in it."""
        self.flow = flow
        self._keeps_body = keeps_body

    # Body -------------------------------------------------------------------------------------------------

    def announce(self, head: Head) -> CommandGenerator[None]:
        """Put the head of a streamed answer into the flow and let the hooks see it."""
        is_upstream = self.passes_through or bool(self.record.attempts)
        kept = self._kept_headers(head.headers) if is_upstream else head.headers
        if kept != head.headers:
            if self.passes_through:
                self._original_headers = head.headers
            head = replace(head, headers=kept)
        self.flow.response = self.framing.open(head, self.flow.request)
        yield HttpResponseHeadersHook(self.flow)

    def open(self) -> CommandGenerator[None]:
        """Write the head that was announced."""
        response = self.flow.response
        assert response  # noqa: S101  it was announced
        # `isinstance` of a protocol with a property takes hundreds of steps when the answer is no
        translator, kind = self.translator, type(self.translator)
        self._ending = cast("AwaitsEnd", translator) if hasattr(kind, "awaits_end") else None
        self._quoting = cast("QuotesUpstream", translator) if hasattr(kind, "take_quotes") else None
        self._state.on_client(ClientEvent.HEAD_BEGUN)
        self.clock.answered()
        self.clock.client_fed()
        self._layer.writes.hold()
        yield SendHttp(ResponseHeaders(self._stream_id, self._for_client(response)), self._client)
        self._state.on_client(ClientEvent.HEAD_WRITTEN)

    def _for_client(self, response: http.Response) -> http.Response:
        """Return the head with the upstream's own values in place of masked ones. An edit by a hook counts."""
        if not self._original_headers:
            return response
        own: dict[tuple[bytes, bytes], list[tuple[bytes, bytes]]] = {}
        for kept, original in zip(
            self._kept_headers(self._original_headers), self._original_headers, strict=True
        ):
            own.setdefault(kept, []).append(original)
        sent = response.copy()
        sent.headers.fields = tuple(
            own[each].pop(0) if own.get(each) else each for each in response.headers.fields
        )
        return sent

    def _kept_headers(self, headers: Headers) -> Headers:
        return without_cookies(self.mask.current.headers(headers))

    @property
    def is_begun(self) -> bool:
        """Whether a byte of a streamed answer may have been written."""
        return self._state.client in (ClientState.OPENING, ClientState.STREAMING)

    @property
    def is_open(self) -> bool:
        """Whether the head of a streamed answer was written and its end has not begun."""
        return self._state.client is ClientState.STREAMING

    def feed(self, data: bytes) -> bytes:
        """Return what the client gets for one read of the upstream or the local source."""
        self.recorder.upstream_active(data)
        written = self.translator.feed(data) if self.translator else data
        if self._is_answer(data, written):
            self.clock.answered()
        else:
            self.clock.upstream_active()
        if written:
            if written is not data:
                written = self.masked(written)
            self.note_sent(written)
        if self._ending:
            self.clock.answer_went_on(self._ending, extended=bool(written))
        return written

    def _is_answer(self, data: bytes, written: bytes) -> bool:
        """Return whether a read brought more than comments, heartbeats and parts of events."""
        if self.source:
            return True
        if written is data or self.passes_through:
            return self._events.feed(data) if self.framing.is_sse else not data.isspace()
        return bool(written) or self._events.feed(data)

    def masked(self, data: bytes) -> bytes:
        """Return bytes for the client without the secrets of this turn, unless they are the upstream's own."""
        if self.passes_through or not data:
            return data
        mask = self.mask.current
        if self._quoting and not self._has_echo:
            # nearly every read: a search in the few characters that the upstream wrote
            self._has_echo = mask.finds_any(self._quoting.take_quotes())
            return mask.data(data) if self._has_echo else data
        return mask.data(data)

    def note_sent(self, data: bytes) -> None:
        """Note bytes of the stream that are written to the client."""
        if self.framing.completes_data_event(data):
            self.clock.client_fed()
        self._note(data)

    def send_body(self, data: bytes) -> Iterable[commands.Command]:
        """Write a part of the body, which may be empty."""
        return (SendHttp(ResponseData(self._stream_id, data), self._client),) if data else ()

    def send_opening(self, data: bytes) -> Iterable[commands.Command]:
        """Write what precedes the upstream's first byte."""
        if data:
            self.note_sent(data)
        if self._ending:
            self.clock.answer_went_on(self._ending, extended=bool(data))
        return self.send_body(data)

    def send_heartbeat(self) -> CommandGenerator[None]:
        """Write an event that the client ignores, where one may be written."""
        self.clock.client_fed()
        if self.framing.accepts_heartbeat and self.is_open:
            self._note(HEARTBEAT)
            yield from self.send_body(HEARTBEAT)

    def _note(self, data: bytes) -> None:
        self.recorder.wrote(data)
        # a stream of a page's own data may run for days
        if self._keeps_body and self.record.slug:
            self._kept += data

    # Wake-ups ---------------------------------------------------------------------------------------------

    def is_wakeup(self, command: commands.Command) -> bool:
        """Return whether this is the wake-up that was asked for last."""
        return command is self._wakeup

    def wake_after(self, seconds: float) -> Iterable[commands.Command]:
        """Ask for one wake-up. It replaces the one asked for before."""
        if self._wakeup:
            self._layer.forget_wakeup(self._wakeup)
        self._wakeup = commands.RequestWakeup(seconds)
        return (self._wakeup,)

    def wake_when_due(self) -> Iterable[commands.Command]:
        """Ask for a wake-up at the time when a timer can be due."""
        return self.wake_after(self.clock.delay())

    def stop(self) -> Iterable[commands.Command]:
        """Stop the local source and forget the wake-up."""
        if wakeup := self._wakeup:
            self._wakeup = None
            self._layer.forget_wakeup(wakeup)
        if source := self.source:
            self.source = None
            source.cancel()
        return ()

    # Ends -------------------------------------------------------------------------------------------------

    def write_whole(self, response: http.Response) -> CommandGenerator[None]:
        """Write a whole answer."""
        self.flow.response = response
        client, body = self._client, response.raw_content
        head = ResponseHeaders(self._stream_id, response, end_stream=not body)
        yield SendHttp(head, client)
        if body and self.flow.request.method != "HEAD":
            yield SendHttp(ResponseData(self._stream_id, body), client)
        yield SendHttp(ResponseEndOfMessage(self._stream_id), client)

    def write_end(self, closing: bytes) -> CommandGenerator[None]:
        """End a streamed answer with these bytes, which may be empty."""
        if closing:
            data = self.framing.separator() + closing
            self._note(data)
            yield from self.send_body(data)
        yield SendHttp(ResponseEndOfMessage(self._stream_id), self._client)

    def write_cut(self, reason: str) -> CommandGenerator[None]:
        """Break the answer off: nothing else would show that it is not complete."""
        cut = ResponseProtocolError(self._stream_id, reason, ErrorCode.KILL)
        yield SendHttp(cut, self._client)

    def complete_record(self) -> Iterable[commands.Command]:
        """Sum the turn up in its record and in its flow."""
        if response := self.flow.response:
            response.timestamp_end = time.time()
            if self._kept:
                self._keep_body(response)
        self._kept.clear()
        self.recorder.turn_ended(self.flow, self.translator)
        return ()

    def _keep_body(self, response: http.Response) -> None:
        fields = tuple(response.headers.fields)
        headers, body = self.mask.current.message(fields, bytes(self._kept))
        if headers != fields:
            response.headers.fields = headers
        response.data.content = body
