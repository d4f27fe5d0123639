"""What of a child's `assistant` events is new text. They say everything twice, and some of it three times.

Source: stream-json with partial output, August 2026. An event with `timestamp_ms` and without `model_call_id` is a
delta. Any other repeats: the segment before a tool call, the last segment, or the whole reply. Never compares a delta
with anything: `1, 10, 100, ha, ha` are five deltas. Invariant: a delta is given exactly once; of a segment that came
without deltas, its repeat is the text, once.
"""

from __future__ import annotations

from collections.abc import Mapping

Json = Mapping[str, object]


class Speech:
    """The text of one answer, segment by segment."""

    def __init__(self) -> None:
        self._current: list[str] = []
        self._segments: list[str] = []
        self._flushed: set[str] = set()
        self._streams = False
        """Whether any delta came: then a text without deltas is more likely a repeat than news."""
        self._half = ""

    @property
    def said(self) -> bool:
        """Whether there was any text."""
        return bool(self._current or self._segments)

    def take(self, event: Json) -> str:
        """The new text of one `assistant` event."""
        text, call = text_of(event), event.get("model_call_id")
        if call is None and event.get("timestamp_ms") is not None:
            self._streams = True
            return self._add(self._mended(text))
        if isinstance(call, str):
            if call in self._flushed:
                return ""
            self._flushed.add(call)
        news = "" if self._current or (self._streams and self._is_repeat(text)) else self._add(text)
        if isinstance(call, str):
            self.border()
        return news

    def border(self) -> None:
        """A tool call begins: end the segment."""
        segment, self._current, self._half = "".join(self._current), [], ""
        if segment:
            self._segments.append(segment)

    def _add(self, text: str) -> str:
        if text:
            self._current.append(text)
        return text

    def _is_repeat(self, text: str) -> bool:
        """Only asked where the segment is empty and the others had deltas."""
        told = self._segments
        return bool(told) and text in {told[-1], "".join(told), "\n\n".join(told), "\n".join(told)}

    def _mended(self, text: str) -> str:
        """Join a character that was cut into two deltas: each half is a lone surrogate."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return whole(text)


def text_of(event: Json) -> str:
    """The text of an event's message."""
    message = event.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def whole(text: str) -> str:
    """A text whose surrogates are joined, or replaced where the other half is missing."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
