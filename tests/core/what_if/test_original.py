"""The turn that is compared: what of a recorded request is kept, and its answer."""

from __future__ import annotations

import orjson
import pytest
import zstandard

from addons.core.cassette.format import CUT, RecordedAnswer, RecordedRequest, RecordedTurn
from addons.core.usage import Usage
from addons.core.what_if.original import (
    NotComparableError,
    Original,
    last_message,
    of_cassette,
    original_of,
    recorded_answer,
)
from tests.core.what_if.samples import CODEX, EVENTS, answer, body_of, original, stream

KEY = "sk-" + "a1b2c3d4" * 5
SSE = ((b"content-type", b"text/event-stream"),)


def test_only_headers_of_the_client_and_its_form_are_kept() -> None:
    found = original_of("id", "/v1/responses?x=1", CODEX, body_of(), None)
    assert {name for name, _ in found.headers} == {
        b"originator", b"User-Agent", b"x-openai-internal-codex-responses-lite",
    }  # fmt: skip
    assert (found.slug, found.body) == ("row", body_of())


def test_body_is_decoded_and_has_no_key() -> None:
    body = zstandard.ZstdCompressor().compress(body_of(instructions=f"use {KEY} now"))
    found = original_of("id", "/responses", ((b"content-encoding", b"zstd"),), body, None)
    assert KEY.encode() not in found.body
    assert b"<secret>" in found.body


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/v1/responses/compact", body_of(), "only turns of /responses"),
        ("/v1/responses", b"{", "no JSON object with a model"),
        ("/v1/responses", b"{}", "no JSON object with a model"),
        ("/v1/responses", b"x" * (65 << 20), "cannot be read: The decoded request body is larger"),
    ],
)
def test_request_that_cannot_be_asked_again_is_refused(path: str, body: bytes, reason: str) -> None:
    with pytest.raises(NotComparableError, match=reason):
        original_of("t7", path, (), body, None)


def test_plain_form_is_read_back() -> None:
    for one in (original(recorded=answer()), original()):
        assert Original.parse(orjson.loads(orjson.dumps(one.plain()))) == one
    for value in (None, {"headers": [3, ["a"]], "answer": []}):
        assert Original.parse(value).headers == ()


def recorded(parts: object, headers: object = (("content-type", "text/event-stream"),), **fields: object) -> RecordedTurn:  # fmt: skip
    request = RecordedRequest("POST", "/v1/responses", "http", "t", "user", "row", (("content-encoding", "zstd"),), body_of().decode())  # fmt: skip
    return RecordedTurn(request, RecordedAnswer(200, headers, parts, **fields))  # type: ignore[arg-type]


def test_turn_of_a_cassette_has_its_times() -> None:
    parts = tuple((float(at), stream(event).decode()) for at, event in enumerate(EVENTS))
    found = of_cassette("1", recorded(parts))
    assert found.answer
    assert (found.body, found.answer.text, found.answer.outcome) == (body_of(), "Hello.", "completed")  # fmt: skip
    assert (found.answer.first_seconds, found.answer.seconds) == (1.0, 6.0)


def test_cut_and_whole_answers_of_a_cassette() -> None:
    cut = of_cassette("1", recorded(((0.5, stream(EVENTS[1]).decode()),), ended=CUT)).answer
    assert cut
    assert (cut.outcome, cut.text) == ("cut", "Hel")
    error = of_cassette("1", recorded(((0.5, '{"error":{"code":"x"}}'),), ())).answer
    assert error
    assert (error.outcome, error.code) == ("failed", "x")


RECORD = {
    "route": "deepseek", "model": "m", "ttft": 0.25, "seconds": 3.0, "terminal": "response.completed",
    "usage": {"input": 10, "cached": 4, "cache_written": 0, "output": 5, "reasoning": 2},
}  # fmt: skip


def test_answer_of_a_flow_is_read_with_its_record() -> None:
    found = recorded_answer("row", 200, SSE, stream(*EVENTS), RECORD)
    assert found
    assert (found.text, found.provider, found.first_seconds, found.seconds) == ("Hello.", "deepseek", 0.25, 3.0)  # fmt: skip


def test_answer_whose_body_was_not_kept_has_its_figures() -> None:
    found = recorded_answer("row", 200, SSE, None, RECORD)
    assert found
    assert (found.has_text, found.outcome, found.usage) == (False, "completed", Usage(10, 4, 5, 2, 15))  # fmt: skip
    failed = recorded_answer("row", 200, SSE, None, {"error": "server_error", "terminal": "response.failed"})  # fmt: skip
    assert failed
    assert (failed.outcome, failed.code) == ("failed", "server_error")
    left = recorded_answer("row", 200, SSE, None, {"ended": "client_left"})
    assert left
    assert left.outcome == "cut"
    assert recorded_answer("row", 0, (), None, None) is None


def test_last_message_is_that_of_the_user_or_of_a_tool() -> None:
    call = {"type": "function_call_output", "output": "done"}
    told = {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"text": "b"}]}
    rest = {"type": "message", "role": "assistant", "content": "no"}
    for items, expected in (
        ([told, rest], "a\nb"), ([told, call, rest], "done"), ([{**told, "content": "c"}], "c"), ([], ""), ("hi", "hi"),
        ([{**call, "output": [{"type": "input_text", "text": "d"}]}], "d"), ([3], ""),
    ):  # fmt: skip
        assert last_message(orjson.dumps({"input": items})) == expected
    assert last_message(b"{") == ""
