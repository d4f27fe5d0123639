"""Mask a turn: types, known names, ids and lengths stay, everything else becomes a tag.

An allow-list: only what `vocabulary` names stays, the rest is `<text 120 chars #a1b2c3d4>`. Equal texts have equal tags
within one report, so that a broken prompt prefix is visible. The salt is random for each report, so that a tag cannot
be compared with a guessed text. Never does: keep a number, a name or a text of a tool's arguments or results. Total.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson

from addons.core.json_values import JsonDict, as_object, as_str
from addons.core.settings.presets import BY_WORD
from addons.views import vocabulary
from addons.views.json_input import decoded, json_lines, json_of, sse_events
from addons.views.scrub import found
from addons.views.turn_data import Headers

MAX_DEPTH = 40
MAX_EVENTS = 5_000
MAX_INTEGER = 2**53
MAX_NAME_LENGTH, MAX_VALUE_LENGTH = 30, 200
"""Of a header that stays."""


class Masker:
    """Masks values for one report."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    # Texts ------------------------------------------------------------------------------------------------

    def tag(self, text: str) -> str:
        """Return the tag of a text. Equal texts have equal tags."""
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2s(data, key=self._salt[:32], digest_size=4).hexdigest()

    def text(self, text: str, kind: str = "text") -> str:
        """Return the size and the tag of a text."""
        lines = text.count("\n")
        more = f", {lines + 1} lines" if lines else ""
        return f"<{kind} {len(text)} chars{more} #{self.tag(text)}>"

    def _string(self, text: str, key: str) -> object:
        if key in vocabulary.TERM_KEYS and (vocabulary.is_term(text) or _is_provider(text, key)):
            return text
        if key in vocabulary.ID_KEYS:
            # A long id looks like a key, and the final check of a report would reject it.
            return (
                text if vocabulary.ID.fullmatch(text) and not found(text) else self.text(text, "id")
            )
        if key in vocabulary.MODEL_KEYS and vocabulary.MODEL.fullmatch(text) and not found(text):
            return text
        if key in vocabulary.NAME_KEYS:
            return text if text in vocabulary.TOOLS else self.text(text, "name")
        if key in vocabulary.URL_KEYS:
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
        """Return a URL with its scheme, host and well-known path segments; the rest is masked."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            return self.text(text, "url")
        if parts.scheme not in {"http", "https"} or not host or found(host):
            return self.text(text, "url")
        segments = (
            each if not each or each in vocabulary.SEGMENTS else self.text(each, "part")
            for each in parts.path.split("/")
        )
        query = f"?{self.text(parts.query, 'query')}" if parts.query else ""
        return f"{parts.scheme}://{host}{f':{port}' if port else ''}{'/'.join(segments)}{query}"

    # Values -----------------------------------------------------------------------------------------------

    def value(self, value: object, key: str = "", depth: int = 0) -> object:
        """Mask a value of a protocol. `key` is the name of its member."""
        if depth > MAX_DEPTH:
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
        return value if key in vocabulary.KEYS and is_portable_number(value) else "<number>"

    def _member(self, key: object, value: object, depth: int) -> object:
        if key in {"arguments", "input", "args", "result", "action"} and isinstance(value, dict):
            return self.private(value, depth + 1)
        return self.value(value, str(key), depth + 1)

    def private(self, value: object, depth: int = 0) -> object:
        """Mask an argument or a result of a tool. Only its structure stays."""
        if depth > MAX_DEPTH:
            return "<nested too deeply>"
        if isinstance(value, dict):
            return {self.key(key): self.private(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.private(each, depth + 1) for each in value]
        if isinstance(value, str):
            return self.text(value)
        return value if value is None or isinstance(value, bool) else "<number>"

    def key(self, key: object) -> str:
        """Mask the name of a member."""
        text = str(key)
        return text if text in vocabulary.KEYS else self.text(text, "key")

    # Messages ---------------------------------------------------------------------------------------------

    def headers(self, headers: Headers) -> list[list[str]]:
        """Mask headers. The values of headers that do not describe the user stay."""
        return [self._header(name, value) for name, value in headers]

    def _header(self, name: str, value: str) -> list[str]:
        plain = name.strip().lower()
        is_known = plain in vocabulary.HEADERS or vocabulary.HEADER_FAMILIES.fullmatch(plain)
        shown_name = plain if is_known or plain.startswith(("x-codex-", "x-stainless-")) else ""
        if not is_known or len(value) > MAX_VALUE_LENGTH or found(value):
            value = self.text(value, "value")
        return [shown_name or self._header_name(plain), value]

    def _header_name(self, name: str) -> str:
        return (
            name
            if vocabulary.HEADER_NAME.fullmatch(name)
            and not found(name)
            and len(name) <= MAX_NAME_LENGTH
            else self.text(name, "header")
        )

    def body(self, body: bytes | None) -> object:
        """Mask a body: JSON, events, JSON lines or text."""
        if body is None:
            return "<not recorded>"
        whole = json_of(body) if body.lstrip()[:1] in (b"{", b"[") else None
        if whole is not None:
            return self.value(whole)
        events = [(name, json_of(data)) for name, data, _ in sse_events(body)]
        lines = [("", value) for value in json_lines(body)] if not events else []
        for found_events in (events, lines):
            if any(isinstance(value, dict) for _, value in found_events):
                return list(self._events(found_events[:MAX_EVENTS]))
        return self.text(decoded(body))

    def _events(self, events: list[tuple[str, object]]) -> Iterator[JsonDict]:
        """Mask events. Consecutive deltas of one type become a count."""
        run: JsonDict = {}
        for name, value in events:
            event = as_object(value)
            kind = as_str(event.get("type")) or name
            if isinstance(delta := event.get("delta"), str):
                if run.get("event") == self._string(kind, "event"):
                    run["count"] = int(str(run["count"])) + 1
                    run["text"] = int(str(run["text"])) + len(delta)
                    continue
                yield from _nonempty(run)
                run = {"event": self._string(kind, "event"), "count": 1, "text": len(delta)}
                continue
            yield from _nonempty(run)
            run = {}
            yield {"event": self._string(kind, "event"), "data": self.value(value)}
        yield from _nonempty(run)


def _is_provider(text: str, key: str) -> bool:
    return key == "provider" and text.lower() in BY_WORD


def is_portable_number(value: object) -> bool:
    """Return whether every JSON library reads the number alike."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < MAX_INTEGER)


def _nonempty(run: JsonDict) -> Iterator[JsonDict]:
    if run:
        yield run


def masked_json(value: object) -> bytes:
    """Return a masked value as indented JSON."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)
