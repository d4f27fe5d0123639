"""Finds what a `$ref` names inside one schema document.

Sources: JSON Schema 2020-12 core, section 8.2; RFC 6901. Never fetches anything. Invariant: total; a reference is
followed until it names a schema that is more than a reference, and a cycle of references names nothing.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

MAX_SCANNED = 50_000
MAX_HOPS = 50
ILLEGAL = re.compile(r"[^A-Za-z0-9_.-]")
NAMED = ("$defs", "definitions")


class References:
    """The references of one document."""

    __slots__ = ("_index", "_names", "_root", "_taken", "_targets")

    def __init__(self, root: Mapping[str, object]) -> None:
        self._root = root
        self._index: dict[str, Mapping[str, object]] | None = None
        self._targets: dict[str, tuple[str, Mapping[str, object]] | None] = {}
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()

    def target(self, reference: str) -> tuple[str, Mapping[str, object]] | None:
        """Return the key and the schema that a reference names; None if there is none."""
        if reference not in self._targets:
            self._targets[reference] = self._follow(reference)
        return self._targets[reference]

    def name(self, key: str) -> str:
        """Return the name of a definition in `$defs`: legal, and unique in the document."""
        if key not in self._names:
            base = ILLEGAL.sub("_", unquote(key.rpartition("/")[2]))[:50].strip("_#") or "root"
            name, count = base, 1
            while name in self._taken:
                count += 1
                name = f"{base}_{count}"
            self._taken.add(name)
            self._names[key] = name
        return self._names[key]

    def _follow(self, reference: str) -> tuple[str, Mapping[str, object]] | None:
        for _ in range(MAX_HOPS):
            found = self._find(reference)
            if found is None:
                return None
            following = found.get("$ref")
            if len(found) > 1 or not isinstance(following, str):
                return reference, found
            reference = following
        return None

    def _find(self, reference: str) -> Mapping[str, object] | None:
        document, _, fragment = reference.partition("#")
        start = self._known(document) if document else self._root
        if start is None:
            return None
        if not fragment:
            return start
        if fragment.startswith("/"):
            found = _pointed(start, fragment)
            return found if found is not None else self._by_last_name(fragment)
        return self._known(f"#{fragment}")

    def _by_last_name(self, fragment: str) -> Mapping[str, object] | None:
        """Some generators write definitions next to the schema that uses them, with references from the root."""
        place, _, name = fragment.rpartition("/")
        return self._known(f"/{name}") if place.endswith(NAMED) else None

    def _known(self, name: str) -> Mapping[str, object] | None:
        if self._index is None:
            self._index = {}
            for key, schema in _named_schemas(self._root):
                self._index.setdefault(key, schema)
        return self._index.get(name)


def _pointed(start: Mapping[str, object], pointer: str) -> Mapping[str, object] | None:
    value: object = start
    for token in pointer.split("/")[1:]:
        name = unquote(token).replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif (
            isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value)
        ):
            value = value[int(name)]
        else:
            return None
    return value if isinstance(value, Mapping) else None


def _named_schemas(root: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Return the schemas that have an id, an anchor or a name, with what a reference calls them."""
    waiting: deque[object] = deque([root])
    for _ in range(MAX_SCANNED):
        if not waiting:
            return
        value = waiting.popleft()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, Mapping):
            yield from _names_of(value)
            waiting.extend(value.values())


def _names_of(value: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for key in ("$id", "id"):
        name = value.get(key)
        if isinstance(name, str) and name:
            yield name.removesuffix("#"), value
            yield name.rpartition("/")[2], value
    for key in ("$anchor", "$dynamicAnchor"):
        name = value.get(key)
        if isinstance(name, str):
            yield f"#{name}", value
    for key in NAMED:
        definitions = value.get(key)
        if isinstance(definitions, Mapping):
            for name, one in definitions.items():
                if isinstance(one, Mapping):
                    yield f"/{name}", one
