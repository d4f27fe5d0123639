"""Puts values back in the events of an answer while they arrive, wherever a placeholder is split.

The deltas of one text follow each other in events. An event whose delta ends with what may be the begin of a placeholder
waits for the next one of its text, and the events behind it wait too, so that their order stays. What was found goes into
the first of the events that waited. An event that holds whole texts is changed by itself.

Never does: parse an event that neither holds a placeholder nor ends in the begin of one. Invariant: any split of the same
texts gives the same texts; every event of the answer is passed on, in order; nothing waits behind the end of its text.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from addons.core.json_values import JsonDict, as_str, loads_exactly
from addons.core.privacy.placeholders import MARK, MAX_LENGTH, begun_at
from addons.core.privacy.request import TextWalk
from addons.core.privacy.restorer import MARK_IN_BYTES, Restorer
from addons.core.protocols.output_rewriter import OutputRewriter
from addons.core.protocols.sse import parse_block
from addons.core.turn import Translator

MAX_WAITING_EVENTS, MAX_BEHIND_LETTERS = 2000, 500
"""When more events wait behind one, its text is passed on as it is; the second for a few letters, as many words end in."""
_BORDER = re.compile(rb"\n\n|\r\n\r\n|\r\r|\n\r\n")
_DELTA = re.compile(rb'"delta"\s*:\s*"((?:[^"\\]|\\.)*+)"')
_KIND = re.compile(rb'"type"\s*:\s*"([^"\\]*+)"')
_NAME = re.compile(rb"event: ?([^\r\n]*+)\n")
_INDEX = re.compile(rb'"output_index"\s*:\s*(\d{1,9})')
_RESPONSE_ID = re.compile(
    rb'"response"\s*:\s*\{\s*(?:"object"\s*:\s*"response"\s*,\s*)?"id"\s*:\s*"([\x21\x23-\x5b\x5d-\x7e]{1,200})"'
)
_ARGUMENTS = "arguments.delta"
_TERMINAL = ("response.completed", "response.failed", "response.incomplete", "error")

Key = tuple[str, object, object, object]
"""What tells one text of an answer from the others: the kind of its events, and the item and part that they name."""


@dataclass(slots=True)
class _Waiting:
    """One event in the queue."""

    raw: bytes
    """As it came, with the blank line behind it."""
    key: Key | None = None
    """The text of a delta that waits; None for an event that can go."""
    event: JsonDict = field(default_factory=dict)
    delta: str = ""
    """What of its text waits."""


class EventRestorer:
    """Restores the values in one stream of events."""

    def __init__(self, restorer: Restorer, max_event_bytes: int) -> None:
        self._restorer = restorer
        self._max_event_bytes = max_event_bytes
        self._walk = TextWalk(restorer.text, restorer.json_text)
        self._partial = bytearray()
        """The begin of an event that has not ended."""
        self._searched = 0
        """How much of it has no border."""
        self._passes = False
        """Whether the event under way is too large to be changed: it passes as it comes."""
        self._queue: deque[_Waiting] = deque()
        self._open: dict[Key, list[_Waiting]] = {}
        """The texts of which events wait."""

    def feed(self, data: bytes) -> bytes:
        """Return what the client gets for these bytes."""
        out: list[bytes] = []
        for block in self._blocks(data, out):
            self._take(block)
            if self._queue:
                self._flush(out)
        return b"".join(out)

    def finish(self) -> bytes:
        """Return all that waits, and the begin of an event that has not ended."""
        self._release(list(self._open))
        out: list[bytes] = []
        self._flush(out)
        out.append(bytes(self._partial))
        self.drop_partial()
        return b"".join(out)

    def drop_partial(self) -> None:
        """Forget the begin of an event that will not end."""
        self._partial.clear()
        self._searched = 0

    # Blocks -----------------------------------------------------------------------------------------------

    def _blocks(self, data: bytes, out: list[bytes]) -> list[bytes]:
        """Return the events that end in these bytes, each with its border."""
        if not self._partial and data.endswith(b"\n\n") and b"\r" not in data:
            # nearly every read: whole events
            return [one + b"\n\n" for one in data.split(b"\n\n")[:-1]]
        self._partial += data
        blocks, done = [], 0
        at = max(self._searched - 3, 0)
        while found := _BORDER.search(self._partial, at):
            blocks.append(bytes(self._partial[done : found.end()]))
            done = at = found.end()
        del self._partial[:done]
        self._searched = len(self._partial)
        if self._passes and blocks:
            self._passes = False
            out.append(blocks.pop(0))
        if self._passes or len(self._partial) > self._max_event_bytes:
            self._pass_on(blocks, out)
            return []
        return blocks

    def _pass_on(self, blocks: list[bytes], out: list[bytes]) -> None:
        """Pass on the begin of an event that is too large, and all before it."""
        for block in blocks:
            self._take(block)
        out.append(self.finish())
        self._passes = True

    # Events -----------------------------------------------------------------------------------------------

    def _take(self, block: bytes) -> None:
        kind = _kind_of(block)
        if kind.endswith(".delta") and (found := _DELTA.search(block)):
            self._take_delta(block, kind, found[1])
            return
        if self._open:
            self._release([key for key in self._open if _is_end(block, kind, key)])
        self._queue.append(_Waiting(self._changed(block)))
        self._bound()

    def _take_delta(self, block: bytes, kind: str, raw: bytes) -> None:
        tail = raw[-2 * MAX_LENGTH :].decode("utf-8", "replace")
        is_open = begun_at(tail) < len(tail)
        if not self._open and not is_open and not MARK_IN_BYTES.search(raw):
            self._queue.append(_Waiting(block))
            return
        event = _parsed(block)
        delta = event.get("delta")
        if not isinstance(delta, str):
            self._queue.append(_Waiting(block))
            return
        index = event.get("content_index", event.get("summary_index"))
        waiting = _Waiting(
            block, (kind, event.get("output_index"), event.get("item_id"), index), event, delta
        )
        self._queue.append(waiting)
        self._join(waiting)

    def _join(self, last: _Waiting) -> None:
        """Add an event to those of its text that wait, and put values in as far as the text is certain."""
        key = last.key
        assert key  # noqa: S101  it is a delta
        waiting = self._open.setdefault(key, [])
        waiting.append(last)
        text = "".join(one.delta for one in waiting)
        certain = begun_at(text)
        if certain == len(text):
            self._write(key, waiting, text)
            del self._open[key]
        elif certain and len(waiting) > 1:
            self._write(key, waiting[:-1], text[:certain])
            last.delta = text[certain:]
            self._open[key] = [last]
        self._bound()

    def _bound(self) -> None:
        """Let texts go that hold up too much: the placeholder that may have begun does not go on."""
        waiting = len(self._queue)
        if not self._open or waiting <= MAX_BEHIND_LETTERS:
            return
        self._release(
            [
                key
                for key, events in self._open.items()
                if waiting > MAX_WAITING_EVENTS
                or sum(len(one.delta) for one in events) <= len(MARK)
            ]
        )

    def _write(self, key: Key, events: list[_Waiting], text: str) -> None:
        """Let events go: the first one with the text, the others with what is left of theirs."""
        restore = self._restorer.json_text if key[0].endswith(_ARGUMENTS) else self._restorer.text
        restored = restore(text)
        if restored != text or text != "".join(str(one.event["delta"]) for one in events):
            for one, shown in zip(events, (restored, *[""] * len(events)), strict=False):
                one.raw = _event(one.raw, {**one.event, "delta": shown})
        for one in events:
            one.key = None

    def _release(self, keys: list[Key]) -> None:
        """Let the events of these texts go: nothing follows that could complete a placeholder."""
        for key in keys:
            waiting = self._open.pop(key)
            self._write(key, waiting, "".join(one.delta for one in waiting))

    def _changed(self, block: bytes) -> bytes:
        if not MARK_IN_BYTES.search(block):
            return block
        event = _parsed(block)
        changed = self._walk.member("", event)
        return (
            _event(block, changed) if isinstance(changed, dict) and changed is not event else block
        )

    def _flush(self, out: list[bytes]) -> None:
        while self._queue and self._queue[0].key is None:
            out.append(self._queue.popleft().raw)


def _is_end(block: bytes, kind: str, key: Key) -> bool:
    """Return whether an event says that a text is complete."""
    if kind in _TERMINAL:
        return True
    if not kind.endswith(".done"):
        return False
    found = _INDEX.search(block)
    is_item = found is None or key[1] is None or int(found[1]) == key[1]
    is_text = kind.removesuffix("done") == key[0].removesuffix("delta")
    return is_item and (is_text or kind.endswith(("item.done", "part.done")))


def _kind_of(block: bytes) -> str:
    """Return the type of an event. The type of a part of it may come first, unless the event has a name."""
    found = _NAME.match(block) or _KIND.search(block)
    kind = found[1].decode("utf-8", "replace") if found else ""
    return kind if "." in kind or not kind else as_str(_parsed(block).get("type"))


def _parsed(block: bytes) -> JsonDict:
    parsed = parse_block(re.sub(rb"\r\n?", b"\n", block).strip(b"\n"))
    try:
        event = loads_exactly(parsed.data) if parsed else None
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}


def _event(block: bytes, event: JsonDict) -> bytes:
    """Return a changed event: with a name if it had one."""
    name = _NAME.match(block)
    return b"%bdata: %b\n\n" % (name[0] if name else b"", orjson.dumps(event))


class RestoringTranslator(OutputRewriter):
    """Around the translator of an answer: the client gets the values."""

    def __init__(
        self,
        inner: Translator,
        restorer: Restorer,
        max_event_bytes: int,
        on_created: Callable[[str], None] | None = None,
    ) -> None:
        """`on_created` takes the id of the response."""
        super().__init__(inner)
        self._on_created = on_created
        self._events = EventRestorer(restorer, max_event_bytes)

    def rewrite(self, output: bytes) -> bytes:
        """Return output of the inner translator with the values, as far as it is certain."""
        if self._on_created and (found := _RESPONSE_ID.search(output)):
            self._on_created(found[1].decode())
            self._on_created = None
        return self._events.feed(output) if output else output

    def _closed(self, output: bytes) -> bytes:
        if output.strip(b"\r\n"):
            # what began before is cut
            self._events.drop_partial()
        return self._events.feed(output) + self._events.finish()
