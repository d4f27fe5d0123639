"""Faults instead of an answer of an upstream, and inside its answer."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable

from tests.faults.fault import IMMEDIATELY, LINGER, STALL, Fault, MakeScript, row_requests
from tests.faults.healthy import HealthyAnswer, sse
from tests.faults.outcomes import WHOLE, Expected, Pair, both, failed, http, passed
from tests.faults.routes import RouteKind
from tests.support.upstream import Exchange, Script

SHORT_STALL = {"stall_seconds": 0.5}
STOP = "invalid_prompt"
HUGE = 8 * 1024 * 1024


def streams(*parts: Callable[[HealthyAnswer], bytes], end: str = "clean") -> MakeScript:
    """Return a script that sends these parts and then ends its body, resets, closes or stalls."""

    def make(route: RouteKind) -> Script:
        async def script(exchange: Exchange) -> None:
            await exchange.sse_head()
            for part in parts:
                await exchange.chunk(part(route.healthy))
            await _end(exchange, end)

        return script

    return make


async def _end(exchange: Exchange, end: str) -> None:
    if end == "clean":
        await exchange.end()
    elif end == "close":
        exchange.writer.close()
    elif end == "reset":
        # The reset must not overtake what was written.
        await asyncio.sleep(0.05)
        exchange.cut()
    else:
        await exchange.closed()


def _begin(answer: HealthyAnswer) -> bytes:
    return answer.begin


def _all(answer: HealthyAnswer) -> bytes:
    return answer.all


def _only_heartbeats(route: RouteKind) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(route.healthy.begin)
        while True:
            await exchange.chunk(b": keep-alive\n\n" + sse({"type": "ping"}))
            await asyncio.sleep(0.02)

    return script


def _half_event(answer: HealthyAnswer) -> bytes:
    return answer.begin + answer.middle[: len(answer.middle) // 2]


def raw(data: bytes, end: str = "close") -> MakeScript:
    """Return a script that sends these bytes in place of an answer."""

    def make(_: RouteKind) -> Script:
        async def script(exchange: Exchange) -> None:
            await exchange.send(data)
            await _end(exchange, end)

        return script

    return make


def fault(
    name: str,
    what: str,
    script: MakeScript,
    outcome: Expected | Pair,
    *,
    account: Expected | Pair | None = None,
    native: Expected | Pair | None = None,
    incomplete: bool = True,
    within: str = IMMEDIATELY,
    tries: int = 1,
    limits: dict[str, float] | None = None,
    echoes: int = 1,
) -> Fault:
    """Return a row. Every family has the same outcome unless another one is given."""

    def pair(given: Expected | Pair | None) -> Pair:
        found = outcome if given is None else given
        return found if isinstance(found, Pair) else both(found)

    return Fault(
        name,
        what,
        script,
        pair(account if account is not None else native),
        pair(native),
        pair(None),
        row_requests(tries),
        limits or {},
        incomplete,
        echoes,
        within,
    )


def _before_head(code: str, message: str, status: int = 502) -> Pair:
    return Pair(failed(code, message), http(status, code, message))


# Bytes that every reader must accept -------------------------------------------------------------------------

NOISE = b": comment\nid: 7\nretry: 10\nunknown: x\n\n\n\r\n:\n\n"


def _noisy(answer: HealthyAnswer) -> bytes:
    return b"\xef\xbb\xbf" + NOISE + answer.begin + NOISE + answer.middle + answer.end + answer.tail


def _with_crlf(answer: HealthyAnswer) -> bytes:
    return answer.all.replace(b"\n", b"\r\n")


def _bad_bytes(answer: HealthyAnswer) -> bytes:
    return answer.begin + b"\xff\xfe\x00 no field\n\n" + answer.middle + answer.end + answer.tail


def _bad_json(answer: HealthyAnswer) -> bytes:
    return answer.begin + b'data: {"half": \n\n' + answer.middle + answer.end + answer.tail


def _null_event(answer: HealthyAnswer) -> bytes:
    return answer.begin + b"data: null\n\ndata: []\n\n" + answer.middle + answer.end + answer.tail


def _unknown_event(answer: HealthyAnswer) -> bytes:
    extra = sse({"type": "future.event", "value": None})
    return answer.begin + extra + answer.middle + answer.end + answer.tail


def _twice(answer: HealthyAnswer) -> bytes:
    return answer.all + answer.again + answer.tail


def _more_after(answer: HealthyAnswer) -> bytes:
    return answer.all + answer.middle


def _error_inside(answer: HealthyAnswer) -> bytes:
    return answer.begin + answer.error


def _huge(answer: HealthyAnswer) -> bytes:
    """Add an event of 8 MB without content: padding in an unknown field."""
    event = sse({"type": "ping", "padding": "x" * HUGE})
    return answer.begin + event + answer.middle + answer.end + answer.tail


def trickles(route: RouteKind) -> Script:
    """Return a script that sends one byte at a time."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        for byte in route.healthy.all:
            await exchange.chunk(bytes([byte]))
        await exchange.end()

    return script


