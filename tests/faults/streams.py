"""Faults on the way to an upstream and inside its answer."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable

from tests.faults.fault import AT_ONCE, LINGER, OWN_TRIES, STALL, Fault, MakeScript, ours
from tests.faults.outcomes import WHOLE, Pair, Told, both, failed, http, passed
from tests.faults.routes import RouteKind
from tests.faults.speech import Speech, sse
from tests.support.upstream import Exchange, Script

SHORT_STALL = {"stall_seconds": 0.5}
STOP = "invalid_prompt"
HUGE = 8 * 1024 * 1024


def streams(*parts: Callable[[Speech], bytes], end: str = "clean") -> MakeScript:
    """A stream of these parts that then ends cleanly, is reset, closes, or says no more."""

    def make(route: RouteKind) -> Script:
        async def script(exchange: Exchange) -> None:
            await exchange.sse_head()
            for part in parts:
                await exchange.chunk(part(route.speech))
            await _end(exchange, end)

        return script

    return make


async def _end(exchange: Exchange, end: str) -> None:
    if end == "clean":
        await exchange.end()
    elif end == "close":
        exchange.writer.close()
    elif end == "reset":
        # what was written has to leave before the reset does
        await asyncio.sleep(0.05)
        exchange.cut()
    else:
        await exchange.closed()


def _begin(speech: Speech) -> bytes:
    return speech.begin


def _all(speech: Speech) -> bytes:
    return speech.all


def _half_event(speech: Speech) -> bytes:
    return speech.begin + speech.middle[: len(speech.middle) // 2]


def raw(data: bytes, end: str = "close") -> MakeScript:
    """Bytes that are no answer."""

    def make(_: RouteKind) -> Script:
        async def script(exchange: Exchange) -> None:
            await exchange.send(data)
            await _end(exchange, end)

        return script

    return make


def told(
    name: str,
    what: str,
    script: MakeScript,
    outcome: Told | Pair,
    *,
    account: Told | Pair | None = None,
    native: Told | Pair | None = None,
    short: bool = True,
    within: str = AT_ONCE,
    tries: int = 1,
    limits: dict[str, float] | None = None,
    echoes: int = 1,
) -> Fault:
    """A row; every family is told the same unless said otherwise."""

    def pair(one: Told | Pair | None) -> Pair:
        one = outcome if one is None else one
        return one if isinstance(one, Pair) else both(one)

    return Fault(
        name,
        what,
        script,
        pair(account if account is not None else native),
        pair(native),
        pair(None),
        ours(tries),
        limits or {},
        short,
        echoes,
        within,
    )


def _before_head(code: str, says: str, status: int = 502) -> Pair:
    return Pair(failed(code, says), http(status, code, says))


# Bytes that no reader should trip over -------------------------------------------------------------------------

NOISE = b": comment\nid: 7\nretry: 10\nunknown: x\n\n\n\r\n:\n\n"


def _noisy(speech: Speech) -> bytes:
    return b"\xef\xbb\xbf" + NOISE + speech.begin + NOISE + speech.middle + speech.end + speech.tail


def _with_crlf(speech: Speech) -> bytes:
    return speech.all.replace(b"\n", b"\r\n")


def _bad_bytes(speech: Speech) -> bytes:
    return speech.begin + b"\xff\xfe\x00 no field\n\n" + speech.middle + speech.end + speech.tail


def _bad_json(speech: Speech) -> bytes:
    return speech.begin + b'data: {"half": \n\n' + speech.middle + speech.end + speech.tail


def _null_event(speech: Speech) -> bytes:
    return speech.begin + b"data: null\n\ndata: []\n\n" + speech.middle + speech.end + speech.tail


def _unknown_event(speech: Speech) -> bytes:
    extra = sse({"type": "of.tomorrow", "value": None})
    return speech.begin + extra + speech.middle + speech.end + speech.tail


def _twice(speech: Speech) -> bytes:
    return speech.all + speech.again + speech.tail


def _more_after(speech: Speech) -> bytes:
    return speech.all + speech.middle


def _error_inside(speech: Speech) -> bytes:
    return speech.begin + speech.error


def _huge(speech: Speech) -> bytes:
    """An event of 8 MB that says nothing of the answer: padding in an unknown field."""
    event = sse({"type": "ping", "padding": "x" * HUGE})
    return speech.begin + event + speech.middle + speech.end + speech.tail


def trickles(route: RouteKind) -> Script:
    """One byte a read."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        for byte in route.speech.all:
            await exchange.chunk(bytes([byte]))
        await exchange.end()

    return script


