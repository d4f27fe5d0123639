"""Replaces what an upstream echoes of the secrets of a turn, in any text that is kept, logged, listed or exported.

A text is searched once, whatever the number of secrets and forms: of its folded bytes every eighth piece is looked up in
one set. Texts without an echo, which is nearly all of them, are returned unchanged.

Never does: look at bytes that a route passes through to its own client. Invariant: a text without an echo is returned as
the same object; what is replaced never includes a quote, bracket or line end, so that JSON and events stay intact.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress
from struct import Struct

from addons.core.headers import Headers, header
from addons.core.masking.echoes import (
    ESCAPE,
    GRAM,
    MIN_EXPANDED_MATCH,
    MIN_MATCH,
    Echoes,
    character,
    fold,
    is_repetitive,
    unescaped,
    windows,
)
from addons.core.secrets import Secret

LABEL = b"<secret>"
DEFLATED = frozenset({b"gzip", b"x-gzip", b"deflate"})
ANY_ZLIB_FORMAT = 47
MAX_INFLATED = 1 << 20
WITHHELD = b"<withheld by codex-shim: the body is compressed>"
STRIDE = MIN_MATCH - GRAM + 1
RUN_OF_EXPANDED = bytes((True,)) * ((MIN_EXPANDED_MATCH - GRAM + 1) // GRAM)
"""For each piece of a text whether it is known: what an echo of a long form gives, wherever it begins."""
LARGE = 1 << 14
MIN_CUT = 4
"""Folded characters of a secret at the end of a cut text that are taken for its beginning."""

_TEXT_FIELD = re.compile(
    rb'"(delta|text|content|partial_json|arguments|thinking|reasoning_content|reasoning|refusal|input)" ?: ?"((?:[^"\\]|\\.)*)"'
)
"""A field of a protocol whose text is spread over events."""
_UNTOUCHED = re.compile(rb"((?:(?<!\\)\\++)?[\"'\r\n{}\[\]]+)")

_piece = Struct("=Q").unpack_from
"""Returns the piece at a position, as the integer that a cast of the text gives."""
_BINARY_DIGITS = re.compile(rb"[01]{%d,}+" % MIN_EXPANDED_MATCH)
_IS_BINARY = bytes(each in b"01" for each in range(256))
_RUN_OF_BINARY = bytes((True,)) * MIN_EXPANDED_MATCH
_BINARY_PIECES = frozenset(_piece(b"%08d" % int(f"{each:b}"))[0] for each in range(256))
_IS_KEPT = bytes(bool(fold(bytes((each,)))) for each in range(256))

Span = tuple[int, int]


def no_secrets() -> Iterable[Secret]:
    """Return nothing: a process without secrets of its own."""
    return ()


class EchoMask:
    """Finds and replaces the echoes of a set of secrets."""

    __slots__ = (
        "_binary", "_dense", "_min_length", "_others", "_prefixes", "_short", "_words",
    )  # fmt: skip

    def __init__(self, echoes: Iterable[Echoes]) -> None:
        known = tuple(echoes)
        self._dense: frozenset[int] = frozenset().union(*(each.dense for each in known))
        """The pieces of the forms that say much with few characters."""
        self._binary: frozenset[int] = frozenset().union(*(each.binary for each in known))
        """Each 32 digits of the binary forms, as an integer."""
        words = self._dense.union(*(each.expanded for each in known))
        self._others = _BINARY_PIECES.difference(words)
        """The pieces that only texts of binary digits have."""
        self._words = words | self._others
        """Every piece of the forms, as an integer: one set, because it takes megabytes."""
        self._short = tuple(frozenset().union(*(each.short for each in known)))
        self._prefixes = frozenset().union(*(each.prefixes for each in known))
        self._min_length = min((MIN_MATCH, *map(len, self._short)))
        """Characters of the shortest text with an echo: escapes and signs only make it longer."""

    def finds_any(self, *texts: str) -> bool:
        """Return whether there is an echo in the texts, which are searched as one."""
        text = texts[0] if len(texts) == 1 else "\n".join(texts)
        if len(text) < self._min_length:
            return False
        return self._has_echo(unescaped(text.encode("utf-8", "surrogatepass")))

    def data(self, data: bytes) -> bytes:
        """Return a text without the echoes in it."""
        if not self._has_echo(unescaped(data)):
            return data
        if len(data) > LARGE and b"\n\n" in data:
            # of a long stream only the events with an echo are worth a closer look
            data = b"\n\n".join(self.data(event) for event in data.split(b"\n\n"))
            if not self._has_echo(unescaped(data)):
                return data
        return self._replaced(data, [(0, len(data))])

    def text(self, text: str) -> str:
        """Return a text without the echoes in it."""
        raw = text.encode("utf-8", "surrogatepass")
        masked = self.data(raw)
        return text if masked is raw else masked.decode("utf-8", "surrogatepass")

    def stream(self, data: bytes) -> bytes:
        """Return a body without the echoes in it, those that are spread over several events included."""
        texts: dict[bytes, list[bytes]] = {}
        for name, text in _TEXT_FIELD.findall(data):
            texts.setdefault(name, []).append(text)
        # First: where a part of an echo was replaced in one event, the rest of it in the next one is no echo any more.
        for name, parts in texts.items():
            if len(parts) > 1 and self._has_echo(unescaped(b"".join(parts))):
                spans = [each.span(2) for each in _TEXT_FIELD.finditer(data) if each[1] == name]
                data = self._replaced(data, spans)
        return self.data(data)

    def cut(self, data: bytes) -> bytes:
        """Return a cut text without the beginning of a secret at its end."""
        tail = _Folded.of(data[-1024:])
        for size in range(min(MIN_MATCH - 1, len(tail.text)), MIN_CUT - 1, -1):
            end = tail.text[-size:]
            if any(prefix.startswith(end) for prefix in self._prefixes):
                return data[: len(data) - min(len(data), 1024) + tail.starts[-size]]
        return data

    def headers(self, headers: Headers) -> Headers:
        """Return headers without the echoes in their names and values."""
        if self.data(whole := b"\n".join(chain.from_iterable(headers))) is whole:
            return headers
        return tuple((_name(self.data(name)), self.data(value)) for name, value in headers)

    def message(self, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
        """Return a message without the echoes in it, and with its body as plain text if it was compressed."""
        encoding = (header(headers, b"content-encoding") or b"identity").strip().lower()
        if encoding != b"identity" and body:
            body = _inflated(body) if encoding in DEFLATED else WITHHELD
            headers = tuple(each for each in headers if each[0].lower() != b"content-encoding")
        return self.headers(headers), self.stream(body)

    def _has_echo(self, text: bytes) -> bool:
        folded = fold(text)
        # as integers of eight bytes: the text is cut and looked up without a Python object for each piece
        pieces = memoryview(folded)[: len(folded) & -GRAM].cast("Q")
        if not self._words.isdisjoint(pieces) and self._has_long_echo(folded, pieces):
            return True
        for form in self._short:  # noqa: SIM110  without a generator: this runs for every read
            if form in folded:
                return True
        return False

    def _has_long_echo(self, folded: bytes, pieces: memoryview[int]) -> bool:
        # a piece of the binary forms alone is common: a number of eight digits, each 0 or 1
        if self._others.issuperset(self._words.intersection(pieces)):
            digits = folded.translate(_IS_BINARY)
            return digits.find(_RUN_OF_BINARY) >= 0 and self._has_binary_echo(folded)
        if self._dense.isdisjoint(pieces):
            known = bytes(map(self._words.__contains__, pieces))
            if RUN_OF_EXPANDED not in known:
                return False
        return next(self._long_spans(folded), None) is not None

    def _has_binary_echo(self, folded: bytes) -> bool:
        return next(self._binary_spans(folded), None) is not None

    def _long_spans(self, folded: bytes) -> Iterator[Span]:
        """Yield each part of a folded text that is an echo by its length."""
        yield from self._binary_spans(folded)
        for start, end in self._pieces_in(folded):
            length, part = end - start, folded[start:end]
            if (length >= MIN_EXPANDED_MATCH and not is_repetitive(part)) or (
                length >= MIN_MATCH and self._has_dense(part)
            ):
                yield start, end

    def _binary_spans(self, folded: bytes) -> Iterator[Span]:
        for run in _BINARY_DIGITS.finditer(folded):
            for start, numbers in windows(run[0]):
                if not self._binary.isdisjoint(numbers):
                    first = run.start() + start
                    for at, number in enumerate(numbers):
                        if number in self._binary:
                            begin = first + MIN_EXPANDED_MATCH * at
                            yield begin, begin + MIN_EXPANDED_MATCH

    def _pieces_in(self, folded: bytes) -> Iterator[Span]:
        """Yield each part of a folded text that is made of consecutive pieces of secrets."""
        done, end = 0, len(folded) - GRAM
        for at in range(0, end + 1, STRIDE):
            if at < done or not self._is_known(folded, at):
                continue
            first = last = at
            while first > done and self._is_known(folded, first - 1):
                first -= 1
            while last < end and self._is_known(folded, last + 1):
                last += 1
            done = last + 1
            yield first, last + GRAM

    def _is_known(self, folded: bytes, at: int) -> bool:
        piece = _piece(folded, at)[0]
        return piece in self._words and piece not in self._others

    def _has_dense(self, part: bytes) -> bool:
        """Return whether a short match is long enough in a form that says much with few characters."""
        run = 0
        for at in range(len(part) - GRAM + 1):
            piece = _piece(part, at)[0]
            run = run + 1 if piece in self._dense else 0
            if run + GRAM - 1 >= MIN_MATCH:
                return True
        return False

    def _replaced(self, data: bytes, parts: Sequence[Span]) -> bytes:
        """Return the data with a label in place of the echoes in these parts of it, read as one text."""
        text = b"".join([data[start:end] for start, end in parts])
        pieces: list[bytes] = []
        written = 0
        for start, end in _originals(self._echoes(text), parts):
            pieces += (data[written:start], _labelled(data[start:end]))
            written = end
        return b"".join((*pieces, data[written:]))

    def _echoes(self, text: bytes) -> Iterator[Span]:
        """Yield where the echoes of a text are, in order."""
        folded = _Folded.of(text)
        spans = list(self._long_spans(folded.text))
        spans += [
            (found.start(), found.end())
            for form in self._short
            for found in re.finditer(re.escape(form), folded.text)
        ]
        return _merged((folded.starts[start], folded.ends[end - 1]) for start, end in spans)


class _Folded:
    """A folded text that knows where each of its characters came from."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self) -> None:
        self.text = b""
        self.starts: list[int] = []
        self.ends: list[int] = []

    @classmethod
    def of(cls, text: bytes) -> _Folded:
        """Fold a text."""
        folded, at = cls(), 0
        texts: list[bytes] = []
        for escape in ESCAPE.finditer(text):
            texts.append(folded._plain(text, at, escape.start()))
            if kept := fold(character(escape)):
                texts.append(kept)
                folded.starts.append(escape.start())
                folded.ends.append(escape.end())
            at = escape.end()
        texts.append(folded._plain(text, at, len(text)))
        folded.text = b"".join(texts)
        return folded

    def _plain(self, text: bytes, start: int, end: int) -> bytes:
        """Note where the characters of a part without escapes stand. Return the folded part."""
        plain = text[start:end]
        kept = plain.translate(_IS_KEPT)
        self.starts.extend(compress(range(start, end), kept))
        self.ends.extend(compress(range(start + 1, end + 1), kept))
        return fold(plain)