def gzipped(route: RouteKind) -> Script:
    """Return a script that compresses its answer although `identity` was requested."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head(b"content-encoding: gzip")
        await exchange.chunk(gzip.compress(route.healthy.all))
        await exchange.end()

    return script


def as_json(route: RouteKind) -> Script:
    """Return a script that sends a whole JSON answer although a stream was requested."""

    async def script(exchange: Exchange) -> None:
        await exchange.whole(route.healthy.whole, b"content-type: application/json")

    return script


def empty(*lines: bytes, status: bytes = b"200 OK", body: bytes = b"") -> MakeScript:
    """Return a script that answers success with this head and, at most, the framing of an empty body."""

    def make(_: RouteKind) -> Script:
        async def script(exchange: Exchange) -> None:
            await exchange.head(*lines, status=status)
            await exchange.send(body)

        return script

    return make


def unlabelled(route: RouteKind) -> Script:
    """Return a script that labels its stream as plain text."""

    async def script(exchange: Exchange) -> None:
        await exchange.head(b"content-type: text/plain", b"transfer-encoding: chunked")
        await exchange.chunk(route.healthy.all)
        await exchange.end()

    return script


def lingers(route: RouteKind) -> Script:
    """Return a script that sends the whole answer and does not end the body."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(route.healthy.all)
        await exchange.closed()

    return script


