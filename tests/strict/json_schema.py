"""The part of JSON Schema (2020-12) that the published schemas of traces and of HAR use. An unknown keyword fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
}
NOTES = {"$defs", "$id", "$schema", "title", "description", "default", "deprecated", "optional"}


def problems(value: Any, schema: Any, root: Any, path: str = "$") -> Iterator[str]:
    """Yield what a schema objects to in a value."""
    unknown = schema.keys() - NOTES - CHECKS.keys()
    assert not unknown, unknown
    for keyword, wanted in schema.items():
        if keyword in CHECKS:
            yield from CHECKS[keyword](value, wanted, root, path)


def _check(fails: Callable[[Any, Any], bool]) -> Callable[..., Iterator[str]]:
    def check(value: Any, wanted: Any, _: Any, path: str) -> Iterator[str]:
        if fails(value, wanted):
            yield f"{path}: {str(value)[:60]!r} against {str(wanted)[:60]}"

    return check


def _ref(value: Any, wanted: str, root: Any, path: str) -> Iterator[str]:
    yield from problems(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, path)


def _any_of(value: Any, wanted: Any, root: Any, path: str) -> Iterator[str]:
    tried = [list(problems(value, each, root, path)) for each in wanted]
    if all(tried):
        yield f"{path}: none of {len(wanted)} fits: {[each[0] for each in tried]}"


def _not(value: Any, wanted: Any, root: Any, path: str) -> Iterator[str]:
    if not list(problems(value, wanted, root, path)):
        yield f"{path}: {value!r} is what it must not be"


def _properties(value: Any, wanted: Any, root: Any, path: str) -> Iterator[str]:
    for name, schema in wanted.items():
        if isinstance(value, dict) and name in value:
            yield from problems(value[name], schema, root, f"{path}.{name}")


def _items(value: Any, wanted: Any, root: Any, path: str) -> Iterator[str]:
    for at, each in enumerate(value if isinstance(value, list) else ()):
        yield from problems(each, wanted, root, f"{path}[{at}]")


def _is_no_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is None
    except (TypeError, ValueError):
        return True


CHECKS: Mapping[str, Callable[..., Iterator[str]]] = {
    "type": _check(
        lambda value, wanted: (
            not any(
                TYPES[each](value) for each in ([wanted] if isinstance(wanted, str) else wanted)
            )
        )
    ),
    "const": _check(lambda value, wanted: value != wanted),
    "enum": _check(lambda value, wanted: value not in wanted),
    "required": _check(
        lambda value, wanted: isinstance(value, dict) and bool(set(wanted) - value.keys())
    ),
    "minimum": _check(lambda value, wanted: TYPES["number"](value) and value < wanted),
    "pattern": _check(
        lambda value, wanted: isinstance(value, str) and not re.search(wanted, value)
    ),
    "format": _check(lambda value, wanted: wanted == "date-time" and _is_no_time(value)),
    "additionalProperties": _check(lambda _, wanted: wanted is not True),
    "$ref": _ref,
    "anyOf": _any_of,
    "not": _not,
    "properties": _properties,
    "items": _items,
}
