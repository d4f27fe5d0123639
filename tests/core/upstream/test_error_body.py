"""Bodies of refusals as gateways wrap them: which words reach the user, and which codes and statuses are found."""

from __future__ import annotations

import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.upstream.error_body import read_error_body

INNER = "This endpoint's maximum context length is 262144 tokens."
REFUSAL = {"error": {"message": INNER, "code": "context_length_exceeded"}}


def text(value: object) -> str:
    return orjson.dumps(value).decode()


WRAPPED: dict[str, object] = {
    "the object itself": REFUSAL,
    "a list (Google)": [REFUSAL],
    "metadata.raw as text (OpenRouter)": {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": text(REFUSAL), "provider_name": "X"}}},
    "metadata.raw as an object": {"error": {"message": "Provider returned error", "metadata": {"raw": REFUSAL}}},
    "JSON in the message": {"error": {"message": text(REFUSAL)}},
    "JSON behind words": {"error": {"message": f"got status: 400 Bad Request. {text(REFUSAL)}"}},
    "JSON encoded twice": {"error": {"message": text(text(REFUSAL))}},
    "a Python dict behind words (LiteLLM, OpenAI SDK)": {"error": {"message": f"Error code: 400 - {REFUSAL!r}"}},
    "Python bytes behind words (LiteLLM)": {"error": f"litellm.BadRequestError: X - {orjson.dumps(REFUSAL, option=orjson.OPT_INDENT_2)!r}"},
    "error in error": {"error": {"error": {"error": REFUSAL["error"]}}},
    "errors[] (Cloudflare)": {"success": False, "errors": [{"code": 5021, "message": INNER}], "messages": []},
    "errors[] of texts": {"errors": [INNER]},
    "msg": {"code": 400, "msg": INNER},
    "error_msg (Qianfan)": {"error_code": 336007, "error_msg": INNER},
    "Message (Bedrock)": {"Message": INNER},
    "detail as text": {"detail": INNER},
    "detail as an object": {"detail": {"error": INNER}},
    "param (MiMo)": {"error": {"code": "400", "message": "Param Incorrect", "param": INNER, "type": ""}},
    "innererror (Azure)": {"error": {"code": "BadRequest", "message": "Bad Request", "innererror": {"code": "x", "message": INNER}}},
    "base_resp (MiniMax)": {"base_resp": {"status_code": 2013, "status_msg": INNER}},
    "an object as the message": {"message": {"reason": INNER}},
    "an unknown wrapper": {"upstream_response": {"payload": {"err": INNER}}},
    "an SSE frame": f"event: error\ndata: {text(REFUSAL)}\n\n",
    "an SSE frame without an event": f"data: {text(REFUSAL)}\n\n",
    "XML": f"<?xml version='1.0'?><Error><Message>{INNER}</Message></Error>",
    "plain text": INNER,
    "bytes": text(REFUSAL).encode(),
    "a byte order mark": "\ufeff" + text(REFUSAL),
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPED)
def test_inner_text_is_found_in_every_wrapper(name: str) -> None:
    assert read_error_body(WRAPPED[name]).message == INNER


def test_place_of_a_validation_error_is_named() -> None:
    missing = {"type": "missing", "loc": ["body", "messages", 0, "content"], "msg": "Field required", "input": {"role": "user"}}  # fmt: skip
    assert read_error_body({"detail": [missing]}).message == (
        "body.messages.0.content: Field required"
    )
    printed = {"object": "error", "message": str([{**missing, "loc": ("body", "x")}]), "code": 400}
    assert read_error_body(printed).message == "body.x: Field required"


@pytest.mark.parametrize(
    "outer",
    ["Error code: 500", "Upstream error: 502 ::: bad gateway", "error" + ":" * 200, "HTTP 406: not acceptable!", "an unknown error occurred"],
)  # fmt: skip
def test_text_that_names_no_reason_is_not_quoted_beside_one(outer: str) -> None:
    body = {"error": {"message": outer, "metadata": {"raw": "the disk is full"}}}
    assert read_error_body(body).message == "the disk is full"


def test_text_of_the_request_is_not_quoted() -> None:
    body = {"error": {"message": "bad", "input": "my words", "failed_generation": "my words"}}
    found = read_error_body(body)
    assert "my words" not in found.message + found.search_text


def test_different_reasons_are_quoted_from_the_inside_out() -> None:
    body = {"message": "outer reason given", "errors": [{"message": "inner reason given"}]}
    assert read_error_body(body).message == "inner reason given | outer reason given"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "Provider returned error"}}, "Provider returned error"),
        ({"error": {"message": "Bad Request", "code": "invalid_model_name"}}, "Bad Request"),
        ({"error": "invalid_grant"}, "invalid_grant"),
        (b"", ""),
        (None, ""),
        (b"null", ""),
        ({}, ""),
    ],
)
def test_text_without_a_reason_is_quoted_if_there_is_no_other(body: object, message: str) -> None:
    assert read_error_body(body).message == message


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>lots</body></html>", "an HTML page, '502 Bad Gateway'"),
        (b"<html><body><h1>403 <b>Forbidden</b></h1></body></html>", "an HTML page, '403 Forbidden'"),
        (b"<html><body>nothing</body></html>", "an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied by policy</Message></Error>", "AccessDenied: Access Denied by policy"),
    ],
)  # fmt: skip
def test_page_is_quoted_by_its_headings(page: bytes, message: str) -> None:
    assert read_error_body(page).message == message


