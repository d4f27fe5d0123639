"""The answer that each client gets from a translated row."""

from __future__ import annotations

import orjson
import pytest

from addons.core.headers import Headers
from addons.core.limits import Limits
from addons.core.turn import Collect, Head, Relay, Send
from tests.conformance import check, parse
from tests.core.providers.rows import CODEX, SDK, request, with_target
from tests.core.providers.translated_turns import (
    SSE,
    answered,
    error_of,
    plan_of,
    started,
    stream_of,
)


@pytest.mark.parametrize("headers", [CODEX, SDK])
@pytest.mark.parametrize("content_type", [b"text/event-stream", b"application/json", b""])
def test_stream_opens_at_once_and_ends_once(headers: Headers, content_type: bytes) -> None:
    step = started(request(headers)).on_head(Head(200, ((b"content-type", content_type),)))
    assert isinstance(step, Relay)
    assert [event["type"] for event in parse(step.opening)] == [
        "response.created",
        "response.in_progress",
    ]
    last = check(stream_of(step, b"hello\n", b"stop\n"))
    assert last["type"] == "response.completed"
    assert (last["response"]["id"], last["response"]["model"]) == ("resp_seed", "row")
    assert last["response"]["created_at"] == 1_700_000_000


def test_answer_may_be_made_ready_before_its_head() -> None:
    plan, at_head = plan_of(), started()
    step = plan.start()
    assert isinstance(step, Send)
    assert step.make_ready
    step.make_ready()
    reads = b"hello\n", b"stop\n"
    assert stream_of(plan.on_head(SSE), *reads) == stream_of(at_head.on_head(SSE), *reads)


def test_answer_head_names_request_and_route() -> None:
    step = started().on_head(SSE)
    assert isinstance(step, Relay)
    assert step.head.header(b"x-request-id") == b"req-1"
    assert step.head.header(b"x-codex-shim-route") == b"row -> example/big-model"
    assert step.head.header(b"content-type") == b"text/event-stream"


def test_anthropic_request_id_is_passed_on() -> None:
    step = started().on_head(Head(200, ((b"request-id", b"req_a"),)))
    assert isinstance(step, Relay)
    assert step.head.header(b"x-request-id") == b"req_a"


def test_name_is_escaped_in_the_route_header() -> None:
    step = started(target=with_target(model="mödel\r\nx: y")).on_head(SSE)
    assert isinstance(step, Relay)
    route = step.head.header(b"x-codex-shim-route")
    assert route == rb"row -> example/m\xf6del\r\nx: y"


def test_client_without_stream_gets_a_whole_answer() -> None:
    plan = started(request(SDK, stream=False, instructions="be kind"))
    assert plan.on_head(SSE) == Collect(Limits().event_bytes)
    status, body = answered(plan.on_body(SSE, b"hello\nstop\n"))
    response = orjson.loads(body)
    assert (status, response["status"], response["instructions"]) == (200, "completed", "be kind")
    assert response["output"][0]["content"][0]["text"] == "hello"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"half an ans", 502, "stream_interrupted"),
        (b"call\narguments\nstop\n", 502, "tool_call_incomplete"),
        (b"busy\n", 503, "rate_limit_exceeded"),
        (b"", 502, "stream_interrupted"),
    ],
)
def test_cut_answer_is_never_whole(body: bytes, status: int, code: str) -> None:
    plan = started(request(SDK, stream=False))
    plan.on_head(SSE)
    error = error_of(plan.on_body(SSE, body))
    assert (error["status"], error["code"]) == (status, code)


def test_length_stop_is_incomplete_for_sdks_and_complete_for_codex() -> None:
    ends = [
        check(stream_of(started(request(headers)).on_head(SSE), b"text\nlength\n"))["type"]
        for headers in (CODEX, SDK)
    ]
    assert ends == ["response.completed", "response.incomplete"]


@pytest.mark.parametrize("stream", [True, False])
def test_html_page_instead_of_an_answer_is_reported(stream: bool) -> None:
    page = Head(200, ((b"content-type", b"text/html; charset=utf-8"),))
    plan = started(request(SDK, stream=stream))
    assert isinstance(plan.on_head(page), Collect)
    error = error_of(plan.on_body(page, b"<html><title>Log in</title></html>"))
    assert error["status"] == 502
    assert "Log in" in error["message"]


def test_compressed_answer_is_reported() -> None:
    head = Head(200, ((b"content-encoding", b"gzip"),))
    error = error_of(started(request(SDK)).on_head(head))
    assert (error["status"], error["code"]) == (502, "invalid_prompt")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304])
def test_redirect_is_never_followed(status: int) -> None:
    head = Head(status, ((b"location", b"https://evil.example/x"),))
    error = error_of(started(request(SDK)).on_head(head))
    assert (error["status"], error["code"]) == (502, "invalid_prompt")
    assert "base_url" in error["message"]
    assert "evil" not in error["message"]


@pytest.mark.parametrize("stream", [True, False])
def test_omitted_content_is_in_the_turn_record(stream: bool) -> None:
    turn = request(SDK, stream=stream)
    plan = started(turn)
    step = plan.on_head(SSE)
    if stream:
        stream_of(step, b"hello\npicture\nstop\n")
    else:
        plan.on_body(SSE, b"hello\npicture\nstop\n")
    assert turn.notes.dropped == ["a picture in the answer"]
