"""Finds patterns whose time grows faster than the text: one long header or error message would stop every turn.

For each repetition in each pattern of the product a text is made that matches up to there, repeats what the repetition
takes, and ends in a character that nothing takes. Such a text is searched at two sizes. All times are CPU times of this
thread, so other work on the machine changes no result. Usage: python -m benchmarks.patterns
"""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

ROOT = Path(__file__).parent.parent
PACKAGES = ("addons", "shim_cli")
SIZES = (8_000, 64_000)
"""Characters."""
MAX_GROWTH = 32
"""Between 8, which is linear, and 64, which is quadratic."""
MIN_SMALL_SECONDS, MIN_SECONDS = 0.005, 0.3
"""Shorter times are not compared: a quadratic pattern takes longer, for 8,000 and for 64,000 characters."""
GIVE_UP_SECONDS = 1.5
METHODS = {"match": "match", "fullmatch": "fullmatch", "search": "search"}
FINDS_ALL = frozenset({"findall", "finditer", "split", "sub", "subn"})
END = "\x01"
EXAMPLES = {
    "CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a0_",
    "CATEGORY_NOT_DIGIT": "a", "CATEGORY_NOT_SPACE": "a", "CATEGORY_NOT_WORD": "-",
}  # fmt: skip
REPEATS = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT})

Pattern = re.Pattern[str] | re.Pattern[bytes]


def main() -> int:
    """Look at all patterns. Return 1 if one is slow."""
    argparse.ArgumentParser("python -m benchmarks.patterns", description=__doc__).parse_args()
    number, slow = 0, 0
    # Modules share patterns: each one is searched once for each method.
    slow_text_of = cache(slow_text)
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for name, pattern, methods in patterns_of(path):
            number += 1
            for method in methods:
                if text := slow_text_of(pattern, method):
                    slow += 1
                    print(f"{path.relative_to(ROOT)}: {name}.{method} on {text!r}")
    print(f"{number} patterns, {slow} slow")
    return 1 if slow else 0


def patterns_of(path: Path) -> Iterator[tuple[str, Pattern, tuple[str, ...]]]:
    """Yield the compiled patterns of a module, each with the methods that the module calls."""
    source = path.read_text()
    if "re.compile(" not in source or path.name == "__main__.py":
        return
    calls: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            calls.setdefault(node.value.id, set()).add(node.attr)
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for name, value in vars(module).items():
        if isinstance(value, re.Pattern):
            called = calls.get(name, set())
            methods = {*(METHODS.keys() & called), *(["findall"] if called & FINDS_ALL else [])}
            yield name, value, tuple(sorted(methods or {"match", "search"}))


def slow_text(pattern: Pattern, method: str) -> str:
    """Return the beginning of a text whose time grows faster than its length, or nothing."""
    for first, piece in dict.fromkeys(attacks(pattern)):
        if _is_slow(pattern, method, first, piece) and _is_slow(pattern, method, first, piece):
            return f"{first}{piece * 3}"[:80]
    return ""


def _is_slow(pattern: Pattern, method: str, first: str, piece: str) -> bool:
    small, large = (f"{first}{piece * (size // len(piece))}{END}" for size in SIZES)
    known = seconds(pattern, method, small, MIN_SMALL_SECONDS, GIVE_UP_SECONDS)
    if known < MIN_SMALL_SECONDS:
        return False
    allowed = min(GIVE_UP_SECONDS, max(MIN_SECONDS, MAX_GROWTH * known))
    return seconds(pattern, method, large, allowed, allowed) > allowed


def seconds(pattern: Pattern, method: str, text: str, short: float, give_up: float) -> float:
    """Return the time that a method takes: the least of three, or the first that is below `short` or is long.

    It is more than `give_up` if the method has not ended by then.
    """
    data: Any = text.encode("utf-8") if isinstance(pattern.pattern, bytes) else text
    taken: list[float] = []
    with suppress(TimeoutError), _given_up(give_up):
        for _ in range(3):
            started = time.thread_time()
            getattr(pattern, method)(data)
            taken.append(time.thread_time() - started)
            if not short <= taken[-1] <= MIN_SECONDS:
                break
    return min(taken, default=2 * give_up)