def test_codes_are_given_from_the_inside_out() -> None:
    raw = text({"error": {"type": "overloaded_error", "message": "Overloaded"}})
    body = {"error": {"code": 502, "message": "x", "metadata": {"raw": raw}}}
    assert read_error_body(body).codes == ("overloadederror", "502")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 429}}, 429),
        ({"error": {"code": "429"}}, 429),
        ({"error": {"http_code": "429", "code": "x"}}, 429),
        ({"error": {"code": 502, "metadata": {"raw": '{"error":{"code":400,"message":"a"}}'}}}, 400),
        ({"error": "Error code: 413 - too much"}, 413),
        ({"error": "HTTP 429: slow"}, 429),
        ({"error": {"code": 1113}}, None),
        ({"error": {"code": True}}, None),
        ({"error": "failed after 429 tokens"}, None),
    ],
)  # fmt: skip
def test_innermost_status_is_found(body: object, status: int | None) -> None:
    assert read_error_body(body).status == status


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("body", "wait"),
    [
        ({"error": {"message": "Please try again in 1h15m3.2s."}}, 4503.2),
        ({"error": {"details": [{"retryDelay": "27s"}]}}, 27.0),
        ({"error": {"metadata": {"headers": {"X-RateLimit-Reset": "1700000030000"}}}}, 30.0),
        ({"error": {"resets_in_seconds": 99, "message": "try again in 5s"}}, 99.0),
        ({"error": {"message": "no wait"}}, None),
    ],
)
def test_wait_is_found_in_fields_and_texts(body: object, wait: float | None) -> None:
    assert read_error_body(body, NOW).wait == wait


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@given(VALUES | st.binary(max_size=200))
def test_total_for_any_value(value: object) -> None:
    found = read_error_body(value, NOW)
    assert len(found.search_text) <= 8192


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"error":' * 10_000,
        b"x {'a" * 50_000,
        (b'{"message": "' + b"\\" * 2) * 2_000,
        b"<html>" + b"<h1>" * 50_000,
        b"in 1 s " * 30_000,
        orjson.dumps({"errors": [{"message": f"m {n}"} for n in range(20_000)]}),
    ],
)
def test_hostile_body_is_read_in_linear_time(body: bytes) -> None:
    start = time.perf_counter()
    read_error_body(body, NOW)
    assert time.perf_counter() - start < 5
