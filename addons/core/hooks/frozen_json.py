"""Parsed JSON that can be read and not changed: what hooks see of a request or an event.

A value is wrapped when it is read, so a large request costs no more than what a hook looks at. Never does: copy, except in
`plain`. Invariant: nothing that is reached through a `JsonMap` or a `JsonList` can be changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import overload


class JsonMap(Mapping[str, object]):
    """A JSON object. `item | {"role": "user"}` is a changed copy."""

    __slots__ = ("_json",)

    def __init__(self, value: Mapping[str, object]) -> None:
        self._json: Mapping[str, object] = unwrapped(value)

    def __getitem__(self, name: str) -> object:
        """Return a member."""
        return frozen(self._json[name])

    def __iter__(self) -> Iterator[str]:
        """Return the names of the members."""
        return iter(self._json)

    def __len__(self) -> int:
        """Return how many members there are."""
        return len(self._json)

    def __contains__(self, name: object) -> bool:
        """Return whether there is such a member."""
        return name in self._json

    def __or__(self, changes: Mapping[str, object]) -> JsonMap:
        """Return a copy with these members in place of its own."""
        return JsonMap({**self._json, **changes})

    def __eq__(self, other: object) -> bool:
        """Return whether the other object has the same members."""
        return isinstance(other, Mapping) and plain(self) == plain(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return the object as Python writes it."""
        return f"JsonMap({self._json!r})"


class JsonList(Sequence[object]):
    """A JSON array. `items + [item]` is a longer copy."""

    __slots__ = ("_json",)

    def __init__(self, value: Sequence[object]) -> None:
        self._json: Sequence[object] = unwrapped(value)

    @overload
    def __getitem__(self, at: int) -> object: ...
    @overload
    def __getitem__(self, at: slice) -> JsonList: ...
    def __getitem__(self, at: int | slice) -> object:
        """Return an element, or a part of the array."""
        return frozen(self._json[at])

    def __len__(self) -> int:
        """Return how many elements there are."""
        return len(self._json)

    def __add__(self, more: Sequence[object]) -> JsonList:
        """Return a copy with these elements behind its own."""
        return JsonList([*self._json, *more])

    def __eq__(self, other: object) -> bool:
        """Return whether the other array has the same elements."""
        is_array = isinstance(other, Sequence) and not isinstance(other, str | bytes)
        return is_array and plain(self) == plain(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return the array as Python writes it."""
        return f"JsonList({self._json!r})"


def unwrapped[T](value: T) -> T:
    """Return what a wrapper is around; any other value as it is."""
    return value._json if isinstance(value, JsonMap | JsonList) else value  # type: ignore[return-value]  # noqa: SLF001


def frozen(value: object) -> object:
    """Return a value that cannot be changed: the same one, or a `JsonMap` or `JsonList` around it."""
    if isinstance(value, dict):
        return JsonMap(value)
    return JsonList(value) if isinstance(value, list | tuple) else value


def plain(value: object) -> object:
    """Return a copy of dicts and lists, for `json.dumps` and the like. Values of other types are kept."""
    if isinstance(value, Mapping):
        return {name: plain(member) for name, member in unwrapped(value).items()}
    if isinstance(value, JsonList | list | tuple):
        return [plain(element) for element in unwrapped(value)]
    return value
