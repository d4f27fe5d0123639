"""What a backend can do to one turn over a WebSocket: when it does so, and what the client of a WebSocket receives.

Each end is combined with each moment. The outcome follows from both: an answer that has begun is never whole, and a
turn goes by HTTP only if the backend can have read nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from tests.fakes.socket_backend import Frame, Upgrade
from tests.faults.outcomes import Expected, failed, http
from tests.support.upstream import Exchange


class Moment(StrEnum):
    """How far the answer has come."""

    NOTHING = "before an event"
    LIMITS = "after `codex.rate_limits`"
    CREATED = "after the first event"
    CALL = "inside a tool call"


class Cause(StrEnum):
    """What an end tells about the turn."""

    CLOSED = "closed"
    UNREAD = "unread"
    """The backend says that it could not read what was sent."""
    BROKEN = "broken"
    SILENT = "silent"


Act = Callable[[Frame], Awaitable[None]]
CALL_ITEM = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "exec_command", "arguments": ""}  # fmt: skip


async def answers_until(moment: Moment, frame: Frame) -> None:
    """Send the answer up to a moment."""
    if moment is Moment.NOTHING:
        return
    await frame.send({"type": "codex.rate_limits", "rate_limits": {}})
    if moment is Moment.LIMITS:
        return
    await frame.created()
    if moment is Moment.CALL:
        at = {"item_id": "fc_1", "output_index": 0}
        await frame.send({"type": "response.output_item.added", "output_index": 0, "item": CALL_ITEM})  # fmt: skip
        await frame.send({"type": "response.function_call_arguments.delta", **at, "delta": '{"cm'})


# Ends ---------------------------------------------------------------------------------------------------------


def _closes(code: int) -> Act:
    async def close(frame: Frame) -> None:
        await frame.link.close(code)

    return close


def _sends(data: bytes) -> Act:
    async def send(frame: Frame) -> None:
        await frame.link.exchange.send(data)
        await asyncio.Event().wait()

    return send


async def _resets(frame: Frame) -> None:
    frame.link.reset()


async def _ends(frame: Frame) -> None:
    frame.link.exchange.writer.close()


async def _hangs(_: Frame) -> None:
    await asyncio.Event().wait()


WHOLE = Expected(200, "response.completed")


class End(NamedTuple):
    """One way in which an answer does not go on."""

    what: str
    act: Act
    cause: Cause = Cause.CLOSED

    def __str__(self) -> str:
        return self.what

    def outcome(self, moment: Moment) -> Expected:
        """Return what the client receives."""
        if self.is_sent_again(moment):
            return WHOLE
        if self.cause is Cause.SILENT:
            return failed("upstream_stalled")
        if moment in (Moment.CREATED, Moment.CALL):
            return failed("stream_interrupted")
        return failed("upstream_protocol" if self.cause is Cause.BROKEN else "upstream_closed")

    def is_sent_again(self, moment: Moment) -> bool:
        """Return whether the turn goes by HTTP."""
        return self.cause is Cause.UNREAD and moment is Moment.NOTHING


MAX_EVENT_BYTES = 200_000
ENDS = (
    End("resets the connection", _resets),
    End("ends the connection without a close frame", _ends),
    *(End(f"closes with {code}", _closes(code)) for code in (1000, 1001, 1008, 1011, 1012, 1013)),
    *(
        End(f"closes with {code}", _closes(code), Cause.UNREAD)
        for code in (1002, 1003, 1007, 1009)
    ),
    End("sends a frame of an unknown kind", _sends(b"\x83\x02{}"), Cause.BROKEN),
    End("sends a binary frame", _sends(b"\x82\x02{}"), Cause.BROKEN),
    End("sends a masked frame", _sends(b"\x81\x82\0\0\0\0{}"), Cause.BROKEN),
    End("sends text that is not UTF-8", _sends(b"\x81\x02\xff\xff"), Cause.BROKEN),
    End("begins a frame of more than `event_bytes`", _sends(b"\x81\x7f" + (MAX_EVENT_BYTES + 1).to_bytes(8)), Cause.BROKEN),
)  # fmt: skip
SILENCE = End("is silent for `stall_seconds`", _hangs, Cause.SILENT)


# Upgrades that lead to no WebSocket ---------------------------------------------------------------------------


def _refuses(status: bytes) -> Upgrade:
    async def refuse(exchange: Exchange) -> bool:
        body = b'{"error":{"code":"c","message":"m"}}'
        await exchange.whole(body, b"content-type: application/json", status=status)
        return True

    return refuse


async def _resets_upgrade(exchange: Exchange) -> bool:
    exchange.cut()
    return True


async def _begins_head(exchange: Exchange) -> bool:
    await exchange.send(b"HTTP/1.1 101 Switch")
    exchange.cut()
    return True


UPGRADES = {
    "resets the connection before its head": _resets_upgrade,
    "resets the connection inside its head": _begins_head,
    "refuses the upgrade with 403": _refuses(b"403 Forbidden"),
    "refuses the upgrade with 426": _refuses(b"426 Upgrade Required"),
    "refuses the upgrade with 429": _refuses(b"429 Too Many Requests"),
    "refuses the upgrade with 500": _refuses(b"500 Internal Server Error"),
}
UNAUTHORIZED = _refuses(b"401 Unauthorized")


# Frames -------------------------------------------------------------------------------------------------------


def _refuses_with(status: int | None) -> Act:
    async def refuse(frame: Frame) -> None:
        await frame.error(status, "c")

    return refuse


def _interrupts(text: str) -> Act:
    """An answer that a text interrupts."""

    async def act(frame: Frame) -> None:
        await frame.created()
        await frame.text_frame(text)
        await frame.completed()

    return act


class Text(NamedTuple):
    """A frame that is none of an answer."""

    what: str
    act: Act
    outcome: Expected
    moment: Moment = Moment.CREATED


TEXTS = (
    Text("sends text that is no JSON", _interrupts("no JSON"), WHOLE),
    Text("sends an error with status 429", _refuses_with(429), http(429, "c"), Moment.NOTHING),
    Text("sends an error without a status", _refuses_with(None), Expected(200, "error"), Moment.NOTHING),
    Text("sends the end of a response that it has not begun", _interrupts('{"type":"response.completed","response":{"id":"resp_other"}}'), failed("stream_interrupted")),
)  # fmt: skip


# The document --------------------------------------------------------------------------------------------------

MATRIX = """Each end at each moment, for a client over WebSocket (`tests/faults/test_backend_faults.py`). A turn is
sent again only where the table says so, and the next turn of the same client always gets a whole answer.
"""
MATRIX_HEADINGS = ("the backend", *Moment)


def _cell(outcome: Expected) -> str:
    if outcome.terminal == "response.completed":
        return "the whole answer"
    if outcome.terminal == "error":
        return "an `error` event"
    return f"`{outcome.code}`" if outcome.terminal else "that status"


def matrix_rows() -> Iterator[str]:
    """Yield the lines of the table of ends and moments."""
    for upgrade in UPGRADES:
        yield f"| {upgrade} | the answer by HTTP |" + " |" * (len(Moment) - 1)
    for end in (*ENDS, SILENCE):
        cells = (
            "the answer by HTTP" if end.is_sent_again(moment) else _cell(end.outcome(moment))
            for moment in Moment
        )
        yield f"| {end.what} | {' | '.join(cells)} |"
    for text in TEXTS:
        cells = (_cell(text.outcome) if moment is text.moment else "" for moment in Moment)
        yield f"| {text.what} | {' | '.join(cells)} |"
