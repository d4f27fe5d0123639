"""How two texts differ, in words or, for long texts, in lines: the longest common subsequence.

Not `difflib`: a text of a model can make it take minutes. Never does: compare more than `MAX_PAIRS` pairs. Invariant: the
pieces of a text, in order, are that text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

Kind = Literal["same", "removed", "added"]
MAX_PAIRS = 1_000_000
"""The product of the numbers of words, or of lines: a quarter of a second."""
MIN_SAME_WORDS = 3
"""Fewer common words between two differences are a part of the difference: they are common by chance."""
_WORDS = re.compile(r"\S+[ \t]*|\s+")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


class Piece(NamedTuple):
    """A part of both texts, of the first alone, or of the second alone."""

    kind: Kind
    text: str


def differences(first: str, second: str) -> list[Piece]:
    """Return the pieces of both texts in order."""
    for pattern, min_same in ((_WORDS, MIN_SAME_WORDS), (_LINES, 1)):
        mine, theirs = pattern.findall(first), pattern.findall(second)
        start = _common(mine, theirs)
        end = _common(mine[start:][::-1], theirs[start:][::-1])
        left, right = mine[start : len(mine) - end], theirs[start : len(theirs) - end]
        if len(left) * len(right) <= MAX_PAIRS:
            middle = _runs(_aligned(left, right), min_same)
            return _joined([("same", mine[:start]), *middle, ("same", mine[len(mine) - end :])])
    return _joined([("removed", [first]), ("added", [second])])


_Run = tuple[Kind, list[str]]


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many elements two sequences have in common at their beginning."""
    both = zip(first, second, strict=False)
    return next((at for at, (one, other) in enumerate(both) if one != other), min(len(first), len(second)))  # fmt: skip


def _aligned(first: Sequence[str], second: Sequence[str]) -> Iterator[tuple[Kind, str]]:
    """Yield each element with where it is."""
    lengths = _lengths(first, second)
    at, other = 0, 0
    while at < len(first) and other < len(second):
        if first[at] == second[other]:
            yield "same", first[at]
            at, other = at + 1, other + 1
        elif lengths[at + 1][other] >= lengths[at][other + 1]:
            yield "removed", first[at]
            at += 1
        else:
            yield "added", second[other]
            other += 1
    yield from (("removed", one) for one in first[at:])
    yield from (("added", one) for one in second[other:])


def _lengths(first: Sequence[str], second: Sequence[str]) -> list[list[int]]:
    """Return the length of the longest common subsequence of each pair of ends."""
    below = [0] * (len(second) + 1)
    rows = [below]
    for one in reversed(first):
        row, right = [0], 0
        for at in range(len(second) - 1, -1, -1):
            right = below[at + 1] + 1 if one == second[at] else max(right, below[at])
            row.append(right)
        row.reverse()
        rows.append(row)
        below = row
    rows.reverse()
    return rows


def _runs(elements: Iterable[tuple[Kind, str]], min_same: int) -> list[_Run]:
    """Join what lies between two runs that are the same, first what was removed."""
    runs: list[_Run] = [
        (kind, [text for _, text in group]) for kind, group in groupby(elements, lambda one: one[0])
    ]
    found: list[_Run] = []
    removed: list[str] = []
    added: list[str] = []
    for at, (kind, texts) in enumerate(runs):
        is_chance = kind == "same" and len(texts) < min_same and 0 < at < len(runs) - 1
        if kind == "same" and not is_chance:
            found += [("removed", removed), ("added", added), ("same", texts)]
            removed, added = [], []
        if kind == "removed" or is_chance:
            removed += texts
        if kind == "added" or is_chance:
            added += texts
    return [*found, ("removed", removed), ("added", added)]


def _joined(runs: Iterable[_Run]) -> list[Piece]:
    return [Piece(kind, "".join(texts)) for kind, texts in runs if any(texts)]
