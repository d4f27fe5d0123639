"""Shorter ways through mitmproxy's messages, which every small turn passes through about thirty times.

Making headers calls two functions for each field, and so does looking one up; a lookup that finds nothing raises and
catches an exception. The fields of a message are checked for their types each time that one is made.

Never does: change what a lookup returns, or which names it takes. Invariant: `fields` stays the only store. What is
derived from it is used only while `fields` is the same tuple.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from mitmproxy import http

Fields = tuple[tuple[bytes, bytes], ...]
Folded = dict[bytes, bytes]
"""Name in lower case → its values, folded."""

_FOLDED = "_folded_fields"
"""The attribute of headers that holds the fields of the last lookup and what was made of them."""
_NOTHING_FOLDED: tuple[Fields | None, Folded] = (None, {})


def skip_type_checks() -> None:
    """Turn off mitmproxy's type checks of message fields, which take a tenth of a small turn's CPU time.

    The checks also raise and catch exceptions, and each exception keeps its frames alive, a turn's stream among them,
    until the next garbage collection. `python -O` would turn the checks off too, but every assertion as well.
    """

    def unchecked(_: http.MessageData) -> None:
        """Check nothing."""

    if hasattr(http.MessageData, "__post_init__"):
        setattr(http.MessageData, "__post_init__", unchecked)  # noqa: B010  mypy knows of no assignable method


def shorten_headers() -> None:
    """Make headers of fields, look them up and write them in one pass over the fields."""
    methods = {
        "__init__": _init,
        "__bytes__": _bytes,
        "__contains__": _contains,
        "get": _get,
        "get_all": _get_all,
    }
    for name, method in methods.items():
        setattr(http.Headers, name, method)


def _init(
    headers: http.Headers, fields: Iterable[tuple[bytes, bytes]] = (), **named: str | bytes
) -> None:
    pairs: tuple[tuple[Any, Any], ...] = tuple(map(tuple, fields))  # type: ignore[arg-type]
    headers.fields = pairs
    for key, value in pairs:
        if not isinstance(key, bytes) or not isinstance(value, bytes):
            msg = "Header fields must be bytes."
            raise TypeError(msg)
    for name, text in named.items():
        headers[name.replace("_", "-")] = text


def _get_all(headers: http.Headers, name: str | bytes) -> list[str]:
    wanted = _lowered(name)
    return [
        value.decode("utf-8", "surrogateescape")
        for field, value in headers.fields
        if field.lower() == wanted
    ]


@lru_cache(256)
def _lowered(name: str | bytes) -> bytes:
    """Return a name in the form of the fields. The callers ask for a few names, over and over."""
    if isinstance(name, bytes):
        return name.lower()
    if not isinstance(name, str):
        msg = f"Expected str or bytes, but got {type(name).__name__}."
        raise TypeError(msg)
    return name.encode("utf-8", "surrogateescape").lower()


def folded(headers: http.Headers) -> Folded:
    """Return the values by name. Made anew when the fields are not those of the last call."""
    fields = headers.fields
    known, values = getattr(headers, _FOLDED, _NOTHING_FOLDED)
    if known is not fields:
        values = {name.lower(): value for name, value in fields}
        if len(values) < len(fields):
            values = _fold_repeated(fields)
        setattr(headers, _FOLDED, (fields, values))
    return values


def _fold_repeated(fields: Fields) -> Folded:
    values: Folded = {}
    for name, value in fields:
        key = name.lower()
        values[key] = b"%b, %b" % (values[key], value) if key in values else value
    return values


def _get[Default](
    headers: http.Headers,
    key: str | bytes,
    default: Default = None,  # type: ignore[assignment]
) -> str | Default:
    value = folded(headers).get(_lowered(key))
    return default if value is None else value.decode("utf-8", "surrogateescape")


def _contains(headers: http.Headers, key: str | bytes) -> bool:
    return _lowered(key) in folded(headers)


def _bytes(headers: http.Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in headers.fields])
