"""Puts placeholders in place of the private values of one request, text after text.

A value that was found once is replaced wherever it stands from then on, inside of words as well: a model may write it
there, and the next request must not hold what no finder finds. Texts are masked in the order of the prompt, each by what it
and the texts before it hold. So the masked form of a history is a prefix of that of its continuation, and the upstream's
prompt cache stays valid.

Never does: look at where a text stands in the request. Invariant: of values that overlap no character is left; masked text
in which each placeholder is replaced by its value is the original text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import orjson

from addons.core.privacy.detectors import MIN_LENGTH, Detector, Span
from addons.core.privacy.occurrences import KnownValues
from addons.core.privacy.placeholders import MARK, PLACEHOLDER, Namer, code_of

LOOKALIKE = "text"
"""The kind of a text that a client sends and that is a placeholder of the same thread: it means itself."""
_STRING = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_JSON_ESCAPE = re.compile(
    r'\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|["\\/bfnrt])'
)


class GateError(Exception):
    """The gate cannot guarantee its promise for a request. The text is for the user and quotes nothing."""


class MaskedText(NamedTuple):
    """One text after masking, and what it added."""

    digest: bytes
    masked: str | None
    """None if nothing in it is private."""
    added: tuple[tuple[str, str], ...]
    """Value and placeholder of each value that no text before it held."""
    kinds: tuple[str, ...]
    """The kind of each placeholder in it."""


class TextMasker:
    """Masks the texts of one request. `carried`: values of earlier requests of the thread that this one may hold."""

    __slots__ = (
        "_detector", "_earlier", "_in_step", "_namer", "_salt", "_values", "codes", "kinds", "known", "steps",
    )  # fmt: skip

    def __init__(
        self,
        detector: Detector,
        namer: Namer,
        carried: Mapping[str, str],
        earlier: Sequence[MaskedText],
        salt: bytes = b"",
    ) -> None:
        """`earlier`: the steps of the last request of the thread, whose texts need no second search.

        `salt` stands for the settings: steps of other settings are not used.
        """
        self._detector, self._namer = detector, namer
        self._earlier, self._salt = earlier, salt
        self._in_step = True
        """Whether all texts so far are those of the earlier request."""
        self.known = dict(carried)
        """Value → placeholder."""
        self._values = KnownValues(self.known)
        self.codes = {code_of(placeholder): value for value, placeholder in self.known.items()}
        """The code of a placeholder → its value."""
        self.steps: list[MaskedText] = []
        self.kinds: Counter[str] = Counter()
        """How many placeholders of each kind the request has."""

    @classmethod
    def continuing(cls, other: TextMasker) -> TextMasker:
        """Return a masker that knows what another one knows, and keeps its own steps."""
        return cls(other._detector, other._namer, other.known, [])

    def text(self, text: str) -> str:
        """Mask a plain text."""
        return self._step(text, b"") if len(text) >= MIN_LENGTH else text

    def json_text(self, text: str) -> str:
        """Mask the strings of a JSON text, which stays one. A text that is no JSON is masked as plain text."""
        return self._step(text, b"json") if len(text) >= MIN_LENGTH else text

    def _step(self, text: str, person: bytes) -> str:
        data = text.encode("utf-8", "surrogatepass")
        digest = blake2b(data, digest_size=16, person=person, salt=self._salt).digest()
        at = len(self.steps)
        if self._in_step and at < len(self._earlier) and self._earlier[at].digest == digest:
            step = self._earlier[at]
            for value, placeholder in step.added:
                self._add(value, placeholder)
        else:
            self._in_step = False
            step = self._masked(text, digest, is_json=bool(person))
        self.steps.append(step)
        self.kinds.update(step.kinds)
        return text if step.masked is None else step.masked

    def _masked(self, text: str, digest: bytes, *, is_json: bool) -> MaskedText:
        before = len(self.known)
        kinds: list[str] = []
        masked = self._json(text, kinds) if is_json else self._plain(text, kinds)
        added = tuple(list(self.known.items())[before:]) if len(self.known) > before else ()
        return MaskedText(digest, masked if kinds else None, added, tuple(kinds))

    # One text ---------------------------------------------------------------------------------------------

    def _plain(self, text: str, kinds: list[str]) -> str:
        pieces: list[str] = []
        done = 0
        for span in self._spans(text):
            pieces += (text[done : span.start], self._placeholder(text, span, kinds))
            done = span.end
        return "".join((*pieces, text[done:]))

    def _json(self, text: str, kinds: list[str]) -> str:
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            return self._plain(text, kinds)
        pieces: list[str] = []
        done = 0
        for string in _STRING.finditer(text):
            pieces += (
                self._numbers(text[done : string.start()], kinds),
                '"',
                self._string(string[1], kinds),
                '"',
            )
            done = string.end()
        return "".join((*pieces, self._numbers(text[done:], kinds)))

    def _string(self, escaped: str, kinds: list[str]) -> str:
        """Mask the text between the quotes of a JSON string. What is not masked keeps its spelling."""
        if "\\" not in escaped:
            return self._plain(escaped, kinds)
        plain, places = _unescaped(escaped)
        pieces: list[str] = []
        done = 0
        for span in self._spans(plain):
            placeholder = self._placeholder(plain, span, kinds)
            pieces += (escaped[done : places[span.start]], placeholder)
            done = places[span.end]
        return "".join((*pieces, escaped[done:]))

    def _numbers(self, between: str, kinds: list[str]) -> str:
        """Mask what stands between the strings of a JSON text: a placeholder has to be a string there."""
        if len(between) < MIN_LENGTH:
            return between
        pieces: list[str] = []
        done = 0
        for span in self._spans(between):
            if not between[span.start : span.end].isdecimal():
                continue
            placeholder = self._placeholder(between, span, kinds)
            pieces += (between[done : span.start], f'"{placeholder}"')
            done = span.end
        return "".join((*pieces, between[done:]))

    def _placeholder(self, text: str, span: Span, kinds: list[str]) -> str:
        value = text[span.start : span.end]
        placeholder = self.known.get(value)
        if placeholder is None:
            placeholder = self._namer.placeholder(span.kind, value)
            self._add(value, placeholder)
        kinds.append(span.kind)
        return placeholder

    def _add(self, value: str, placeholder: str) -> None:
        code = code_of(placeholder)
        if self.codes.setdefault(code, value) != value:
            msg = "two values of this thread have the same placeholder"
            raise GateError(msg)
        self.known[value] = placeholder
        self._values.add(value, placeholder)

    # Spans ------------------------------------------------------------------------------------------------

    def _spans(self, text: str) -> Iterator[Span]:
        """Yield what is replaced in a text, in order and without overlaps."""
        fresh = self._detector.find(text)
        if MARK in text.lower():
            fresh += [
                Span(*found.span(), LOOKALIKE)
                for found in PLACEHOLDER.finditer(text)
                if code_of(found[0]) in self.codes
            ]
        # the same value may stand inside of a word of this text
        values = {text[one.start : one.end]: one.kind for one in fresh}
        fresh += KnownValues(values).spans(text)
        group: list[Span] = []
        end = 0
        known = self._values.spans(text)
        for span in sorted([*fresh, *known], key=lambda each: (each.start, -each.end)):
            if group and span.start >= end:
                yield from self._united(text, group, end)
                group = []
            group.append(span)
            end = max(end, span.end) if len(group) > 1 else span.end
        if group:
            yield from self._united(text, group, end)

    def _united(self, text: str, group: list[Span], end: int) -> Iterator[Span]:
        """Yield spans that cover a group of overlapping ones: known values side by side if they do, else one for all."""
        first = group[0]
        if len(group) == 1 or (first.end == end and first.start == group[-1].start):
            yield first
            return
        longest: dict[int, Span] = {}
        # of those that begin at one place the longest comes first
        for span in group:
            if text[span.start : span.end] in self.known:
                longest.setdefault(span.start, span)
        tiles: list[Span] = []
        at = first.start
        while at < end and at in longest:
            tiles.append(longest[at])
            at = longest[at].end
        if at == end and len(tiles) > 1:
            yield from tiles
        else:
            widest = max(group, key=lambda each: each.end - each.start)
            yield Span(first.start, end, widest.kind)


def _unescaped(escaped: str) -> tuple[str, list[int]]:
    """Return the text that the inside of a JSON string means, and where each character and the end stand in it."""
    pieces: list[str] = []
    places: list[int] = []
    done = 0
    for found in _JSON_ESCAPE.finditer(escaped):
        pieces.append(escaped[done : found.start()])
        places.extend(range(done, found.start()))
        pieces.append(_character(found[0]))
        places.append(found.start())
        done = found.end()
    pieces.append(escaped[done:])
    places.extend(range(done, len(escaped) + 1))
    return "".join(pieces), places


_SHORT_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _character(escape: str) -> str:
    if escape[1] != "u":
        return _SHORT_ESCAPES.get(escape[1], escape[1])
    if len(escape) > len(r"\u0000"):
        high, low = int(escape[2:6], 16), int(escape[8:12], 16)
        return chr(0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF))
    return chr(int(escape[2:6], 16))
