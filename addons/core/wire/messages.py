"""Reads the answer of an Anthropic messages upstream: its bytes → canonical events.

Source: Anthropic API reference, "Streaming messages"; how others vary is in `messages_shapes`, `messages_blocks` and
`tests/quirks`. Never looks at a provider's name, never writes `response.*` events. Invariant: any bytes, cut into any
reads, give the same events and no exception; an answer whose end was not said fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from addons.core.errors import Problem
from addons.core.limits import Limits
from addons.core.target import Target
from addons.core.translate.conversation import Conversation
from addons.core.translate.events import (
    Event,
    Failed,
    RefusalDelta,
    Stopped,
    StopReason,
    UsageSeen,
)
from addons.core.upstream_errors import printable, upstream_problem
from addons.core.values import obj, string
from addons.core.wire.halves import Halves
from addons.core.wire.known_delta import KnownDelta
from addons.core.wire.messages_blocks import Blocks
from addons.core.wire.messages_shapes import (
    BROKEN,
    CUT,
    STOPS,
    Json,
    counts_of,
    error_in,
    metrics_of,
    status_of,
    usage_of,
)
from addons.core.wire.sse import BOM, SseEvent, SseReader, parse_block

SHOWN_BYTES = 200
WHOLE_ANSWER = (b"{", b"[", b"<")
"""How a body begins that is JSON or HTML. No line of an event stream does."""
DONE = b"[DONE]"


class MessagesReader:
    """Reads one answer, streamed or whole. `form` is the tool whose input is the answer's text."""

    __slots__ = ("_blocks", "_body", "_counts", "_ended", "_halves", "_head", "_known", "_late", "_limit", "_reason", "_sse", "_target")  # fmt: skip

    def __init__(
        self,
        conversation: Conversation,
        target: Target,
        form: str = "",
        event_bytes: int = Limits().event_bytes,
    ) -> None:
        self._target = target
        self._limit = event_bytes
        self._sse = SseReader(event_bytes)
        self._blocks = Blocks(conversation, target.lineage, form)
        self._halves = Halves()
        self._known: KnownDelta | None = None
        self._head: bytes | None = b""
        self._body: bytearray | None = None
        self._reason: StopReason | None = None
        self._counts: dict[str, int] = {}
        self._late = False
        """Whether the answer went on after it had said why it stopped."""
        self._ended = False

    def feed(self, data: bytes) -> list[Event]:
        """What one network read means."""
        if self._ended or not data:
            return []
        if self._head is not None:
            data = self._sniffed(self._head + data)
        if self._body is not None:
            self._body += data
            return self._too_large() if len(self._body) > self._limit else []
        return self._read(data)

    def finish(self) -> list[Event]:
        """The upstream ended its body."""
        if self._ended:
            return []
        if self._body is not None:
            return list(self._close(self._whole(bytes(self._body))))
        return self._last()

    def _read(self, data: bytes) -> list[Event]:
        events = self._run(self._sse.feed(data))
        if not self._ended and self._sse.too_large:
            events += self._too_large()
        return events

    def _last(self) -> list[Event]:
        events = self._run((*self._sse.feed(self._head or b""), *self._sse.finish()))
        if self._ended:
            return events
        return events + list(self._close(self._interrupted() if self._late else self._stop()))

    def _sniffed(self, head: bytes) -> bytes:
        """Decide what the body is, from its first byte that is no blank."""
        first = head.removeprefix(BOM).lstrip()
        if not first or BOM.startswith(first):
            self._head = head
            return b""
        self._head = None
        if first.startswith(WHOLE_ANSWER):
            self._body = bytearray()
            return first
        return head

    def _too_large(self) -> list[Event]:
        return list(self._close(self._failed("sent a single event that is too large to be read")))

    def _run(self, blocks: Iterable[bytes]) -> list[Event]:
        out: list[Event] = []
        for block in blocks:
            if self._ended:
                break
            if self._known and (delta := self._known.again(block)):
                out.append(delta)
                continue
            event = parse_block(block)
            step = list(self._event(event)) if event else []
            over = any(isinstance(one, Failed | Stopped) for one in step)
            out += self._close(step) if over else step
            self._known = KnownDelta.of(block, step, _text_in)
        return out

    def _event(self, event: SseEvent) -> Iterator[Event]:
        data = event.data.strip()
        if not data or data == DONE:
            return
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = self._halves.loads(data)
            if value is None:
                yield from self._unreadable(data)
                return
        yield from self._said(obj(value), event.name)

    def _unreadable(self, data: bytes) -> Iterator[Event]:
        if self._reason is None or self._late:
            yield from self._failed(f"sent an event that is no JSON: {_shown(data)}")
        else:
            # The answer is whole; only the last bytes of its last event are missing.
            yield from self._stop()

    def _said(self, event: Json, name: str) -> Iterator[Event]:
        kind = string(event.get("type")) or name
        if (error := error_in(event, kind)) is not None:
            yield Failed(upstream_problem(self._target, status_of(error), error))
        elif kind == "message_start":
            yield from self._started(obj(event.get("message")))
        elif kind == "content_block_start":
            self._late = self._reason is not None
            yield from self._blocks.start(_place(event), obj(event.get("content_block")))
        elif kind == "content_block_delta":
            self._late = self._reason is not None
            yield from self._blocks.delta(_place(event), obj(event.get("delta")))
        elif kind == "content_block_stop":
            yield from self._blocks.stop(_place(event))
        elif kind == "message_delta":
            yield from self._ending(obj(event.get("delta")), obj(event.get("usage")))
        elif kind == "message_stop":
            self._reason = self._reason or StopReason.END
            self._note(counts_of(obj(event.get("usage"))))
            self._note(metrics_of(event))
            yield from self._stop()
        if self._blocks.fault:
            yield from self._failed(self._blocks.fault)

    def _started(self, message: Json) -> Iterator[Event]:
        self._note(counts_of(obj(message.get("usage"))))
        content = message.get("content")
        for number, block in enumerate(content if isinstance(content, list) else []):
            key = ("given", number)
            yield from self._blocks.start(key, obj(block))
            yield from self._blocks.stop(key)

    def _ending(self, delta: Json, usage: Json) -> Iterator[Event]:
        self._note(counts_of(usage))
        word = string(delta.get("stop_reason")).lower()
        if word in BROKEN:
            said = {"error": {"message": f"stop_reason: {word}", "code": word}}
            yield Failed(upstream_problem(self._target, 503, said))
        elif word:
            self._reason = STOPS.get(word, StopReason.END)
            self._late = False
        why = string(obj(delta.get("stop_details")).get("explanation"))
        if why and self._reason is StopReason.REFUSAL and not self._blocks.said:
            yield RefusalDelta(why)

    def _note(self, counts: Mapping[str, int]) -> None:
        """Counts are cumulative, and some upstreams send zeros at one end of the stream."""
        for key, count in counts.items():
            self._counts[key] = max(count, self._counts.get(key, 0))

    def _stop(self) -> Iterator[Event]:
        if self._reason is None:
            yield from self._interrupted()
            return
        yield from self._blocks.end(cut=self._reason in CUT)
        reason = self._reason
        if reason not in CUT:
            # Some say end_turn although they call tools
            reason = StopReason.TOOL_CALLS if self._blocks.calls else StopReason.END
        yield Stopped(reason)

    def _close(self, events: Iterable[Event]) -> Iterator[Event]:
        """The last events of the turn; what it used comes before the one that ends it."""
        self._ended = True
        for event in events:
            if isinstance(event, Failed | Stopped):
                if usage := usage_of(self._counts):
                    yield UsageSeen(usage)
                yield event
                return
            yield event

    def _whole(self, body: bytes) -> Iterator[Event]:
        """An answer that is one JSON document, from an upstream that does not stream."""
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            what = "a web page" if body.startswith(b"<") else "a body that is no JSON"
            yield from self._failed(f"answered with {what}: {_shown(body)}")
            return
        message = obj(answer)
        if (error := error_in(message, string(message.get("type")))) is not None:
            yield Failed(upstream_problem(self._target, status_of(error), error))
        elif not isinstance(message.get("content"), list):
            yield from self._failed(f"answered in another protocol: {_shown(body)}")
        else:
            for kind in ("message_start", "message_delta"):
                yield from self._said({"type": kind, "message": message, "delta": message}, "")
            yield from self._stop()

    def _interrupted(self) -> Iterator[Event]:
        text = f"{self._who} ended its answer without saying why it stopped: it was cut. Send the turn again."
        yield Failed(Problem(502, "stream_interrupted", text))

    def _failed(self, what: str) -> Iterator[Event]:
        text = f"{self._who} {what}. Check base_url and provider of {self._target.slug} in models.json, or send the turn again."
        yield Failed(Problem(502, "upstream_protocol", text))

    @property
    def _who(self) -> str:
        return f"{self._target.provider} ({self._target.model} at {self._target.origin})"


def _text_in(event: Any) -> object:
    """The text of a text delta. One of thinking is kept beside the event, so each is read in full."""
    return event["delta"]["text"]


def _shown(data: bytes) -> str:
    return printable(data[:SHOWN_BYTES].decode("utf-8", "replace"))


def _place(event: Json) -> int | None:
    """Which block an event is about; an index that is no number names the one that has none."""
    index = event.get("index")
    return index if isinstance(index, int) else None
