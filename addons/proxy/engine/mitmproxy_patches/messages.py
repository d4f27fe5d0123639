"""Shorter ways through mitmproxy's messages, which every small turn passes through about thirty times.

Making headers calls two functions for each field, and so does looking one up; a lookup that finds nothing raises and
catches an exception. The fields of a message are checked for their types each time that one is made.

Never does: change what a lookup returns, or which names it takes. Invariant: `fields` stays the only store.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mitmproxy import http


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
    """Make headers of fields, and look them up, in one pass over the fields."""
    methods = {"__init__": _init, "get_all": _get_all, "get": _get, "__contains__": _contains}
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
    wanted = (name if isinstance(name, bytes) else _encoded(name)).lower()
    return [
        value.decode("utf-8", "surrogateescape")
        for field, value in headers.fields
        if field.lower() == wanted
    ]


def _encoded(name: str) -> bytes:
    if not isinstance(name, str):
        msg = f"Expected str or bytes, but got {type(name).__name__}."
        raise TypeError(msg)
    return name.encode("utf-8", "surrogateescape")


def _get[Default](
    headers: http.Headers,
    key: str | bytes,
    default: Default = None,  # type: ignore[assignment]
) -> str | Default:
    found = _get_all(headers, key)
    return ", ".join(found) if found else default


def _contains(headers: http.Headers, key: str | bytes) -> bool:
    return bool(_get_all(headers, key))
