"""Checks and compiles the patterns that users write: none can take much longer than the text is long.

Python's `re` tries all ways in which a pattern may match, and there are patterns with more ways than anyone can wait for. So
a pattern is read here first: a repetition without an end gets one, the ways to match from one position are counted, and a
pattern with too many is refused. What cannot be counted is refused as well: lookaround, references to groups, conditions.

Sources: the syntax of Python's `re`; RE2, whose syntax leaves out the same parts for the same reason. Invariant: what is
compiled tries at most `MAX_WAYS` ways at each position of a text.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

MAX_PATTERN = 1000
"""Characters of a pattern."""
MAX_REPEAT = 128
"""How often a repetition without an end repeats at most."""
MAX_WAYS = 512
MAX_WIDTH = 4096
"""Characters of the longest value of a pattern."""
MIN_WIDTH = 4
"""Characters of the shortest one: it would be found inside of words."""
MAX_DEPTH = 20

_REPEAT = re.compile(r"\*|\+|\?|\{(\d{1,5})\}|\{(\d{0,5}),(\d{0,5})\}")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?(?::|P<[A-Za-z_]\w{0,30}>))?")
_ASSERTIONS = frozenset("bBAZ")


class Ways(NamedTuple):
    """How a part of a pattern matches: in how many ways, and from how few to how many characters."""

    ways: int
    least: int
    most: int


_NOTHING, _ONE = Ways(1, 0, 0), Ways(1, 1, 1)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the compiled pattern. Raise ValueError, with a reason for the user, for one that is wrong or may be slow."""
    if len(pattern) > MAX_PATTERN:
        msg = f"it is longer than {MAX_PATTERN} characters"
        raise ValueError(msg)
    try:
        with warnings.catch_warnings():
            # later versions of Python may read `[[a]]` and `[a||b]` in another way
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
    except FutureWarning as error:
        msg = f"{str(error).lower()}: write a backslash before each character that stands for itself there"
        raise ValueError(msg) from None
    except (re.error, OverflowError, RecursionError) as error:
        msg = f"not a regular expression: {error}"
        raise ValueError(msg) from None
    body = pattern.removeprefix("(?i)")
    reader = _Reader(body)
    found = reader.alternatives()
    if found.least < MIN_WIDTH:
        msg = f"it may match fewer than {MIN_WIDTH} characters: it would change other text"
        raise ValueError(msg)
    if found.most > MAX_WIDTH:
        msg = f"it may match more than {MAX_WIDTH} characters"
        raise ValueError(msg)
    return re.compile("".join(reader.written), re.NOFLAG if body is pattern else re.IGNORECASE)


@dataclass(slots=True)
class _Reader:
    """Reads a valid pattern, and writes it again with an end for each repetition."""

    pattern: str
    at: int = 0
    depth: int = 0
    written: list[str] = field(default_factory=list)

    def alternatives(self) -> Ways:
        """Read up to the end of the pattern or of the group."""
        found = [self._sequence()]
        while self._next() == "|":
            self._take(1)
            found.append(self._sequence())
        ways = sum(each.ways for each in found)
        least, most = min(each.least for each in found), max(each.most for each in found)
        return _checked(Ways(ways, least, most))

    def _sequence(self) -> Ways:
        total = _NOTHING
        while self._next() not in {"", "|", ")"}:
            part = self._repeated(self._atom())
            total = Ways(total.ways * part.ways, total.least + part.least, total.most + part.most)
            _checked(total)
        return total

    def _atom(self) -> Ways:
        match self._next():
            case "(":
                return self._group()
            case "[":
                found = _CLASS.match(self.pattern, self.at)
                if found is None:
                    _refuse("a set of characters in this form")
                self._take(len(found[0]))
                return _ONE
            case "\\":
                return self._escape()
            case "^" | "$":
                self._take(1)
                return _NOTHING
        self._take(1)
        return _ONE

    def _escape(self) -> Ways:
        name = self.pattern[self.at + 1 : self.at + 2]
        if name.isdecimal() and name != "0":
            _refuse(f"\\{name}, which refers to a group")
        if name in {"x", "u", "U", "N", "0"}:
            _refuse(f"\\{name}: write the character itself")
        self._take(2)
        return _NOTHING if name in _ASSERTIONS else _ONE

    def _group(self) -> Ways:
        opening = _GROUP.match(self.pattern, self.at)
        rest = self.pattern[self.at + 1 : self.at + 4]
        if opening is None or (len(opening[0]) == 1 and rest.startswith("?")):
            _refuse(f"({rest}…, only plain groups and (?:…)")
        if self.depth >= MAX_DEPTH:
            _refuse(f"more than {MAX_DEPTH} groups in each other")
        self._take(len(opening[0]))
        self.depth += 1
        found = self.alternatives()
        self.depth -= 1
        self._take(1)
        return found

    def _repeated(self, part: Ways) -> Ways:
        found = _REPEAT.match(self.pattern, self.at)
        if found is None:
            return part
        least, most = _counts(found)
        self.at = found.end()
        self.written.append(f"{{{least},{most}}}")
        is_possessive = self._next() == "+"
        if self._next() in {"?", "+"}:
            self._take(1)
        if is_possessive:
            # what it took is never given back
            return Ways(1, part.least * least, part.most * most)
        ways = 0
        for times in range(least, most + 1):
            ways += part.ways**times
            _checked(Ways(ways, 0, 0))
        return Ways(ways, part.least * least, part.most * most)

    def _next(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _take(self, count: int) -> None:
        self.written.append(self.pattern[self.at : self.at + count])
        self.at += count


def _counts(found: re.Match[str]) -> tuple[int, int]:
    match found[0]:
        case "*":
            return 0, MAX_REPEAT
        case "+":
            return 1, MAX_REPEAT
        case "?":
            return 0, 1
    if found[1]:
        return int(found[1]), int(found[1])
    least = int(found[2] or 0)
    return least, int(found[3]) if found[3] else max(least, MAX_REPEAT)


def _checked(found: Ways) -> Ways:
    if found.ways > MAX_WAYS:
        msg = (
            f"it may match in more than {MAX_WAYS} ways from one position, which can take very long. "
            "Give its repetitions small ends, such as {1,20} in place of +, and nest none"
        )
        raise ValueError(msg)
    return found


def _refuse(what: str) -> NoReturn:
    msg = f"codex-shim does not take {what}"
    raise ValueError(msg)
