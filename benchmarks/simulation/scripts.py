"""The simulated upstreams: one connection each, which reads requests and answers as a random script determines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import orjson

from benchmarks.simulation.clock import Clock
from benchmarks.simulation.ledger import Ledger, ReceivedRequest
from benchmarks.simulation.watch import PLAN_HOST, TOKENS_PER_ANSWER

MARK = re.compile(rb"turn-(\d+)-end")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
ANSWER_END = re.compile(rb'"finish_reason":"stop"|"stop_reason":"end_turn"|"response.completed"')
"""What says that an answer is whole, in each protocol."""
CONTENT = re.compile(rb"output_text.delta|response.completed")
HEAD_END = b"\r\n\r\n"
ENDINGS = {
    "whole": 60,
    "cut": 6,
    "stall": 3,
    "comments": 2,
    "reset at once": 5,
    "reset later": 4,
    "close at once": 5,
    "refuse": 10,
    "garbage": 2,
    "partial event": 3,
}
"""How a request ends → its weight."""
PLAN_ENDINGS = {"whole": 55, "used up": 25, "used up in stream": 12, "fail": 6, "cut": 4}
LIMIT_SECONDS = (0.4, 3.0, 20.0, 70.0, 200.0)
STATUSES = (400, 401, 404, 429, 500, 503)


class ConnectionEnd(Protocol):
    """The far end of a connection, as an upstream sees it."""

    def receive(self, data: bytes) -> bool:
        """Take bytes of the upstream. Return whether they were read."""

    def end(self, *, reset: bool) -> bool:
        """Take the end of the connection. Return whether it was noticed."""


@dataclass(slots=True)
class Body:
    """An answer in the protocol of its path: its events, and the text that they hold."""

    events: list[bytes]
    text: str


def body_for(path: bytes, turn: int, deltas: int) -> Body:
    """Return a whole answer. Each delta names its turn, so that an answer of another turn is noticed."""
    parts = [f"m{turn}." for _ in range(deltas)]
    make = _RESPONSES if path.endswith(b"/responses") else _PROTOCOLS[path.rpartition(b"/")[2]]
    return Body(list(make(parts)), "".join(parts))


def _chat(parts: list[str]) -> Iterator[bytes]:
    for part in parts:
        yield _event({"choices": [{"index": 0, "delta": {"content": part}}]})
    usage = {"prompt_tokens": TOKENS_PER_ANSWER - 1, "completion_tokens": 1}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield _event({"choices": [end], "usage": usage})
    yield b"data: [DONE]\n\n"


def _messages(parts: list[str]) -> Iterator[bytes]:
    yield _event({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}})
    block = {"type": "text", "text": ""}
    yield _event({"type": "content_block_start", "index": 0, "content_block": block})
    for part in parts:
        delta = {"type": "text_delta", "text": part}
        yield _event({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _event({"type": "content_block_stop", "index": 0})
    end = {"stop_reason": "end_turn"}
    yield _event({"type": "message_delta", "delta": end, "usage": {"output_tokens": 1}})
    yield _event({"type": "message_stop"})


def _responses(parts: list[str]) -> Iterator[bytes]:
    yield _event({"type": "response.created", "response": {"id": "r"}})
    for part in parts:
        yield _event({"type": "response.output_text.delta", "delta": part})
    yield _event({"type": "response.completed", "response": {"id": "r", "status": "completed"}})


def _event(value: dict[str, object]) -> bytes:
    kind = value.get("type")
    name = b"event: %s\n" % str(kind).encode() if kind else b""
    return name + b"data: " + orjson.dumps(value) + b"\n\n"


_RESPONSES: Callable[[list[str]], Iterator[bytes]] = _responses
_PROTOCOLS = {b"completions": _chat, b"messages": _messages}


class UpstreamConnection:
    """One connection of an upstream. Its peer is replaced when the connection serves another client."""

    def __init__(self, clock: Clock, ledger: Ledger, peer: ConnectionEnd, host: str) -> None:
        self.peer = peer
        self._host = host
        self.open = True
        self.unread = False
        """Whether bytes or the end arrived while no client held the connection."""
        self._clock = clock
        self._ledger = ledger
        self._received = b""
        self._requests = 0
        self._current: ReceivedRequest | None = None
        self._sent_unasked = False

    # From the shim ----------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes of a request; answer when it is whole."""
        if not self.open:
            return
        self._received += data
        head, found, rest = self._received.partition(HEAD_END)
        length = LENGTH.search(head)
        if not found or not length or len(rest) < int(length[1]):
            return
        body, self._received = rest[: int(length[1])], rest[int(length[1]) :]
        mark = MARK.findall(body)
        turn = int(mark[-1]) if mark else 0
        if self._sent_unasked:
            self._ledger.crossed.add(turn)
        self._current = self._ledger.ask(turn, self._host, reused=self._requests > 0)
        self._requests += 1
        path = head.split(b" ", 2)[1].partition(b"?")[0]
        self._answer(self._current, turn, path)

    def closed(self) -> None:
        """Take the end of the connection from the shim."""
        self._clock.note(f"shim: closes a connection under {self._name}")
        self.open = False
        if self._current and self._is_plan:
            self._ledger.watch.plan_left(self._current.turn)
        self._note_end()

    # To the shim ------------------------------------------------------------------------------------------

    def _answer(self, ask: ReceivedRequest, turn: int, path: bytes) -> None:
        clock = self._clock
        ending = self._ending()
        clock.note(
            f"upstream: turn {turn} on a {'reused' if ask.reused else 'new'} connection: {ending}"
        )
        delay = clock.random.choice((0.0, 0.001, 0.02, 0.3, 2.0))
        if ending in {"reset at once", "close at once"}:
            self._end_after(
                0.0 if clock.chance(0.5) else 0.05, ask, reset=ending.startswith("reset")
            )
        elif ending == "reset later":
            self._end_after(clock.random.choice((0.7, 3.0)), ask, reset=clock.chance(0.5))
        elif ending == "refuse":
            clock.after(delay, "", lambda: self._refuse(ask, clock.random.choice(STATUSES)))
        elif ending == "fail":
            clock.after(delay, "", lambda: self._refuse(ask, 503))
        elif ending.startswith("used up"):
            clock.after(delay, "", lambda: self._use_up(ask, in_stream=ending != "used up"))
        elif ending == "garbage":
            clock.after(delay, "", lambda: self._send(ask, b"\x00\x01garbage\r\n\r\n", status=999))
        else:
            clock.after(delay, "", lambda: self._begin(ask, turn, path, ending))

    @property
    def _is_plan(self) -> bool:
        return self._host == PLAN_HOST

    def _ending(self) -> str:
        clock = self._clock
        if self._is_plan and clock.now < self._ledger.watch.limit_until:
            return "used up"
        endings = PLAN_ENDINGS if self._is_plan else ENDINGS
        (ending,) = clock.random.choices(list(endings), list(endings.values()))
        return ending

    def _use_up(self, ask: ReceivedRequest, *, in_stream: bool) -> None:
        """Refuse a turn of the plan, whose limit is used up for a while."""
        clock, watch = self._clock, self._ledger.watch
        if not self.open:
            return
        if clock.now >= watch.limit_until:
            watch.limit_until = clock.now + clock.random.choice(LIMIT_SECONDS)
        seconds = watch.limit_until - clock.now
        clock.note(f"upstream: the plan is used up for {seconds} s")
        error = {"code": "usage_limit_reached", "message": "x", "resets_in_seconds": seconds}
        watch.plan_is_used_up(seconds)
        if not in_stream:
            self._send_refusal(ask, 429, orjson.dumps({"error": error}))
            return
        ask.refuses = True
        failed = {"id": "r", "status": "failed", "error": error}
        events = _event({"type": "response.created", "response": {"id": "r"}})
        events += _event({"type": "response.failed", "response": failed})
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
        self._send(ask, head % len(events), status=200)
        self._current = None
        cut = clock.random.randrange(len(events) + 1)
        self._send(ask, events[:cut])
        self._send(ask, events[cut:])

    def _refuse(self, ask: ReceivedRequest, status: int) -> None:
        if self._is_plan and self.open:
            self._ledger.watch.plan_failed(ask.turn)
        self._send_refusal(ask, status, b'{"error":{"message":"refused"}}')

    def _send_refusal(self, ask: ReceivedRequest, status: int, body: bytes) -> None:
        close = b"connection: close\r\n" if self._clock.chance(0.3) else b""
        head = b"HTTP/1.1 %d No\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n"
        self._send(ask, head % (status, close, len(body)) + body, status=status)
        self._current = None
        if close:
            self._end_after(0.0, ask, reset=False)
        else:
            self._idle(ask)

    def _begin(self, ask: ReceivedRequest, turn: int, path: bytes, ending: str) -> None:
        framing = self._clock.random.choice(("chunked", "length", "close"))
        body = body_for(path, turn, self._clock.random.randrange(1, 6))
        events = body.events
        if ending != "whole":
            events = events[: self._clock.random.randrange(len(events))]
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        if framing == "chunked":
            head += b"transfer-encoding: chunked\r\n"
        elif framing == "length":
            head += b"content-length: %d\r\n" % sum(map(len, body.events))
        self._send(ask, head + b"\r\n", status=200)
        parts = [b"%x\r\n%s\r\n" % (len(e), e) if framing == "chunked" else e for e in events]
        self._go_on(ask, parts, ending, framing, body.text)

    def _go_on(
        self, ask: ReceivedRequest, parts: list[bytes], ending: str, framing: str, text: str
    ) -> None:
        clock = self._clock
        if not self.open:
            return
        if parts:
            joined = b"".join(parts[:2]) if clock.chance(0.3) else parts[0]
            rest = parts[2:] if len(joined) > len(parts[0]) else parts[1:]
            if ANSWER_END.search(joined):
                ask.text, ask.finished = text, True
            if self._is_plan and CONTENT.search(joined):
                self._ledger.watch.plan_answered(ask.turn)
            cut = clock.random.randrange(len(joined) + 1)
            self._send(ask, joined[:cut])
            self._send(ask, joined[cut:])
            pause = clock.random.choice((0.0, 0.0, 0.01, 1.0, 20.0 if clock.chance(0.05) else 0.1))
            clock.after(pause, "", lambda: self._go_on(ask, rest, ending, framing, text))
        elif ending == "whole":
            self._finish(ask, framing)
        elif ending == "partial event":
            self._send(ask, b'9\r\ndata: {"a\r\n' if framing == "chunked" else b'data: {"a')
            self._end_after(0.0, ask, reset=False)
        elif ending == "comments":
            self._comment(ask, framing)
        elif ending == "cut":
            self._end_after(0.0, ask, reset=clock.chance(0.5))

    def _comment(self, ask: ReceivedRequest, framing: str) -> None:
        if self.open:
            self._send(ask, b"3\r\n:\n\n\r\n" if framing == "chunked" else b":\n\n")
            self._clock.after(5.0, "", lambda: self._comment(ask, framing))

    def _finish(self, ask: ReceivedRequest, framing: str) -> None:
        if self._current is ask:
            self._current = None
        if framing == "chunked":
            self._clock.after(
                self._clock.random.choice((0.0, 0.001, 1.0, 9.0)), "", lambda: self._end_body(ask)
            )
        elif framing == "length":
            self._idle(ask)
        else:
            self._end_after(0.0, ask, reset=False)

    def _end_body(self, ask: ReceivedRequest) -> None:
        self._send(ask, b"0\r\n\r\n")
        self._idle(ask)

    def _idle(self, ask: ReceivedRequest) -> None:
        """Wait for another request; sometimes close, and rarely send bytes without a request."""
        if self._clock.chance(0.4):
            delay = self._clock.random.choice((0.0, 0.001, 0.02, 5.0))
            self._clock.after(delay, "", self._close_idle)
        elif self._clock.chance(0.02):
            self._clock.after(0.5, "", lambda: self._send_unasked(ask))

    def _send_unasked(self, ask: ReceivedRequest) -> None:
        if self._current is None:
            self._sent_unasked = True
            self._send(ask, b"HTTP/1.1 200 OK\r\n\r\nm0.")

    def _close_idle(self) -> None:
        if self.open and self._current is None:
            self._end(reset=self._clock.chance(0.3))

    def _send(self, ask: ReceivedRequest, data: bytes, status: int = 0) -> None:
        if not self.open or not data:
            return
        if status and not ask.status:
            ask.status, ask.answered_at = status, self._clock.now
        ask.sent += data
        self.unread = not self.peer.receive(data) or self.unread

    def _end_after(self, delay: float, ask: ReceivedRequest, *, reset: bool) -> None:
        def end() -> None:
            if self.open and (self._current is None or self._current is ask):
                self._end(reset=reset)

        self._clock.after(delay, "", end)

    def _end(self, *, reset: bool) -> None:
        self._clock.note(f"upstream: {'resets' if reset else 'closes'} under {self._name}")
        self.open = False
        if self._current and self._is_plan:
            self._ledger.watch.plan_failed(self._current.turn)
        self._note_end()
        self.unread = not self.peer.end(reset=reset) or self.unread

    @property
    def _name(self) -> str:
        return "a request" if self._current else "nothing"

    def _note_end(self) -> None:
        if self._current is not None:
            self._current.ended_at = self._clock.now
            self._current = None
