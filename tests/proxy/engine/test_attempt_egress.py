"""The egress step: what one attempt sends, and what it refuses to send."""

from dataclasses import replace

import pytest
from mitmproxy.net.http import http1

from addons.core.secrets import ForeignOriginError, Origin, Secret, SecretHeader
from addons.core.turn import UpstreamRequest
from addons.proxy.engine.attempt import UnsafeHeaderError, http_request

ORIGIN = Origin("https", "api.example.org", 443)
WIRE = UpstreamRequest(ORIGIN, "POST", "/v1/x?y=1", ((b"accept", b"*/*"),), b"body")
KEY = SecretHeader(b"authorization", Secret("key"), ORIGIN, b"Bearer ")


def test_head_is_host_own_headers_secrets_length() -> None:
    head = http1.assemble_request_head(http_request(replace(WIRE, secrets=(KEY,))))
    assert head.split(b"\r\n") == [
        b"POST /v1/x?y=1 HTTP/1.1",
        b"host: api.example.org",
        b"accept: */*",
        b"authorization: Bearer key",
        b"content-length: 4",
        b"",
        b"",
    ]


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("POST", b"", b"0"), ("PUT", b"", b"0"), ("GET", b"", None), ("GET", b"x", b"1")],
)
def test_length_is_sent_where_a_body_is_or_could_be(
    method: str, body: bytes, length: bytes | None
) -> None:
    fields = dict(http_request(replace(WIRE, method=method, body=body)).headers.fields)
    assert fields.get(b"content-length") == length


@pytest.mark.parametrize(
    ("host", "port", "value"),
    [
        ("api.example.org", 8443, b"api.example.org:8443"),
        ("::1", 443, b"[::1]"),
        ("bücher.example", 443, b"xn--bcher-kva.example"),
    ],
)
def test_host_header_names_the_origin(host: str, port: int, value: bytes) -> None:
    made = http_request(replace(WIRE, origin=Origin("https", host, port)))
    assert dict(made.headers.fields)[b"host"] == value


@pytest.mark.parametrize("character", [*range(9), *range(10, 32), 127])
def test_control_character_is_refused_and_its_value_not_quoted(character: int) -> None:
    bad = bytes([character])
    for wire in (
        replace(WIRE, headers=((b"x-a", b"hidden" + bad),)),
        replace(WIRE, headers=((b"x-a" + bad, b"hidden"),)),
        replace(WIRE, path="/hidden" + bad.decode()),
        replace(WIRE, method="POST" + bad.decode()),
    ):
        with pytest.raises(UnsafeHeaderError) as caught:
            http_request(wire)
        assert "hidden" not in str(caught.value)


def test_tab_inside_a_value_is_fine() -> None:
    made = http_request(replace(WIRE, headers=((b"x-a", b"a\tb"),)))
    assert made.headers["x-a"] == "a\tb"


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/a b"},
        {"path": ""},
        {"method": "GET /x"},
        {"headers": ((b"x-a ", b"1"),)},
        {"headers": ((b"", b"1"),)},
        {"headers": ((b"x:a", b"1"),)},
    ],
)
def test_head_that_would_not_parse_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UnsafeHeaderError):
        http_request(replace(WIRE, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        Origin("http", "api.example.org", 443),
        Origin("https", "api.example.org", 8443),
        Origin("https", "api.example.org.evil.test", 443),
    ],
)
def test_secret_refuses_another_origin(other: Origin) -> None:
    with pytest.raises(ForeignOriginError) as caught:
        http_request(replace(WIRE, origin=other, secrets=(KEY,)))
    assert "key" not in str(caught.value).replace("bound", "")
