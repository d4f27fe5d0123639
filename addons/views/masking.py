"""A turn's structure without its content: types, known names, ids and lengths stay, everything else becomes a tag.

Masked by construction: what is kept is what `words` names, all else is `<text 120 chars #a1b2c3d4>`. Equal texts have
equal tags within one report, so that a broken prefix shows; the salt is the report's own, so that a tag tells nobody
what the text was. Never does: keep a number, a name or a text of a tool's arguments or results. Total.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson

from addons.core.values import obj, string
from addons.views import words
from addons.views.kept import Headers
from addons.views.reading import decoded, json_lines, json_of, sse_events
from addons.views.scrub import found

DEEPEST = 40
MOST_EVENTS = 5_000
LARGEST = 2**53
LONGEST_NAME, LONGEST_VALUE = 30, 200
"""Of a header that may be kept as it is."""
Json = dict[str, object]


class Masker:
    """Masks for one report."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    # Texts ------------------------------------------------------------------------------------------------

    def tag(self, text: str) -> str:
        """What stands for a text: equal for equal ones."""
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2s(data, key=self._salt[:32], digest_size=4).hexdigest()

    def text(self, text: str, kind: str = "text") -> str:
        """The size of a text, and its tag."""
        lines = text.count("\n")
        more = f", {lines + 1} lines" if lines else ""
        return f"<{kind} {len(text)} chars{more} #{self.tag(text)}>"

    def _string(self, text: str, key: str) -> object:
        if key in words.WORD_KEYS and words.is_word(text):
            return text
        if key in words.ID_KEYS:
            # a long one looks like a key: the last look at a report would refuse it
            return text if words.ID.fullmatch(text) and not found(text) else self.text(text, "id")
        if key in words.MODEL_KEYS and words.MODEL.fullmatch(text) and not found(text):
            return text
        if key in words.NAME_KEYS:
            return text if text in words.TOOLS else self.text(text, "name")
        if key in words.URL_KEYS:
            return self.url(text)
        return self._free(text)

    def _free(self, text: str) -> object:
        if text.startswith("data:"):
            return self.text(text, f"data {'image' if text.startswith('data:image/') else 'other'}")
        inner = json_of(text) if text[:1] in {"{", "["} else None
        if inner is None:
            return self.text(text)
        return {f"<json {len(text)} chars #{self.tag(text)}>": self.private(inner)}

    def url(self, text: str) -> str:
        """Scheme, host and the parts of the path that every such URL has."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            return self.text(text, "url")
        if parts.scheme not in {"http", "https"} or not host or found(host):
            return self.text(text, "url")
        kept = (
            each if not each or each in words.SEGMENTS else self.text(each, "part")
            for each in parts.path.split("/")
        )
        query = f"?{self.text(parts.query, 'query')}" if parts.query else ""
        return f"{parts.scheme}://{host}{f':{port}' if port else ''}{'/'.join(kept)}{query}"

    # Values -----------------------------------------------------------------------------------------------

    def value(self, value: object, key: str = "", depth: int = 0) -> object:
        """A value of a protocol. `key` is the member that holds it."""
        if depth > DEEPEST:
            return "<nested too deeply>"
        if isinstance(value, str):
            return self._string(value, key)
        if isinstance(value, dict):
            return {
                self.key(each): self._member(each, inner, depth) for each, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(each, key, depth + 1) for each in value]
        if value is None or isinstance(value, bool):
            return value
        return value if key in words.KEYS and is_wire_number(value) else "<number>"

    def _member(self, key: object, value: object, depth: int) -> object:
        if key in {"arguments", "input", "args", "result", "action"} and isinstance(value, dict):
            return self.private(value, depth + 1)
        return self.value(value, str(key), depth + 1)

    def private(self, value: object, depth: int = 0) -> object:
        """A value that a user's tools gave or took: its shape alone."""
        if depth > DEEPEST:
            return "<nested too deeply>"
        if isinstance(value, dict):
            return {self.key(key): self.private(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.private(each, depth + 1) for each in value]
        if isinstance(value, str):
            return self.text(value)
        return value if value is None or isinstance(value, bool) else "<number>"

    def key(self, key: object) -> str:
        """The name of a member."""
        text = str(key)
        return text if text in words.KEYS else self.text(text, "key")

    # Messages ---------------------------------------------------------------------------------------------

    def headers(self, headers: Headers) -> list[list[str]]:
        """Headers: the values of those that say nothing about a user."""
        return [self._header(name, value) for name, value in headers]

    def _header(self, name: str, value: str) -> list[str]:
        plain = name.strip().lower()
        is_kept = plain in words.HEADERS or words.HEADER_FAMILIES.fullmatch(plain)
        shown_name = plain if is_kept or plain.startswith(("x-codex-", "x-stainless-")) else ""
        if not is_kept or len(value) > LONGEST_VALUE or found(value):
            value = self.text(value, "value")
        return [shown_name or self._header_name(plain), value]

    def _header_name(self, name: str) -> str:
        return (
            name
            if words.HEADER_NAME.fullmatch(name) and not found(name) and len(name) <= LONGEST_NAME
            else self.text(name, "header")
        )

    def body(self, body: bytes | None) -> object:
        """A body of any kind."""
        if body is None:
            return "<not kept>"
        whole = json_of(body) if body.lstrip()[:1] in (b"{", b"[") else None
        if whole is not None:
            return self.value(whole)
        events = [(name, json_of(data)) for name, data, _ in sse_events(body)]
        lines = [("", value) for value in json_lines(body)] if not events else []
        for found_events in (events, lines):
            if any(isinstance(value, dict) for _, value in found_events):
                return list(self._events(found_events[:MOST_EVENTS]))
        return self.text(decoded(body))

    def _events(self, events: list[tuple[str, object]]) -> Iterator[Json]:
        """The events; deltas in a row are counted."""
        run: Json = {}
        for name, value in events:
            event = obj(value)
            kind = string(event.get("type")) or name
            if isinstance(delta := event.get("delta"), str):
                if run.get("event") == self._string(kind, "event"):
                    run["count"] = int(str(run["count"])) + 1
                    run["text"] = int(str(run["text"])) + len(delta)
                    continue
                yield from _given(run)
                run = {"event": self._string(kind, "event"), "count": 1, "text": len(delta)}
                continue
            yield from _given(run)
            run = {}
            yield {"event": self._string(kind, "event"), "data": self.value(value)}
        yield from _given(run)


def is_wire_number(value: object) -> bool:
    """Whether JSON libraries agree on it."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < LARGEST)


def _given(run: Json) -> Iterator[Json]:
    if run:
        yield run


def masked_json(value: object) -> bytes:
    """A masked value as a file."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)
