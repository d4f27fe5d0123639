"""What a chat completions answer brings beside text, thinking and calls: citations, pictures, sound, unknown fields.

Source: OpenAI API reference ("annotations", "audio"), OpenRouter's "Image Generation" (`images`). Citations are given
on, sound as its transcript. Of the rest it is told that it was there. Never does: give on bytes of a picture or of
sound. Invariant: total, and each thing is told once an answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.translate.events import Citation, Event, LeftOut, TextDelta
from addons.core.values import integer, obj, string
from addons.core.wire.chat_shapes import DEEPEST, Json
from addons.core.wire.left_out import Unknown

PICTURE, SOUND = "a picture", "sound"
PICTURE_PARTS = frozenset({"image", "image_url", "inline_data", "input_image", "output_image"})
SOUND_PARTS = frozenset({"audio", "audio_url", "input_audio", "output_audio"})
TEXT_KEYS = frozenset({"refusal", "text", "thinking"})
"""A part that has one of these is read as what it says."""
READ = frozenset({"annotations", "audio", "content", "function_call", "image", "images", "reasoning", "reasoning_content", "reasoning_details", "refusal", "thinking", "tool_calls"})  # fmt: skip
"""The fields of a delta that are read, here or by the reader."""
DESCRIBES = frozenset({"channel", "created", "finish_reason", "id", "index", "logprobs", "model", "name", "object", "obfuscation", "padding", "provider_specific_fields", "role", "sender_name", "sender_type", "stop_reason", "token_ids", "type", "usage"})  # fmt: skip
"""Fields that say something about the answer and are no part of it."""
KNOWN = READ | DESCRIBES


class Beside:
    """Reads it of one answer."""

    __slots__ = ("_cited", "_missing", "_unknown")

    def __init__(self) -> None:
        self._cited: set[Citation] = set()
        self._missing: dict[str, LeftOut] = {}
        self._unknown = Unknown()

    def feed(self, delta: Json) -> Iterator[Event]:
        """What of a delta is given on; what is not is kept for `missing`."""
        yield from self._citations(delta.get("annotations"))
        if delta.get("images") or delta.get("image"):
            self._misses_kind(PICTURE)
        if isinstance(content := delta.get("content"), list | dict):
            self._parts(content, 0)
        if sound := obj(delta.get("audio")):
            yield from self._sound(sound)
        for name, value in delta.items():
            if value and name not in KNOWN:
                self._misses_unknown("field", name)

    def missing(self) -> Iterator[Event]:
        """What was not given on."""
        yield from self._missing.values()
        self._missing.clear()

    def _citations(self, annotations: object) -> Iterator[Event]:
        for annotation in annotations if isinstance(annotations, list) else ():
            citation = _citation(obj(annotation))
            if not citation.url:
                self._misses_unknown("annotation", string(obj(annotation).get("type")))
            elif citation not in self._cited:
                self._cited.add(citation)
                yield citation

    def _parts(self, content: object, depth: int) -> None:
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, list) and depth < DEEPEST:
                self._parts(part, depth + 1)
            elif isinstance(part, dict) and part and not TEXT_KEYS & part.keys():
                self._part(string(part.get("type")))

    def _part(self, kind: str) -> None:
        if kind in PICTURE_PARTS:
            self._misses_kind(PICTURE)
        elif kind in SOUND_PARTS:
            self._misses_kind(SOUND)
        else:
            self._misses_unknown("part", kind)

    def _sound(self, sound: Json) -> Iterator[Event]:
        if words := string(sound.get("transcript")):
            yield TextDelta(words)
        if sound.get("data"):
            self._misses_kind(SOUND)

    def _misses_kind(self, kind: str) -> None:
        note = f"[The answer holds {kind}, which codex-shim cannot pass on.]"
        self._missing[kind] = LeftOut(f"{kind} in the answer", note)

    def _misses_unknown(self, what: str, name: str) -> None:
        self._missing |= {one.what: one for one in self._unknown.of(what, name)}


def _citation(annotation: Json) -> Citation:
    """Of a page; without an address when it is none of a page."""
    given = obj(annotation.get("url_citation")) or annotation
    places = [integer(given.get(key)) for key in ("start_index", "end_index")]
    return Citation(string(given.get("url")), string(given.get("title")), *places)
