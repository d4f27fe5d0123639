"""A frame means the request that Codex would send by HTTP, and sets no header that a frame may not set."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.headers import REDACTION_LABEL, TOKEN_HEADER, bad_header
from addons.core.protocols.responses.websocket.request import (
    FrameRequest,
    inherited_headers,
    read_frame,
    turn_headers,
)

METADATA = '{"request_kind":"turn"}'


def frame(**fields: object) -> bytes:
    return orjson.dumps({"type": "response.create", "model": "m", "input": [], **fields})


def read(**fields: object) -> FrameRequest:
    found = read_frame(frame(**fields))
    assert isinstance(found, FrameRequest)
    return found


def test_body_is_that_by_http() -> None:
    found = read(
        previous_response_id="resp_1",
        store=False,
        client_metadata={
            "turn_id": "t",
            "x-codex-turn-metadata": METADATA,
            "x-codex-ws-stream-request-start-ms": "1795424726929",
            "ws_request_header_x_openai_internal_codex_responses_lite": "true",
        },
    )
    assert found.payload == {
        "model": "m",
        "input": [],
        "store": False,
        "stream": True,
        "client_metadata": {"turn_id": "t", "x-codex-turn-metadata": METADATA},
    }
    assert found.previous == "resp_1"
    assert found.headers == (
        (b"x-codex-turn-metadata", METADATA.encode()),
        (b"x-openai-internal-codex-responses-lite", b"true"),
    )
    assert not found.may_be_stored


def test_fields_keep_their_order() -> None:
    text = b'{"type":"response.create","model":"m","stream":true,"input":[],"tools":[]}'
    found = read_frame(text)
    assert isinstance(found, FrameRequest)
    assert list(found.payload) == ["model", "stream", "input", "tools"]


@pytest.mark.parametrize("value", [True, None, 1])
def test_only_false_keeps_generate_in_the_body(value: object) -> None:
    assert read(generate=False).payload["generate"] is False
    assert "generate" not in read(generate=value).payload


@pytest.mark.parametrize("store", [True, None, "no"])
def test_client_that_does_not_decline_storage_may_refer_to_stored_responses(store: object) -> None:
    assert read(store=store).may_be_stored


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "cookie",
        "host",
        "origin",
        "sec_fetch_site",
        "content_length",
        "content_encoding",
        "transfer_encoding",
        "connection",
        "chatgpt_account_id",
        "openai_organization",
        "x_api_key",
        "x-codex-shim-token",
        "x_codex_shim_token",
        "X_CODEX_SHIM_TOKEN",
        "x_codex_shim_anything",
        "x_openai_api_key",
        "user_agent",
        "",
    ],
)
def test_frame_may_not_set_this_header(name: str) -> None:
    found = read(client_metadata={f"ws_request_header_{name}": REDACTION_LABEL.decode()})
    assert found.headers == ()
    assert found.payload["client_metadata"] == {}


@pytest.mark.parametrize(
    "value", ["a\r\nb", "a\x00", "x" * 20_000, 5, None, ["x"], "Bearer abcdefgh"]
)
def test_frame_may_not_set_this_value(value: object) -> None:
    assert read(client_metadata={"ws_request_header_x_openai_mark": value}).headers == ()
    assert read(client_metadata={"x-codex-window-id": value}).headers == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[]", "not an object"),
        (b"{}", "missing"),
        (b'{"type":5}', "missing"),
        (b'{"type":"response.cancel"}', "response.cancel"),
        (frame(previous_response_id=5), "not a string"),
    ],
)
def test_other_frames_are_refused_with_a_status_that_shows_the_sentence(
    text: bytes, says: str
) -> None:
    found = read_frame(text)
    assert isinstance(found, Problem)
    assert says in found.message
    assert found.status == 422


def test_headers_of_a_turn_are_its_own_and_the_connections() -> None:
    upgrade = (
        (b"Host", b"127.0.0.1:1"),
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Key", b"k"),
        (b"Sec_WebSocket_Version", b"13"),
        (b"openai-beta", b"responses_websockets=2026-02-06"),
        (b"Content-Length", b"0"),
        (b"Origin", b"http://evil.example"),
        (b"x-codex-turn-metadata", b"stale"),
        (b"X-Codex-Window-Id", b"w:0"),
        (b"X-Codex-Turn-State", b"of the first turn"),
        (b"originator", b"codex_exec"),
    )
    assert turn_headers(inherited_headers(upgrade), ((b"x-codex-window-id", b"w:1"),), 7) == (
        (b"Host", b"127.0.0.1:1"),
        (b"Origin", b"http://evil.example"),
        (b"originator", b"codex_exec"),
        (b"x-codex-window-id", b"w:1"),
        (b"accept", b"text/event-stream"),
        (b"content-type", b"application/json"),
        (b"content-length", b"7"),
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
NAMES = st.text() | st.builds("ws_request_header_{}".format, st.text() | st.sampled_from(
    [TOKEN_HEADER, "x_codex_a", "x_openai_\r\n", "authorization"]
))  # fmt: skip


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_any_metadata_sets_only_headers_that_may_be_sent(metadata: dict[str, object]) -> None:
    found = read_frame(frame(client_metadata=metadata))
    assert isinstance(found, FrameRequest)
    assert bad_header(found.headers) is None
    for name, _ in found.headers:
        assert name.startswith((b"x-codex-", b"x-openai-", b"x-responsesapi-")) or name in (
            b"traceparent",
            b"tracestate",
            b"openai-beta",
        )
        assert not name.startswith(b"x-codex-shim-")


@given(st.binary() | JSON.map(orjson.dumps))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    assert isinstance(read_frame(text), FrameRequest | Problem)


def test_large_numbers_are_the_same_in_the_body() -> None:
    numbers = b"[9223372036854775808,-9223372036854775809,123456789012345678901234567890]"
    found = read_frame(b'{"type":"response.create","model":"m","input":%b}' % numbers)
    assert isinstance(found, FrameRequest)
    assert numbers in orjson.dumps(found.payload)
