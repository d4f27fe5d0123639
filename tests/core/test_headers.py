"""Header lists: what passes to an upstream and back, and what is a valid header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.headers import (
    CLIENT_CREDENTIALS,
    HOP_BY_HOP,
    Headers,
    bad_header,
    canonical,
    client_headers,
    header,
    is_html,
    media_type,
    upstream_headers,
)

IDENTITY = (b"accept-encoding", b"identity")

# As Codex 0.169 sends them; a dropped one breaks newer models.
CODEX = (
    b"accept",
    b"content-type",
    b"content-encoding",
    b"originator",
    b"user-agent",
    b"session-id",
    b"session_id",
    b"thread-id",
    b"version",
    b"x-client-request-id",
    b"x-codex-window-id",
    b"x-codex-turn-metadata",
    b"x-codex-beta-features",
    b"x-codex-routing-hint",
    b"x-openai-internal-codex-responses-lite",
    b"x-openai-account-routing-override",
)
NEVER_UPSTREAM = sorted(
    HOP_BY_HOP | CLIENT_CREDENTIALS | {b"host", b"content-length", b"accept-encoding"}
)


@pytest.mark.parametrize("name", CODEX)
def test_headers_of_codex_go_upstream(name: bytes) -> None:
    assert upstream_headers(((name, b"v"),)) == ((name, b"v"), IDENTITY)


@pytest.mark.parametrize("name", NEVER_UPSTREAM)
@pytest.mark.parametrize(
    "spelling",
    [
        bytes.lower,
        bytes.upper,
        bytes.title,
        lambda n: n + b" ",
        lambda n: b"\t" + n,
        lambda n: n.replace(b"-", b"_"),
    ],
)
def test_credentials_and_hop_by_hop_headers_do_not_go_upstream(
    name: bytes, spelling: object
) -> None:
    assert callable(spelling)
    kept = (b"x-app", b"b")
    assert upstream_headers(((spelling(name), b"v"), kept)) == (kept, IDENTITY)


def test_headers_named_by_connection_are_dropped() -> None:
    headers = (
        (b"Connection", b"close, X-Codex-One ,accept"),
        (b"X-Codex-ONE", b"1"),
        (b"accept", b"2"),
    )
    more = ((b"connection", b"x-codex-two"), (b"x-codex-two", b"3"), (b"x-codex-three", b"4"))
    assert upstream_headers(headers + more) == ((b"x-codex-three", b"4"), IDENTITY)
    assert client_headers(headers + more) == ((b"x-codex-three", b"4"),)


def test_order_case_and_repeated_headers_are_kept() -> None:
    headers = ((b"X-Codex-B", b"1"), (b"x-codex-a", b"2"), (b"X-Codex-B", b"3"))
    assert upstream_headers(headers) == (*headers, IDENTITY)
    assert client_headers(headers) == headers


@pytest.mark.parametrize(
    "name",
    [
        b"content-type",
        b"content-encoding",
        b"retry-after",
        b"x-request-id",
        b"cf-ray",
        b"x-foo",
        b"x-codex-primary-used-percent",
        b"x-models-etag",
        b"openai-model",
        b"x-codex-turn-state",
        b"content-length",
        b"set-cookie",
    ],
)
def test_headers_of_an_upstream_reach_the_client(name: bytes) -> None:
    assert client_headers(((name, b"v"),)) == ((name, b"v"),)


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_hop_by_hop_headers_of_an_upstream_do_not_reach_the_client(name: bytes) -> None:
    assert client_headers(((name, b"v"),)) == ()


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        (((b"x-a", b"plain"), (b"x-b", b"tab\there"), (b"x-c", b"\xe9")), None),
        (((b"x-a", b"1"), (b"x-b", b"a\x00b")), "x-b"),
        (((b"x-a", b"a\r\nx: y"),), "x-a"),
        (((b"x-a", b"\x7f"),), "x-a"),
        (((b"x a", b"1"),), "x a"),
        (((b"x-a", b"1"), (b"x-b\nx-c", b"1")), r"x-b\nx-c"),
        (((b"x-a\n", b"1"),), r"x-a\n"),
        ((), None),
        (((b"", b"1"),), ""),
        (((b"x\x1b[2J", b"1"),), r"x\x1b[2J"),
        (((b"x:" + b"y" * 200, b"1"),), "x:" + "y" * 78),
    ],
)
def test_invalid_header_is_named(headers: Headers, named: str | None) -> None:
    assert bad_header(headers) == named


names = st.binary(max_size=12) | st.builds(
    lambda name, before, after: before + name + after,
    st.sampled_from(NEVER_UPSTREAM).flatmap(
        lambda n: st.sampled_from([n, n.upper(), n.title(), n.replace(b"-", b"_")])
    ),
    st.sampled_from([b"", b" ", b"\t", b"\r\n"]),
    st.sampled_from([b"", b" ", b"\t ", b"\x0b"]),
)
header_lists = st.lists(st.tuples(names, st.binary(max_size=12)), max_size=8).map(tuple)


@given(header_lists)
def test_no_credential_of_the_client_goes_upstream(headers: Headers) -> None:
    kept = [name for name, _ in upstream_headers(headers)]
    assert not {name.strip().lower() for name in kept} & CLIENT_CREDENTIALS
    assert not {canonical(name) for name in kept[:-1]} & set(NEVER_UPSTREAM)


@given(header_lists)
def test_headers_are_neither_added_nor_reordered(headers: Headers) -> None:
    stripped = [(name.strip(), value) for name, value in headers]
    for kept in (upstream_headers(headers)[:-1], client_headers(headers)):
        remaining = iter(stripped)
        assert all(pair in remaining for pair in kept)


@pytest.mark.parametrize(
    "name",
    [
        b"proxy-authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"sec-websocket-protocol",
    ],
)
def test_every_header_that_carries_a_key_is_a_credential(name: bytes) -> None:
    assert name in CLIENT_CREDENTIALS
    assert canonical(name) == name


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ((), b""),
        (((b"content-type", b""),), b""),
        (((b"Content-Type", b" Text/HTML ; charset=utf-8"),), b"text/html"),
        (((b"content-type", b"application/json"), (b"content-type", b"text/html")), b"application/json"),
        (((b"content-type", b"text/html5"),), b"text/html5"),
    ],
)  # fmt: skip
def test_media_type_has_no_parameters_and_is_lower_case(headers: Headers, kind: bytes) -> None:
    assert media_type(headers) == kind
    assert is_html(headers) is (kind == b"text/html")


@given(
    st.lists(st.tuples(st.sampled_from([b"A", b"a", b"b"]), st.binary(max_size=2)), max_size=5),
    st.lists(st.tuples(st.sampled_from([b"A", b"a", b"b"]), st.binary(max_size=2)), max_size=5),
)
def test_lookup_returns_the_first_value(
    one: list[tuple[bytes, bytes]], other: list[tuple[bytes, bytes]]
) -> None:
    for headers in (tuple(one), tuple(other), tuple(one)):
        for name in (b"a", b"b", b"c", b"a"):
            values = [value for key, value in headers if key.lower() == name]
            assert header(headers, name) == (values[0] if values else None)