def _originals(spans: Iterable[Span], parts: Sequence[Span]) -> Iterator[Span]:
    """Yield where spans of the text that these parts make stand in the data, part by part."""
    places = iter(parts)
    first, last = next(places, (0, 0))
    before = 0
    """The length of the parts before this one."""
    for start, end in spans:
        while before + last - first <= start:
            before += last - first
            first, last = next(places)
        while before + last - first < end:
            yield first + max(start - before, 0), last
            before += last - first
            first, last = next(places)
        yield first + max(start - before, 0), first + end - before


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans in order, overlapping ones as one."""
    last: Span | None = None
    for start, end in sorted(spans):
        if last and start <= last[1]:
            last = (last[0], max(last[1], end))
            continue
        if last:
            yield last
        last = (start, end)
    if last:
        yield last


def _labelled(data: bytes) -> bytes:
    """Return the label in place of a part, without its quotes, brackets and line ends."""
    return b"".join(
        part if at % 2 or not part else LABEL for at, part in enumerate(_UNTOUCHED.split(data))
    )


def _name(name: bytes) -> bytes:
    """Return a header name in which the label is a valid part."""
    return name.replace(LABEL, b"secret")


class TurnMask:
    """The mask of one turn. Built when the first text has to be masked, and again when the turn uses another secret."""

    __slots__ = ("_mask", "_of_process", "_secrets")

    def __init__(self, of_process: Callable[[], Iterable[Secret]] = no_secrets) -> None:
        self._of_process = of_process
        self._secrets: list[Secret] = []
        self._mask: EchoMask | None = None

    def add(self, secrets: Iterable[Secret]) -> None:
        """Mask these secrets as well."""
        known = len(self._secrets)
        self._secrets += secrets
        if len(self._secrets) > known:
            self._mask = None

    @property
    def current(self) -> EchoMask:
        """The mask of all secrets so far."""
        if self._mask is None:
            self._mask = _MASKS.mask((*self._secrets, *self._of_process()))
        return self._mask


class _Masks:
    """The last masks that were built: most turns use the secrets of the turn before."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, ...], EchoMask] = {}
        self._echoes: dict[bytes, Echoes] = {}

    def mask(self, secrets: Iterable[Secret]) -> EchoMask:
        by_digest = {secret.digest: secret for secret in secrets}
        key = tuple(sorted(by_digest))
        if (mask := self._known.pop(key, None)) is None:
            mask = EchoMask(self._echoes_of(digest, secret) for digest, secret in by_digest.items())
        _remember(self._known, key, mask, MAX_MASKS)
        return mask

    def _echoes_of(self, digest: bytes, secret: Secret) -> Echoes:
        echoes = self._echoes.pop(digest, None) or secret.derive(Echoes.of)
        _remember(self._echoes, digest, echoes, MAX_SECRETS)
        return echoes


def _inflated(body: bytes) -> bytes:
    """Return the beginning of a compressed body as plain text."""
    try:
        return zlib.decompressobj(ANY_ZLIB_FORMAT).decompress(body, MAX_INFLATED) or WITHHELD
    except zlib.error:
        return WITHHELD


def _remember[K, V](known: dict[K, V], key: K, value: V, most: int) -> None:
    """Put an entry behind the others, and forget the first ones."""
    known[key] = value
    while len(known) > most:
        del known[next(iter(known))]


MAX_MASKS, MAX_SECRETS = 16, 64
_MASKS = _Masks()


def mask_of(secrets: Iterable[Secret]) -> EchoMask:
    """Return a mask of these secrets that nothing remembers, for any thread."""
    return EchoMask(secret.derive(Echoes.of) for secret in secrets)


def prepare_mask(secrets: Iterable[Secret]) -> EchoMask:
    """Build the mask of these secrets before a turn needs it: a login takes tens of milliseconds."""
    return _MASKS.mask(secrets)
