"""The shorter ways through mitmproxy's messages give what its own give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http

from addons.proxy.engine.mitmproxy_patches.messages import (
    has_valid_headers,
    shorten_headers,
    skip_type_checks,
)

METHODS = ("__init__", "__bytes__", "get_all", "get", "__contains__")
NAMES = st.sampled_from(["accept", "Accept", "ACCEPT", "x-b", "X-B", "", "\udcff", "é"])
FIELDS = st.lists(
    st.tuples(
        NAMES.map(lambda name: name.encode("utf-8", "surrogateescape")), st.binary(max_size=4)
    ),
    max_size=5,
)


def short_headers() -> type[http.Headers]:
    """Return a class of headers with the shorter lookups, so that those of other tests stay."""
    usual = {name: http.Headers.__dict__.get(name) for name in METHODS}
    try:
        shorten_headers()
        return type(
            "Short", (http.Headers,), {name: http.Headers.__dict__[name] for name in METHODS}
        )
    finally:
        for name, method in usual.items():
            if method is None:
                delattr(http.Headers, name)
            else:
                setattr(http.Headers, name, method)


SHORT = short_headers()


@given(FIELDS, st.dictionaries(st.sampled_from(["accept", "x_b"]), st.text("ab") | st.binary()))
def test_headers_hold_what_those_of_mitmproxy_hold(
    fields: list[tuple[bytes, bytes]], named: dict[str, str | bytes]
) -> None:
    assert SHORT(fields, **named).fields == http.Headers(fields, **named).fields
    assert bytes(SHORT(fields, **named)) == bytes(http.Headers(fields, **named))


@pytest.mark.parametrize("fields", [[(b"a", "b")], [("a", b"b")], [(b"a",)], [(b"a", b"b", b"c")]])
@pytest.mark.parametrize("kind", [http.Headers, SHORT])
def test_fields_that_are_no_pairs_of_bytes_are_refused(kind: Any, fields: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        kind(fields)


@given(FIELDS, NAMES | NAMES.map(lambda name: name.encode("utf-8", "surrogateescape")))
def test_lookups_return_what_those_of_mitmproxy_return(
    fields: list[tuple[bytes, bytes]], name: str | bytes
) -> None:
    usual, short = http.Headers(fields), SHORT(fields)
    assert short.get_all(name) == usual.get_all(name)
    assert short.get(name) == usual.get(name)
    assert short.get(name, "none") == usual.get(name, "none")
    assert (name in short) == (name in usual)


@given(FIELDS, FIELDS, NAMES)
def test_lookup_after_a_change_of_the_fields_sees_it(
    before: list[tuple[bytes, bytes]], after: list[tuple[bytes, bytes]], name: str
) -> None:
    short = SHORT(before)
    short.get(name)
    short.fields = tuple(after)
    assert short.get(name) == http.Headers(after).get(name)
    short["x-b"] = "changed"
    assert short.get("X-B") == "changed"
    del short["x-b"]
    assert "x-b" not in short


@pytest.mark.parametrize(
    "lookup", [http.Headers.get_all, SHORT.get_all, http.Headers.get, SHORT.get]
)
def test_name_of_another_type_is_refused(lookup: Callable[[http.Headers, object], object]) -> None:
    with pytest.raises(TypeError, match="Expected str or bytes, but got int"):
        lookup(http.Headers(), 5)


def test_type_checks_of_messages_are_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    data: type = http.MessageData
    monkeypatch.setattr(data, "__post_init__", getattr(data, "__post_init__"))  # noqa: B009
    fields = ("http_version", "headers", "content", "trailers", "timestamp_start", "timestamp_end")
    with pytest.raises(TypeError):
        data(**dict.fromkeys(fields, 5))
    skip_type_checks()
    assert data(**dict.fromkeys(fields, 5)).content == 5


@pytest.mark.parametrize(("name", "valid"), [(b"x-a", True), (b"x a", False)])
def test_response_with_an_invalid_header_is_not_usable(name: bytes, valid: bool) -> None:
    response = http.Response.make(200)
    response.headers = http.Headers([(name, b"1")])
    assert has_valid_headers(response) is valid
