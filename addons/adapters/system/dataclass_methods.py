"""A quicker start: the methods of a dataclass are compiled when one of them is used first.

`dataclasses` writes the source of up to seven methods for each class and compiles it. A start of `serve` makes 370
dataclasses, its own and those of the packages that it imports, which is a seventh of its CPU time, and uses one in ten of
their methods before it listens. Their source is kept until then, in place of the code.

Never does: change the source, or stay in `dataclasses` once the imports are over. Invariant: whoever looks up a method
gets the function that `dataclasses` would have made; source of another form is compiled at once.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

FORMS = ((3, 13),)
"""The versions of Python whose source has the form that is read here. With others, methods are compiled at once."""
OWN = "addons."
_METHOD = re.compile(r"^ (?:@[^\n]*\n )?def (\w+)\(", re.MULTILINE)
_HEAD = re.compile(r"def __create_fn__\([^\n]*\):\n")
_RETURN = "\n return "

Compile = Callable[[str, dict[str, Any], dict[str, Any]], None]


class _Source:
    """The source of the methods of one class, and what their names mean there."""

    __slots__ = ("body", "head", "values", "variables")

    def __init__(self, head: str, body: str, variables: dict[str, Any]) -> None:
        self.head = head
        self.body = body
        self.variables = variables
        self.values: dict[str, Any] = {}


class UncompiledMethod:
    """A method of a dataclass, as its source. It takes the place of the function until it is looked up."""

    __slots__ = ("__name__", "__qualname__", "_source", "_span")

    def __init__(self, name: str, source: _Source, span: tuple[int, int]) -> None:
        self.__name__ = self.__qualname__ = name
        self._source = source
        self._span = span

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the function, or the method of an instance. The function takes the place of this object."""
        function = self._compiled()
        # `inspect` passes a class as the instance
        for looked_up in (instance, owner, type(instance)):
            for base in looked_up.__mro__ if isinstance(looked_up, type) else ():
                if vars(base).get(self.__name__) is self:
                    setattr(base, self.__name__, function)
        return function if instance is None else function.__get__(instance, owner)

    def compile(self) -> bool:
        """Put the function in the place of this object. Return whether its class was found."""
        try:
            reduce(getattr, self.__qualname__.split("."), sys.modules[self.module])
        except (AttributeError, KeyError):
            return False
        return True

    @property
    def module(self) -> str:
        """The name of the module of the class."""
        return str(self._source.variables.get("__name__"))

    def _compiled(self) -> Any:
        source, made = self._source, dict[str, Any]()
        start, end = self._span
        text = f"{source.head}{source.body[start:end]}{_RETURN}{self.__name__}"
        _execute(text, source.variables, made)
        function = made["__create_fn__"](**source.values)
        # set by `dataclasses`
        function.__qualname__ = self.__qualname__
        return function


@contextmanager
def compile_methods_at_first_use() -> Iterator[list[UncompiledMethod]]:
    """Keep the methods of dataclasses that are defined here as source. Yield the constructors among them."""
    constructors: list[UncompiledMethod] = []
    if sys.version_info[:2] not in FORMS:
        yield constructors
        return
    # `dataclasses` finds this name before the builtin function
    vars(dataclasses)["exec"] = _keeping(constructors)
    try:
        yield constructors
    finally:
        del vars(dataclasses)["exec"]


def compile_own(constructors: Sequence[UncompiledMethod]) -> Iterator[None]:
    """Compile those of this program, one a step. Those of other packages that turns use were used by the start check."""
    for one in constructors:
        if one.module.startswith(OWN) and one.compile():
            yield


def _keeping(constructors: list[UncompiledMethod]) -> Compile:
    def keep(text: str, variables: dict[str, Any], made: dict[str, Any]) -> None:
        head, body, spans = _parts(text)
        if not spans:
            _execute(text, variables, made)
            return
        source = _Source(head, body, variables)

        def create(**values: Any) -> Any:
            source.values = values
            methods = [UncompiledMethod(name, source, span) for name, span in spans.items()]
            constructors.extend(one for one in methods if one.__name__ == "__init__")
            return tuple(methods)

        made["__create_fn__"] = create

    return keep


def _execute(text: str, variables: dict[str, Any], made: dict[str, Any]) -> None:
    # as in `dataclasses`, annotations are evaluated
    code = compile(text, "<string>", "exec", dont_inherit=True)
    exec(code, variables, made)  # noqa: S102  the source that `dataclasses` has written


def _parts(text: str) -> tuple[str, str, dict[str, tuple[int, int]]]:
    """Return what is before the methods, the methods, and where each of them is. Source of another form has none."""
    head = _HEAD.match(text)
    rest, _, returned = text.rpartition(_RETURN)
    body = rest[head.end() :] if head else ""
    found = list(_METHOD.finditer(body))
    names = [one[1] for one in found]
    if not head or not found or returned != f"({','.join(names)},)":
        return "", "", {}
    ends = [*(one.start() - 1 for one in found[1:]), len(body)]
    spans = {name: (one.start(), end) for name, one, end in zip(names, found, ends, strict=True)}
    return head[0], body, spans
