"""Regular expressions that are compiled when they are used first, because compiling all of them is a tenth of a start.

For patterns that take a good part of a millisecond and that a start does not use: those that read the refusals of
upstreams, and those that look for markers in the text of models.

Never does: accept a pattern that `re` would not; the tests compile each. Invariant: a method is the one of the compiled pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

_for_turns: list[_Uncompiled] = []


def at_first_use[T: (str, bytes)](pattern: T, flags: re.RegexFlag | int = 0) -> re.Pattern[T]:
    """Return what acts as the compiled pattern. Functions of `re` do not take it."""
    return cast("re.Pattern[T]", _Uncompiled(pattern, flags))


def before_turns[T: (str, bytes)](pattern: T, flags: re.RegexFlag | int = 0) -> re.Pattern[T]:
    """Return a pattern that `compile_before_turns` compiles as well."""
    made = _Uncompiled(pattern, flags)
    _for_turns.append(made)
    return cast("re.Pattern[T]", made)


def compile_before_turns() -> Iterator[None]:
    """Compile the patterns that turns use, one a step."""
    for one in _for_turns:
        one.compile()
        yield


class _Uncompiled:
    """Compiles the pattern when one of its attributes is read. An attribute that was read once is one of this object."""

    def __init__(self, pattern: str | bytes, flags: re.RegexFlag | int) -> None:
        self._pattern = pattern
        self._flags = flags
        self._compiled: re.Pattern[Any] | None = None

    def compile(self) -> re.Pattern[Any]:
        """Return the compiled pattern."""
        if self._compiled is None:
            self._compiled = re.compile(self._pattern, self._flags)
        return self._compiled

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.compile(), name)
        setattr(self, name, value)
        return value

    if not TYPE_CHECKING:

        @property
        def __class__(self) -> type[re.Pattern]:
            """`isinstance` takes it for a pattern, as the search for slow ones has to (`benchmarks.patterns`)."""
            return re.Pattern
