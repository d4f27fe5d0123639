"""Finds known values in texts, however many there are.

A few values are searched one by one, which is the fastest. Of many, each position of a text is looked up by the first
characters there. Invariant: a search takes time in proportion to the text, and not to the text times the values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from addons.core.privacy.detectors import MIN_LENGTH, Span

FEW = 64
"""Up to so many values are searched one by one."""


class KnownValues:
    """Values that are replaced wherever they stand: value → its kind or its placeholder."""

    __slots__ = ("_kinds", "_lengths")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._kinds: dict[str, str] = {}
        self._lengths: dict[str, list[int]] = {}
        """The first characters of values → the lengths of these values."""
        for value, shown in values.items():
            self.add(value, shown)

    def add(self, value: str, shown: str) -> None:
        """Add a value."""
        self._kinds[value] = shown.split("-")[1] if "-" in shown else shown
        lengths = self._lengths.setdefault(value[:MIN_LENGTH], [])
        if len(value) not in lengths:
            lengths.append(len(value))

    def spans(self, text: str) -> Iterator[Span]:
        """Yield where values stand in a text; they may overlap."""
        return self._of_few(text) if len(self._kinds) <= FEW else self._of_many(text)

    def _of_few(self, text: str) -> Iterator[Span]:
        for value, kind in self._kinds.items():
            at = text.find(value)
            while at >= 0:
                yield Span(at, at + len(value), kind)
                at = text.find(value, at + 1)

    def _of_many(self, text: str) -> Iterator[Span]:
        lengths, kinds = self._lengths, self._kinds
        for at in range(len(text) - MIN_LENGTH + 1):
            if found := lengths.get(text[at : at + MIN_LENGTH]):
                for length in found:
                    value = text[at : at + length]
                    # behind the end of the text there is less
                    if len(value) == length and (kind := kinds.get(value)):
                        yield Span(at, at + length, kind)
