"""Invariant of the masking: what leaves is in the words of the protocols, or a tag."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from addons.views import words
from addons.views.kept import KeptTurn
from addons.views.masked_turn import masked_turn, readable_turn
from addons.views.masking import Masker, masked_json
from addons.views.scrub import found
from addons.views.turn import Turn
from tests.views.samples import (
    CHAT_REQUEST,
    MESSAGES_REQUEST,
    RESPONSES_EVENTS,
    RESPONSES_REQUEST,
    attempt,
    chat_stream,
    messages_stream,
    metadata,
    ndjson,
    sse,
)
from tests.views.secrets import (
    ALL,
    LOOKS_LIKE_NOTHING,
    PLANTED,
    leaked,
    request_with_secrets,
)
from tests.views.test_page import JSON

MASKER = Masker(b"salt of this test")


def masked(value: object) -> object:
    return orjson.loads(masked_json(MASKER.value(value)))


def test_structure_known_words_ids_and_counts_stay() -> None:
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


def test_texts_names_and_numbers_of_the_user_are_tags() -> None:
    text = MASKER.text("Fix it\nnow")

    assert text.startswith("<text 10 chars, 2 lines #")
    assert masked({"text": "Fix it\nnow", "name": "my_tool", "secret_word": 5}) == {
        "text": text,
        "name": MASKER.text("my_tool", "name"),
        MASKER.text("secret_word", "key"): "<number>",
    }


def test_arguments_keep_their_shape_alone() -> None:
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


def test_equal_texts_have_equal_tags_in_one_report_only() -> None:
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
def test_urls_keep_what_every_such_url_has(url: str, shown: str | None) -> None:
    text = MASKER.url(url)

    assert text == shown if shown else "pass" not in text


def test_account_in_a_url_is_masked() -> None:
    text = MASKER.url("https://gateway.example.com/v1/acct-7/openai?key=abc")

    assert text.startswith("https://gateway.example.com/v1/<part 6 chars #")
    assert "/openai?<query 7 chars #" in text


def test_headers_keep_what_says_nothing_about_a_user() -> None:
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


def test_deltas_in_a_row_are_counted() -> None:
    events = MASKER.body(sse(RESPONSES_EVENTS))

    assert isinstance(events, list)
    assert events[2] == {"event": "response.output_text.delta", "count": 2, "text": 12}
    assert [event["event"] for event in events][-1] == "response.completed"
    assert events[-1]["data"]["response"]["usage"]["input_tokens"] == 1200


@pytest.mark.parametrize(
    "body", [chat_stream(), messages_stream(), ndjson(), b"\xff plain", b"", b'{"a": 1}']
)
def test_any_body_is_masked(body: bytes) -> None:
    text = masked_json(MASKER.body(body)).decode()

    for word in ("I will look", "First a list", "ls -la", "the prompt", "plain", "a.py"):
        assert word not in text


def test_turn_full_of_secrets_has_none_left() -> None:
    body = orjson.dumps(request_with_secrets("fast"))
    answer = sse([{"type": "response.output_text.delta", "output_index": 0, "delta": ALL}, {"type": "response.failed", "response": {"error": {"code": "x", "message": ALL}}}])  # fmt: skip
    data = metadata(attempt(body, answer, url=f"https://api.example.com/{PLANTED['aws id']}?{ALL}"))
    data = {**data, "dropped": [ALL], "thread": PLANTED["jwt"], "slug": PLANTED["aws id"]}
    turn = Turn(body, answer, (("set-cookie", ALL), (PLANTED["aws id"], ALL)), 200, KeptTurn.of(data))  # fmt: skip

    text = masked_json(masked_turn(turn, MASKER))

    assert set(leaked(text)) <= LOOKS_LIKE_NOTHING
    remarks = orjson.loads(text)["kept"]["dropped"]
    assert leaked(text.replace(orjson.dumps(remarks[0]), b"")) == []
    assert found(text.decode()) == []


def test_readable_turn_keeps_its_words_and_loses_its_secrets() -> None:
    body = orjson.dumps(request_with_secrets("fast"))

    pages = readable_turn(Turn(body, body), ["friday"])

    text = b"\n".join(pages.values())
    assert b"the launch is on <secret> at dawn" in text
    assert set(leaked(text)) <= LOOKS_LIKE_NOTHING


def test_structure_of_a_real_turn_can_be_read() -> None:
    data = metadata(attempt(orjson.dumps(MESSAGES_REQUEST), messages_stream()))
    turn = Turn(orjson.dumps(RESPONSES_REQUEST), sse(RESPONSES_EVENTS), (), 200, KeptTurn.of(data))

    document = orjson.loads(masked_json(masked_turn(turn, MASKER)))

    items = document["request"]["body"]["input"]
    assert [item["type"] for item in items][:4] == ["message", "message", "reasoning", "function_call"]  # fmt: skip
    assert items[3]["call_id"] == items[4]["call_id"] == "call_1"
    sent = document["kept"]["attempts"][0]
    assert sent["url"] == "https://api.example.com/v1/messages"
    assert sent["request"]["body"]["messages"][1]["content"][1]["type"] == "tool_use"
    assert document["kept"]["usage"]["input_tokens"] == 1200


def test_words_are_sound() -> None:
    assert words.KEYS | {"response_id", "event"} >= words.WORD_KEYS | words.ID_KEYS | words.MODEL_KEYS | words.URL_KEYS  # fmt: skip
    assert not found("\n".join((*words.KEYS, *words.TOOLS, *words.HEADERS)))


NEEDLE = st.sampled_from(sorted(PLANTED.values()))
SECRET_JSON = st.recursive(
    NEEDLE | st.integers(min_value=10**9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(words.KEYS)) | NEEDLE, inner, max_size=3)
    ),
    max_leaves=10,
)


def stands_for_a_model(value: object, key: str = "") -> bool:
    """Whether a word that looks like a model's name, and like nothing else, stands where a model's name does."""
    if isinstance(value, dict):
        return any(stands_for_a_model(one, name) for name, one in value.items())
    if isinstance(value, list):
        return any(stands_for_a_model(one, key) for one in value)
    return key in words.MODEL_KEYS and value == PLANTED["tool name"]


@given(SECRET_JSON)
@example({"name": PLANTED["tool name"], "model": PLANTED["api key"]})
def test_secrets_under_any_known_name_are_masked(value: object) -> None:
    text = masked_json(MASKER.value(value))

    # models are told by their names, on purpose
    assert leaked(text) == (["tool name"] if stands_for_a_model(value) else [])


def test_a_model_is_told_by_its_name_and_nothing_else_is() -> None:
    name = PLANTED["tool name"]
    assert MASKER.value({"model": name}) == {"model": name}
    assert name.encode() not in masked_json(MASKER.value({"name": name, "text": name, "id": name}))


@given(JSON, st.binary(max_size=200))
def test_masking_is_total(value: object, body: bytes) -> None:
    assert masked_json(MASKER.body(body))
    MASKER.value(value)
    MASKER.private(value)
    assert masked_json(masked_turn(Turn(body, body, (), 1, KeptTurn.of(value)), MASKER))


def test_other_requests_are_masked_alike() -> None:
    text = masked_json(MASKER.value(CHAT_REQUEST)).decode()

    assert '"role": "assistant"' in text
    assert "Fix the bug" not in text