CUT = failed("stream_interrupted")
NO_BODY = Pair(
    failed("stream_interrupted", "without a body"),
    http(502, "stream_interrupted", "without a body"),
)
_JSON_PASSED = both(passed(200))
INSTEAD_OF_ANSWER: tuple[Fault, ...] = (
    fault("reset", "resets the connection instead of answering", raw(b"", "reset"),
         _before_head("upstream_closed", "closed the connection")),
    fault("close", "closes the connection instead of answering", raw(b""),
         _before_head("upstream_closed", "closed the connection")),
    fault("half-head", "closes inside its head", raw(b"HTTP/1.1 200 OK\r\ncontent-ty"),
         _before_head("upstream_closed", "closed the connection")),
    fault("no-http", "does not use HTTP", raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
         _before_head("upstream_protocol", "did not send valid HTTP")),
    fault("endless-head", "sends an endless head", raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, "wait"),
         _before_head("upstream_protocol", "did not send valid HTTP")),
    fault("stall-before-head", "accepts the request and does not answer", raw(b"", "wait"),
         _before_head("upstream_stalled", "silent for too long", 504), within=STALL, limits=SHORT_STALL),
)  # fmt: skip
INSIDE: tuple[Fault, ...] = (
    fault("empty-stream", "answers 200 and an empty stream", streams(), CUT),
    fault("204", "answers 204 No Content", empty(status=b"204 No Content"), CUT, native=NO_BODY),
    fault("205", "answers 205 Reset Content", empty(b"content-length: 0", status=b"205 Reset Content"), CUT, native=NO_BODY),
    fault("empty-200", "answers 200 without a body and a type", empty(b"content-length: 0"), CUT, native=NO_BODY),
    fault("empty-chunks", "answers 200 without a type, and ends its body at once",
         empty(b"transfer-encoding: chunked", body=b"0\r\n\r\n"), CUT, native=NO_BODY),
    fault("empty-json", "answers 200 and empty JSON",
         empty(b"content-type: application/json", b"transfer-encoding: chunked", body=b"2\r\n\r\n\r\n0\r\n\r\n"),
         CUT, native=NO_BODY),
    fault("stall", "stalls inside the stream", streams(_begin, end="wait"),
         failed("upstream_stalled", "silent for too long"), within=STALL, limits=SHORT_STALL),
    fault("stall-in-event", "stalls inside an event", streams(_half_event, end="wait"),
         failed("upstream_stalled", "silent for too long"), within=STALL, limits=SHORT_STALL),
    fault("comments-only", "sends only comments and heartbeats from then on", _only_heartbeats,
         failed("upstream_stalled", "no event of its answer"), within=STALL, limits={"answer_seconds": 0.5}),
    fault("cut", "closes between two events", streams(_begin, end="close"), CUT),
    fault("cut-in-event", "closes inside an event", streams(_half_event, end="close"), CUT),
    fault("reset-in-stream", "resets inside the stream", streams(_begin, end="reset"), CUT),
    fault("clean-end", "ends its body before the answer is complete", streams(_begin), CUT),
    fault("bad-chunks", "breaks the chunk framing", raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n"),
         CUT),
    fault("error-event", "sends an error event inside the 200", streams(_error_inside),
         failed("server_error", "internal failure"), native=Expected(200, "error", "server_error", "internal failure")),
    fault("bad-json", "sends an event that is not JSON", streams(_bad_json),
         failed("upstream_protocol", "not JSON"), native=WHOLE, incomplete=False),
    fault("bad-bytes", "sends lines that are not events", streams(_bad_bytes), WHOLE, incomplete=False),
    fault("noise", "sends comments, blank lines and a byte order mark", streams(_noisy), WHOLE, incomplete=False),
    fault("crlf", "ends its lines with CR LF", streams(_with_crlf), WHOLE, incomplete=False),
    fault("null-event", "sends events that are not objects", streams(_null_event), WHOLE, incomplete=False),
    fault("unknown-event", "sends an event of an unknown type", streams(_unknown_event), WHOLE, incomplete=False),
    fault("finish-twice", "sends its terminal event twice", streams(_twice), WHOLE, incomplete=False, echoes=2),
    fault("more-after-end", "continues after its terminal event", streams(_more_after), WHOLE, incomplete=False),
    fault("close-after-end", "closes without ending its body", streams(_all, end="close"), WHOLE, incomplete=False),
    fault("lingers", "does not end its body", lingers, WHOLE, incomplete=False, within=LINGER),
    fault("wrong-type", "answers with JSON instead of a stream", as_json, WHOLE, native=_JSON_PASSED, incomplete=False),
    fault("text-plain", "labels its stream text/plain", unlabelled, WHOLE, native=_JSON_PASSED, incomplete=False),
    fault("gzip", "compresses the stream although identity was requested", gzipped,
         Pair(failed(STOP, "compressed its answer"), http(502, STOP, "compressed its answer")),
         native=_JSON_PASSED),
    fault("huge-event", "sends one event of 8 MB", streams(_huge), WHOLE, incomplete=False),
    fault("trickle", "sends one byte at a time", trickles, WHOLE, incomplete=False),
)  # fmt: skip
STREAM_FAULTS = (*INSTEAD_OF_ANSWER, *INSIDE)