def gzipped(route: RouteKind) -> Script:
    """Compressed, though `identity` was asked for."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head(b"content-encoding: gzip")
        await exchange.chunk(gzip.compress(route.speech.all))
        await exchange.end()

    return script


def as_json(route: RouteKind) -> Script:
    """A whole JSON answer where a stream was asked for."""

    async def script(exchange: Exchange) -> None:
        await exchange.whole(route.speech.whole, b"content-type: application/json")

    return script


def unlabelled(route: RouteKind) -> Script:
    """A stream that calls itself plain text."""

    async def script(exchange: Exchange) -> None:
        await exchange.head(b"content-type: text/plain", b"transfer-encoding: chunked")
        await exchange.chunk(route.speech.all)
        await exchange.end()

    return script


def lingers(route: RouteKind) -> Script:
    """Everything is said, and the body does not end."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(route.speech.all)
        await exchange.closed()

    return script


CUT = failed("stream_interrupted")
_JSON_PASSED = both(passed(200))
ON_THE_WAY: tuple[Fault, ...] = (
    told("reset", "resets the connection instead of answering", raw(b"", "reset"),
         _before_head("upstream_closed", "closed the connection"), tries=2, within=OWN_TRIES),
    told("close", "closes the connection instead of answering", raw(b""),
         _before_head("upstream_closed", "closed the connection"), tries=2, within=OWN_TRIES),
    told("half-head", "closes inside its head", raw(b"HTTP/1.1 200 OK\r\ncontent-ty"),
         _before_head("upstream_closed", "closed the connection"), tries=2, within=OWN_TRIES),
    told("no-http", "speaks something else than HTTP", raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
         _before_head("upstream_protocol", "did not speak valid HTTP")),
    told("endless-head", "sends a head without an end", raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, "wait"),
         _before_head("upstream_protocol", "did not speak valid HTTP")),
    told("stall-before-head", "takes the request and says nothing", raw(b"", "wait"),
         _before_head("upstream_stalled", "silent for too long", 504), within=STALL, limits=SHORT_STALL),
)  # fmt: skip
INSIDE: tuple[Fault, ...] = (
    told("empty-stream", "answers 200 and an empty stream", streams(), CUT),
    told("stall", "falls silent inside the stream", streams(_begin, end="wait"),
         failed("upstream_stalled", "silent for too long"), within=STALL, limits=SHORT_STALL),
    told("stall-in-event", "falls silent inside an event", streams(_half_event, end="wait"),
         failed("upstream_stalled", "silent for too long"), within=STALL, limits=SHORT_STALL),
    told("cut", "closes between two events", streams(_begin, end="close"), CUT),
    told("cut-in-event", "closes inside an event", streams(_half_event, end="close"), CUT),
    told("reset-in-stream", "resets inside the stream", streams(_begin, end="reset"), CUT),
    told("clean-end", "ends its body cleanly before the answer is whole", streams(_begin), CUT),
    told("bad-chunks", "breaks the chunk framing", raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n"),
         CUT),
    told("error-event", "sends an error event inside the 200", streams(_error_inside),
         failed("server_error", "worn out"), native=Told(200, "error", "server_error", "worn out")),
    told("bad-json", "sends an event that is no JSON", streams(_bad_json),
         failed("upstream_protocol", "no JSON"), native=WHOLE, short=False),
    told("bad-bytes", "sends lines that are no event", streams(_bad_bytes), WHOLE, short=False),
    told("noise", "sends comments, blank lines and a byte order mark", streams(_noisy), WHOLE, short=False),
    told("crlf", "ends its lines with CR LF", streams(_with_crlf), WHOLE, short=False),
    told("null-event", "sends events that are no object", streams(_null_event), WHOLE, short=False),
    told("unknown-event", "sends an event of tomorrow", streams(_unknown_event), WHOLE, short=False),
    told("finish-twice", "says twice that it is done", streams(_twice), WHOLE, short=False, echoes=2),
    told("more-after-end", "goes on after it was done", streams(_more_after), WHOLE, short=False),
    told("close-after-end", "closes without ending its body", streams(_all, end="close"), WHOLE, short=False),
    told("lingers", "does not end its body", lingers, WHOLE, short=False, within=LINGER),
    told("wrong-type", "answers with one JSON and no stream", as_json, WHOLE, native=_JSON_PASSED, short=False),
    told("text-plain", "calls its stream text/plain", unlabelled, WHOLE, native=_JSON_PASSED, short=False),
    told("gzip", "compresses the stream, though identity was asked for", gzipped,
         Pair(failed(STOP, "compressed its answer"), http(502, STOP, "compressed its answer")),
         native=_JSON_PASSED),
    told("huge-event", "sends one event of 8 MB", streams(_huge), WHOLE, short=False),
    told("trickle", "sends one byte a read", trickles, WHOLE, short=False),
)  # fmt: skip
STREAMS = (*ON_THE_WAY, *INSIDE)