def attacks(pattern: Pattern) -> Iterator[tuple[str, str]]:
    """Yield texts that match up to a repetition, each with a piece that the repetition takes."""
    source = pattern.pattern
    text = source.decode("latin-1") if isinstance(source, bytes) else source
    groups: dict[int, Any] = {}
    # the flags of the pattern are not needed: only its structure is looked at
    tree = parser.parse(text, pattern.flags & re.VERBOSE)
    for first, piece in _attacks(tree, "", groups):
        if piece:
            yield first, piece
            yield "", piece


def _attacks(tree: Any, first: str, groups: dict[int, Any]) -> Iterator[tuple[str, str]]:
    before = ""
    for code, argument in tree:
        if code in REPEATS:
            item = argument[2]
            for piece in (
                *_members(item),
                example(item, groups),
                example(item, groups) + before[-1:],
            ):
                yield first, piece
                yield first + example(item, groups), piece
            # a match may begin again and again, and each one takes all of the rest
            yield "", first + example(item, groups)
            before = example(item, groups)
        for inner in _subtrees(argument):
            yield from _attacks(inner, first, groups)
        if code is codes.SUBPATTERN and argument[0]:
            groups[argument[0]] = argument[3]
        first += example([(code, argument)], groups)


def example(tree: Any, groups: dict[int, Any]) -> str:
    """Return a short text that a parsed pattern matches, apart from what it asserts."""
    text = ""
    for code, argument in tree:
        if code is codes.LITERAL:
            text += chr(argument)
        elif code is codes.NOT_LITERAL:
            text += "a" if argument != ord("a") else "b"
        elif code is codes.ANY:
            text += "a"
        elif code is codes.IN:
            text += _of_set(argument)[:1]
        elif code is codes.GROUPREF:
            text += example(groups.get(argument, ()), groups)
        elif code in REPEATS:
            text += example(argument[2], groups) * max(argument[0], 0)
        elif code is codes.BRANCH:
            text += example(argument[1][0], groups)
        elif code not in {codes.ASSERT, codes.ASSERT_NOT, codes.AT}:
            text += "".join(example(each, groups) for each in list(_subtrees(argument))[:1])
    return text


def _members(tree: Any) -> Iterator[str]:
    """Yield the characters that the sets of a repeated part name, one by one and together."""
    for code, argument in tree:
        if code is codes.IN:
            members = _of_set(argument)
            yield from members
            yield members
        elif code is codes.ANY:
            yield from (" ", "a", "\n")
        for inner in _subtrees(argument):
            yield from _members(inner)


def _of_set(items: Any) -> str:
    if items[0][0] is codes.NEGATE:
        left_out = {argument for code, argument in items if code is codes.LITERAL}
        return "".join(each for each in "a 0<-" if ord(each) not in left_out)
    found = ""
    for code, argument in items:
        if code is codes.LITERAL:
            found += chr(argument)
        elif code is codes.RANGE:
            found += chr(argument[0])
        elif code is codes.CATEGORY:
            found += EXAMPLES.get(str(argument), "a")
    return "".join(dict.fromkeys(found))


def _subtrees(argument: Any) -> Iterator[Any]:
    """Yield the parsed patterns within the argument of an operation."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for each in argument:
            yield from _subtrees(each)


@contextmanager
def _given_up(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so much CPU time: a pattern can need more time than there is."""
    earlier = signal.signal(signal.SIGVTALRM, _raise)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, earlier)


def _raise(_signal: int, _frame: object) -> None:
    raise TimeoutError


if __name__ == "__main__":
    sys.exit(main())
