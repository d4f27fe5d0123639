"""Masking. Invariant: the result holds only terms of the protocols and tags."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from addons.views import vocabulary
from addons.views.masking import Masker, masked_json
from tests.views.samples import (
    CHAT_REQUEST,
    RESPONSES_EVENTS,
    chat_stream,
    messages_stream,
    ndjson,
    sse,
)
from tests.views.secrets import (
    PLANTED,
    leaked,
)
from tests.views.test_page import JSON

MASKER = Masker(b"salt of this test")


def masked(value: object) -> object:
    return orjson.loads(masked_json(MASKER.value(value)))


def test_known_terms_ids_and_counts_stay() -> None:
    value = {
        "type": "function_call",
        "role": "user",
        "call_id": "call_abc123",
        "model": "claude-sonnet-4-5",
        "name": "exec_command",
        "max_output_tokens": 4096,
        "stream": True,
    }

    assert masked(value) == value


def test_texts_names_and_numbers_of_the_user_are_masked() -> None:
    text = MASKER.text("Fix it\nnow")

    assert text.startswith("<text 10 chars, 2 lines #")
    assert masked({"text": "Fix it\nnow", "name": "my_tool", "secret_word": 5}) == {
        "text": text,
        "name": MASKER.text("my_tool", "name"),
        MASKER.text("secret_word", "key"): "<number>",
    }


def test_arguments_keep_only_their_structure() -> None:
    inner = masked({"arguments": '{"cmd": "ls", "n": 41, "deep": [true, null]}'})

    assert isinstance(inner, dict)
    (name,) = inner["arguments"]
    assert name.startswith("<json 44 chars #")
    assert inner["arguments"][name] == {
        "cmd": MASKER.text("ls"),
        MASKER.text("n", "key"): "<number>",
        MASKER.text("deep", "key"): [True, None],
    }
    assert masked({"type": "tool_use", "input": {"cmd": "ls"}}) == {
        "type": "tool_use",
        "input": {"cmd": MASKER.text("ls")},
    }


def test_equal_texts_have_equal_tags_within_one_report() -> None:
    assert MASKER.text("a") == MASKER.text("a") != MASKER.text("b")
    assert MASKER.text("a") != Masker(b"another salt").text("a")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("not a url", None),
        ("https://user:pass@host/v1", None),
        ("https://[::1", None),
    ],
)  # fmt: skip
def test_url_keeps_scheme_host_and_known_segments(url: str, shown: str | None) -> None:
    text = MASKER.url(url)

    assert text == shown if shown else "pass" not in text


def test_account_in_a_url_is_masked() -> None:
    text = MASKER.url("https://gateway.example.com/v1/acct-7/openai?key=abc")

    assert text.startswith("https://gateway.example.com/v1/<part 6 chars #")
    assert "/openai?<query 7 chars #" in text


def test_headers_that_do_not_describe_the_user_keep_their_values() -> None:
    headers = (
        ("Content-Type", "text/event-stream"),
        ("x-codex-primary-used-percent", "42"),
        ("x-codex-turn-metadata", '{"cwd":"/x"}'),
        ("authorization", "Bearer abcdefghijk"),
        ("x-request-id", "req_1"),
    )

    names_and_values = MASKER.headers(headers)

    assert names_and_values[:2] == [["content-type", "text/event-stream"], ["x-codex-primary-used-percent", "42"]]  # fmt: skip
    assert [value.startswith("<value ") for _, value in names_and_values[2:]] == [True, True, False]


def test_consecutive_deltas_are_counted() -> None:
    events = MASKER.body(sse(RESPONSES_EVENTS))

    assert isinstance(events, list)
    assert events[2] == {"event": "response.output_text.delta", "count": 2, "text": 12}
    assert [event["event"] for event in events][-1] == "response.completed"
    assert events[-1]["data"]["response"]["usage"]["input_tokens"] == 1200


@pytest.mark.parametrize(
    "body", [chat_stream(), messages_stream(), ndjson(), b"\xff plain", b"", b'{"a": 1}']
)
def test_body_of_any_format_is_masked(body: bytes) -> None:
    text = masked_json(MASKER.body(body)).decode()

    for text_of_user in ("I will look", "First a list", "ls -la", "the prompt", "plain", "a.py"):
        assert text_of_user not in text


NEEDLE = st.sampled_from(sorted(PLANTED.values()))
SECRET_JSON = st.recursive(
    NEEDLE | st.integers(min_value=10**9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(vocabulary.KEYS)) | NEEDLE, inner, max_size=3)
    ),
    max_leaves=10,
)


def is_model_name(value: object, key: str = "") -> bool:
    """Return whether the planted tool name is the value of a member that holds model names."""
    if isinstance(value, dict):
        return any(is_model_name(one, name) for name, one in value.items())
    if isinstance(value, list):
        return any(is_model_name(one, key) for one in value)
    return key in vocabulary.MODEL_KEYS and value == PLANTED["tool name"]


@given(SECRET_JSON)
@example({"name": PLANTED["tool name"], "model": PLANTED["api key"]})
def test_secrets_under_any_known_name_are_masked(value: object) -> None:
    text = masked_json(MASKER.value(value))

    # Names of models stay readable on purpose.
    assert leaked(text) == (["tool name"] if is_model_name(value) else [])


def test_name_stays_only_where_it_names_a_model() -> None:
    name = PLANTED["tool name"]
    assert MASKER.value({"model": name}) == {"model": name}
    assert name.encode() not in masked_json(MASKER.value({"name": name, "text": name, "id": name}))


@given(JSON, st.binary(max_size=200))
def test_masking_is_total(value: object, body: bytes) -> None:
    assert masked_json(MASKER.body(body))
    MASKER.value(value)
    MASKER.private(value)


def test_chat_request_is_masked() -> None:
    text = masked_json(MASKER.value(CHAT_REQUEST)).decode()

    assert '"role": "assistant"' in text
    assert "Fix the bug" not in text
