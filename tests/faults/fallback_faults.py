"""Faults of an upstream whose route has a fallback: who answers four turns, how often the upstream is asked, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.faults.fault import MakeScript
from tests.faults.healthy import sse
from tests.faults.refusals import answers, error
from tests.faults.routes import Family, RouteKind
from tests.faults.stream_faults import streams
from tests.support.upstream import Exchange, Script

TURNS = 4
FALLBACK = "fallback"
ITSELF = "itself"
WEEK = 604_800
LIMIT = error("Used up", type="usage_limit_reached", resets_in_seconds=WEEK)
PAUSE = 30
"""Seconds for which a circuit is open at first when the upstream names no time."""


@dataclass(frozen=True)
class FallbackFault:
    """A row of the table."""

    name: str
    what: str
    script: MakeScript
    answered_by: tuple[str, ...]
    """Who answers each of four turns, one after another."""
    requests: Mapping[Family, int]
    """How many requests the upstream gets for them."""
    closed_for: int = 0
    """After how many seconds it is asked again; 0 if it is asked all the time."""
    terminal: str = ""
    """How an answer of its own ends that is not whole."""
    families: frozenset[Family] = field(default_factory=lambda: frozenset(Family))

    def __str__(self) -> str:
        return self.name


def _each(count: int, rows: int = 0) -> Mapping[Family, int]:
    """Return how often upstreams are asked; `rows`: those of models.json, whose turns are retried."""
    return {
        Family.ACCOUNT: count,
        Family.NATIVE: rows or count,
        Family.TRANSLATED: rows or count,
    }


ALL = (FALLBACK,) * TURNS
NONE = (ITSELF,) * TURNS
THIRD_OPENS = (ITSELF, ITSELF, ITSELF, FALLBACK)


def _limit_event(route: RouteKind) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        if route.verbatim:
            await exchange.chunk(sse({"type": "response.created", "response": {"id": "resp_1"}}))
            failure = {"code": "usage_limit_reached", "resets_in_seconds": WEEK}
            response = {"id": "resp_1", "status": "failed", "error": failure}
            await exchange.chunk(sse({"type": "response.failed", "response": response}))
        else:
            failure = {"type": "rate_limit_error", "message": f"try again in {WEEK} seconds"}
            await exchange.chunk(sse({"type": "error", "error": failure}))
        await exchange.end()

    return script


def _garbage(_: RouteKind) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.send(b"this is not HTTP\r\n\r\n")

    return script


def _nothing(_: object) -> bytes:
    return b": nothing yet\n\n"


FALLBACK_FAULTS = (
    FallbackFault("limit", "answers 429 with a reset in a week", answers("429 Too Many Requests", LIMIT),
                  ALL, _each(1), WEEK),
    FallbackFault("limit-in-stream", "answers 200, and its first event is a limit that is reset in a week", _limit_event,
                  ALL, _each(1), WEEK),
    FallbackFault("wait", "answers 429 with `retry-after: 120`",
                  answers("429 Too Many Requests", error(), b"retry-after: 120"), ALL, _each(1), 120),
    FallbackFault("no-balance", "answers 402", answers("402 Payment Required", error()), ALL, _each(1), PAUSE),
    FallbackFault("login", "answers 401", answers("401 Unauthorized", error()), ALL, _each(1), PAUSE),
    FallbackFault("busy", "answers 503", answers("503 Service Unavailable", error()), ALL, _each(3, rows=9), PAUSE),
    FallbackFault("not-http", "sends what is not HTTP", _garbage, ALL, _each(3), PAUSE),
    FallbackFault("bad-request", "answers 400", answers("400 Bad Request", error()), NONE, _each(4)),
    FallbackFault("begun", "closes after its first text", streams(lambda answer: answer.begin, end="close"),
                  NONE, _each(4), terminal="response.failed"),
    FallbackFault("empty", "answers 200 and closes before any event with content", streams(_nothing, end="close"),
                  THIRD_OPENS, _each(3), PAUSE, terminal="response.failed"),
    FallbackFault("error-event", "answers 200, and its first event is an error that is no limit",
                  streams(lambda answer: answer.error), NONE, _each(4)),
)  # fmt: skip

FALLBACKS = f"""## An upstream with a fallback
{TURNS} turns, one after another, on a route with a [fallback](models.md#fallbacks) that answers. Every route is tested, for Codex and
SDKs in turn. When the time has come, two turns begin at once: one of them asks the upstream, and its answer closes the circuit.
Then all turns ask it again. A fallback that a budget does not allow gets nothing, and a turn that a budget refuses is seen
by no upstream.
"""
FALLBACK_HEADINGS = (
    "fault",
    "the upstream",
    "who answers",
    "requests to the upstream",
    "asked again",
)


def fallback_rows() -> Iterator[str]:
    """Yield the lines of the table."""
    for fault in FALLBACK_FAULTS:
        account, rows = fault.requests[Family.ACCOUNT], fault.requests[Family.NATIVE]
        counts = (
            str(account) if account == rows else f"{account} (ChatGPT), {rows} (rows, with retries)"
        )
        again = f"after {fault.closed_for:,} s" if fault.closed_for else "always"
        who = {ALL: "the fallback", NONE: "the upstream itself"}.get(fault.answered_by)
        who = who or "the upstream itself three times, then the fallback"
        yield f"| `{fault}` | {fault.what} | {who} | {counts} | {again} |"
