"""What the readers of the chat and messages protocols share: limits, unknown fields, a fast path for text.

Never looks at a provider's name, never writes `response.*` events, never raises on any input. Invariant: any bytes, split
into any reads, give the same events, and an answer without a stop reason fails, so that a truncated answer never passes for
a complete one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, Self

import orjson

from addons.core.errors import Problem
from addons.core.json_values import JsonObject
from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    ReasoningDelta,
    Stopped,
    StopReason,
    TextDelta,
    UsageSeen,
)
from addons.core.protocols.sse import (
    BLANK_LINE,
    BOM,
    JOINT_BYTES,
    SseEvent,
    SseReader,
    parse_block,
)
from addons.core.protocols.surrogates import SurrogateJoiner
from addons.core.upstream.error_mapping import quotable, upstream_problem
from addons.core.upstream.target import Target
from addons.core.usage import Usage

DOCUMENT_STARTS = (b"{", b"[", b"<")
"""First bytes of a JSON or HTML body. No line of an event stream starts with them."""
MAX_EXCERPT_BYTES = 200
PROBE = "\x00codex-shim\x00"
PROBE_LITERAL = orjson.dumps(PROBE)[1:-1]
ENDS = (Failed, Stopped)
"""The events that end an answer."""
MAX_ALIKE = 64
"""How many blocks are read at once. Where one of them is no plain delta, those behind it are looked at again: so of them
only twice as many are as came before it."""
MANY_EVENTS = 8
"""A read of so many times its first event is long."""
READS_AS_EVENTS = 16
"""How many reads are read as events behind one whose text has a marker."""


class AnswerReader(ABC):
    """Reads one answer, streamed or sent as one JSON document. Each protocol adds the meaning of its events."""

    __slots__ = (
        "_document", "_ended", "_head", "_late", "_max_event_bytes", "_other", "_reason", "_skips", "_sse", "_surrogates",
        "_target", "_template",
    )  # fmt: skip

    def __init__(self, target: Target, max_event_bytes: int) -> None:
        self._target = target
        self._max_event_bytes = max_event_bytes
        self._sse = SseReader(max_event_bytes)
        self._surrogates: SurrogateJoiner | None = None
        self._template: DeltaTemplate | None = None
        self._skips = 0
        """How many reads are still read as events."""
        self._head: bytes | None = b""
        """The first bytes of the body, until they show its format."""
        self._document: bytearray | None = None
        """The body so far, if it is one document."""
        self._reason: StopReason | None = None
        """The stop reason of the answer, once it was read."""
        self._late = False
        """Whether the answer continued after its stop reason."""
        self._ended = False
        self._other: JsonObject = {}
        """The first object that states an error in a form that the protocol does not know."""

    @abstractmethod
    def _read_stream(self, data: bytes) -> list[Event]:
        """Return the events of one read of an event stream."""

    @abstractmethod
    def _read_event(self, event: SseEvent) -> Sequence[Event]:
        """Return the events of one event of the stream."""

    @property
    @abstractmethod
    def _is_plain(self) -> bool:
        """Whether no text is held back, so that the next event may be read with a template."""

    @abstractmethod
    def _passes(self, kind: type[TextDelta | ReasoningDelta], text: str) -> bool:
        """Return whether text behind other text of its kind is passed on as it is. It then counts as passed on."""

    @staticmethod
    @abstractmethod
    def _template_text(value: Any) -> object:
        """Return the text of the data of a delta, from the field that the reader takes it from."""

    @abstractmethod
    def _read_document(self, body: bytes) -> Iterator[Event]:
        """Return the events of an answer that is one document, from an upstream that does not stream."""

    @abstractmethod
    def _stop(self) -> Iterator[Event]:
        """Return the events that end the answer with the stop reason that was read."""

    @abstractmethod
    def _final_usage(self) -> Usage | None:
        """Return the usage that was read."""

    @property
    def awaits_end(self) -> bool:
        """Whether the answer is complete, and only usage and the end of the body may follow."""
        return self._reason is not None and not self._late

    def feed(self, data: bytes) -> list[Event]:
        """Return the events of one network read."""
        if self._ended or not data:
            return []
        if self._head is not None:
            data = self._detect_format(self._head + data)
        if self._document is not None:
            self._document += data
            return self._too_large() if len(self._document) > self._max_event_bytes else []
        return self._read_stream(data)

    def read_texts(self, data: bytes) -> tuple[Sequence[str], bytes]:
        """Return the texts of the first blocks of a read, if these have the form of the block before them, and the rest."""
        template = self._template
        if template is None or template.kind is not TextDelta or self._ended or self._sse.pending:
            return (), data
        if self._skips or len(data) > self._max_event_bytes:
            self._skips = max(self._skips - 1, 0)
            return (), data
        texts, rest = template.texts_of_read(data)
        if texts and not self._passes(TextDelta, "".join(texts)):
            # one of them may hold a marker, as many do in source code
            self._skips = READS_AS_EVENTS if len(texts) > 1 else 0
            texts = list(takewhile(lambda text: self._passes(TextDelta, text), texts))
            rest = template.behind(data, len(texts))
        return texts, rest

    def first_event(self, data: bytes) -> int:
        """Return where the first event of a read ends, if it pays to look for text behind it; else 0."""
        end = data.find(BLANK_LINE) + len(BLANK_LINE)
        # what is too large fails all of its read
        is_long = not self._skips and MANY_EVENTS * end <= len(data) <= self._max_event_bytes
        return end if is_long and end >= len(BLANK_LINE) else 0

    def finish(self) -> list[Event]:
        """Return the last events, after the upstream ended its body."""
        if self._ended:
            return []
        if self._document is not None:
            return list(self._close(self._read_document(bytes(self._document))))
        events = self._read_blocks((*self._sse.feed(self._head or b""), *self._sse.whole_rest()))
        if self._ended:
            return events
        return [*events, *self._close(self._interrupted() if self._late else self._stop())]

    def _read_blocks(self, blocks: Sequence[bytes]) -> list[Event]:
        """Return the events of these SSE blocks."""
        out: list[Event] = []
        at, alike = 0, MAX_ALIKE
        while at < len(blocks):
            if self._template:
                compared = blocks[at : at + alike]
                count = len(deltas := self._read_alike(compared))
                out += deltas
                at += count
                alike = min(2 * count or 1, MAX_ALIKE)
                if count == len(compared):
                    continue
            # the next block has another form, or its text has a marker
            self._template = None
            if (event := parse_block(blocks[at])) and (events := self._read_event(event)):
                for one in events:
                    if isinstance(one, ENDS):
                        return [*out, *self._close(events)]
                out += events
                if len(events) == 1 and self._is_plain:
                    self._template = DeltaTemplate.learn(blocks[at], events, self._template_text)
            at += 1
        return out

    def _read_alike(self, blocks: Sequence[bytes]) -> Sequence[TextDelta | ReasoningDelta]:
        """Return the deltas of the first blocks, as far as they have the form of the block before them."""
        if (template := self._template) is None:
            return ()
        if len(blocks) == 1:
            # nearly every read of a slow stream
            delta = template.match(blocks[0])
            return (delta,) if delta and self._passes(template.kind, delta.text) else ()
        kind, texts = template.kind, template.texts(blocks)
        if not self._passes(kind, "".join(texts)):
            # one of them may hold a marker
            texts = list(takewhile(lambda text: self._passes(kind, text), texts))
        return [kind(text) for text in texts]

    def _loads_split(self, data: bytes) -> object:
        """Return the value of JSON in which a character may be split between events; None if it is invalid."""
        self._surrogates = self._surrogates or SurrogateJoiner()
        return self._surrogates.loads(data)

    def _detect_format(self, head: bytes) -> bytes:
        """Return the bytes to read, once the first one that is not blank has arrived."""
        first = head.removeprefix(BOM).lstrip()
        if BOM.startswith(first):
            self._head = head
            return b""
        self._head = None
        if first.startswith(DOCUMENT_STARTS):
            self._document = bytearray()
            return first
        return head

    def _close(self, events: Iterable[Event]) -> Iterator[Event]:
        """Return the last events of the turn, with the usage before the one that ends it."""
        self._ended = True
        for event in events:
            if isinstance(event, ENDS):
                if usage := self._final_usage():
                    yield UsageSeen(usage)
                yield event
                return
            yield event

    def _too_large(self) -> list[Event]:
        return list(self._close(self._failed("sent a single event that is too large to be read")))

    def _not_json(self, body: bytes) -> Iterator[Event]:
        what = "a web page" if body.startswith(b"<") else "a body that is not JSON"
        return self._failed(f"answered with {what}: {excerpt(body)}")

    def _interrupted(self) -> Iterator[Event]:
        text = f"{self._upstream} ended its answer without a stop reason, so the answer is incomplete. Send the turn again."
        yield Failed(Problem(502, "stream_interrupted", text))

    def _unanswered(self) -> Iterator[Event]:
        """Fail with what the upstream said in place of an answer, in whatever form it reports errors."""
        if not self._other:
            return self._interrupted()
        return iter([Failed(upstream_problem(self._target, None, self._other))])

    def _failed(self, what: str) -> Iterator[Event]:
        text = f"{self._upstream} {what}. Check base_url and provider of {self._target.slug} in models.json, or send the turn again."
        yield Failed(Problem(502, "upstream_protocol", text))

    @property
    def _upstream(self) -> str:
        return f"{self._target.provider} ({self._target.model} at {self._target.origin})"


class DeltaTemplate:
    """The constant bytes of consecutive delta events, so that only the text between them is parsed.

    Most events of a stream differ from the preceding one only in their text. A template is learned from an event that
    was parsed completely, is verified with a probe text, and applies only to the events that directly follow. Invariant:
    a match gives the event that parsing the block would have given.
    """

    __slots__ = (
        "_after", "_before", "_end", "_joint", "_literal", "_rest", "_rest_literal", "kind",
    )  # fmt: skip

    def __init__(self, before: bytes, after: bytes, kind: type[TextDelta | ReasoningDelta]) -> None:
        self._before = before
        self._after = after
        self.kind = kind
        """The events of such blocks."""
        self._literal = slice(len(before) - 1, 1 - len(after) or None)
        """The text of a block, with the quote that ends `before` and the one that begins `after`."""
        self._end = after + BLANK_LINE
        self._joint = BLANK_LINE + before[:JOINT_BYTES]
        """Where a read is cut: CPython looks for the blank line alone byte by byte."""
        self._rest = before[JOINT_BYTES:]
        self._rest_literal = slice(len(self._rest) - 1, self._literal.stop)
        """The text of a block from which the joint was cut."""

    @classmethod
    def learn(
        cls, block: bytes, events: Sequence[Event], text_of: Callable[[object], object]
    ) -> Self | None:
        """Return the template of a block that was parsed into `events`; None if the next block must be parsed.

        `text_of` returns the text in the parsed data, from the field that the reader takes it from.
        """
        if len(events) != 1 or not isinstance(delta := events[0], (TextDelta, ReasoningDelta)):
            return None
        literal = orjson.dumps(delta.text)
        start = block.find(literal) + 1
        if not start or block.find(literal, start) >= 0:
            return None
        template = cls(block[:start], block[start + len(literal) - 2 :], type(delta))
        return template if template._is_verified(text_of) else None

    def _is_verified(self, text_of: Callable[[object], object]) -> bool:
        event = parse_block(self._before + PROBE_LITERAL + self._after)
        if event is None or b"\n" in event.data:
            # The text may not continue in another data line.
            return False
        try:
            return text_of(orjson.loads(event.data)) == PROBE
        except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
            return False

    def match(self, block: bytes) -> TextDelta | ReasoningDelta | None:
        """Return the delta of a block of this form; None for any other block, and for one without text."""
        text = self._text(block)
        return self.kind(text) if text else None

    def _text(self, block: bytes) -> str:
        """Return the text of a block of this form; empty for any other block."""
        if not (block.startswith(self._before) and block.endswith(self._after)):
            return ""
        try:
            text: str = orjson.loads(block[self._literal])
        except orjson.JSONDecodeError:
            # also where the two parts overlap
            return ""
        return text

    def texts(self, blocks: Sequence[bytes]) -> list[str]:
        """Return the texts of the first blocks, as far as they have this form and `match` gives a delta."""
        if texts := _strings(self._literals(blocks, self._before, self._literal)):
            return texts if all(texts) else texts[: texts.index("")]
        return list(takewhile(bool, map(self._text, blocks)))

    def texts_of_read(self, data: bytes) -> tuple[list[str], bytes]:
        """Return the texts of the whole blocks of this form with which a read begins, and the rest. Each of them has a text."""
        if not data.startswith(self._before):
            return [], data
        is_whole = data.endswith(self._end)
        if is_whole and data.find(self._joint) < 0:
            # nearly every read of a slow stream
            text = self._text(data[: -len(BLANK_LINE)])
            return ([text], b"") if text else ([], data)
        blocks = data[JOINT_BYTES : -len(BLANK_LINE) if is_whole else None].split(self._joint)
        # a block of another form stays within the one before it, and no string may hold a blank line
        whole = blocks if is_whole else blocks[:-1]
        texts = _strings(self._literals(whole, self._rest, self._rest_literal))
        if not texts or not all(texts):
            return [], data
        return texts, b"" if len(texts) == len(blocks) else self.behind(data, len(texts))

    def behind(self, data: bytes, count: int) -> bytes:
        """Return what follows the first blocks of a read, which have this form and are not all of it."""
        return data[:JOINT_BYTES] + data[JOINT_BYTES:].split(self._joint, count)[count]

    def _literals(self, blocks: Sequence[bytes], before: bytes, literal: slice) -> list[bytes]:
        """Return the JSON texts of the first blocks, as far as they begin and end alike."""
        after = self._after
        literals: list[bytes] = []
        for block in blocks:
            if not (block.startswith(before) and block.endswith(after)):
                break
            literals.append(block[literal])
        return literals


def _strings(literals: Sequence[bytes]) -> list[str]:
    """Return the strings of JSON literals that begin with a quote; nothing if one of them is not exactly one string."""
    try:
        # No string may hold a line feed, so each literal begins with a new value.
        texts: list[str] = orjson.loads(b"[%b]" % b",\n".join(literals))
    except orjson.JSONDecodeError:
        return []
    # One string for each literal: none of them holds a quote that ends its text early.
    return texts if len(texts) == len(literals) and {str}.issuperset(map(type, texts)) else []


def excerpt(data: bytes) -> str:
    """Return the beginning of the data, printable in an error message."""
    return quotable(data[:MAX_EXCERPT_BYTES].decode("utf-8", "replace"))
