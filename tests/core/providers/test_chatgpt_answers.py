"""The answers that a client gets, for each answer or failure of the backend."""

from __future__ import annotations

import pytest

from addons.core.headers import Headers
from addons.core.protocols.responses.observer import FIRST_BYTES, PassThrough, StreamObserver
from addons.core.providers.chatgpt import DEFAULT_BASE, BaseUrl
from addons.core.turn import Answer, Collect, Fault, FaultKind, Head, Relay, Reply, Step
from tests.core.providers.chatgpt_turns import (
    CODEX,
    ORIGIN,
    SDK,
    answer,
    plan_of,
    request,
)

SSE = (b"content-type", b"text/event-stream; charset=utf-8")
JSON = (b"content-type", b"application/json")
SOME = (b"content-length", b"2")


def on_head(head: Head, headers: Headers = CODEX, base: BaseUrl = DEFAULT_BASE) -> Step:
    plan = plan_of(request(headers), base=base)
    plan.start()
    return plan.on_head(head)


@pytest.mark.parametrize(
    ("status", "headers", "translator"),
    [
        (200, (SSE,), StreamObserver),
        (200, ((b"Content-Type", b"Text/Event-Stream"),), StreamObserver),
        (200, (SSE, (b"content-encoding", b"identity")), StreamObserver),
        (200, (SSE, (b"content-encoding", b"gzip")), PassThrough),
        (201, (SSE,), PassThrough),
        (200, (JSON, SOME), PassThrough),
        (200, (JSON, (b"content-encoding", b"gzip")), PassThrough),
        (200, (SOME,), PassThrough),
        (200, ((b"content-type", b"text/plain"),), PassThrough),
        (400, (JSON,), PassThrough),
        (403, (SSE,), PassThrough),
        (429, (JSON, (b"retry-after", b"7")), PassThrough),
        (500, (JSON,), PassThrough),
        (503, ((b"content-type", b"text/plain"),), PassThrough),
    ],
)
def test_answer_is_relayed_with_status_and_headers(
    status: int, headers: Headers, translator: type
) -> None:
    step = on_head(Head(status, headers))
    assert isinstance(step, Relay)
    assert step.head == Head(status, headers)
    assert isinstance(step.translator, translator)


def test_rate_limit_headers_reach_the_client_and_framing_headers_do_not() -> None:
    kept = (SSE, (b"x-codex-primary-used-percent", b"42"), (b"x-request-id", b"r"))
    framing = ((b"transfer-encoding", b"chunked"), (b"keep-alive", b"1"))
    step = on_head(Head(200, kept + framing))
    assert isinstance(step, Relay)
    assert step.head.headers == kept


def test_observed_stream_passes_and_ends_in_a_failure_event() -> None:
    step = on_head(Head(200, (SSE,)))
    assert isinstance(step, Relay)
    event = b'event: response.created\ndata: {"type":"response.created","response":{}}\n\n'
    assert step.translator.feed(event) == event
    assert not step.translator.terminal
    assert b"response.failed" in step.translator.finish()


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (204, ()),
        (204, (SSE,)),
        (205, (SSE, SOME)),
        (200, ((b"content-length", b"0"),)),
        (201, (JSON, (b"content-length", b" 0 "))),
    ],
)
@pytest.mark.parametrize("who", [CODEX, SDK])
def test_answer_without_a_body_is_a_failure(status: int, headers: Headers, who: Headers) -> None:
    step = on_head(Head(status, headers), who)
    assert isinstance(step, Answer)
    found = step.reply
    assert found.head.status == (200 if who is CODEX else 502)
    assert found.body.count(b"stream_interrupted") == 1
    assert b"HTTP %d without a body" % status in found.body


@pytest.mark.parametrize("head", [Head(200, (JSON,)), Head(200), Head(201)])
def test_answer_of_unknown_length_is_read_before_a_client_waits_for_its_stream(head: Head) -> None:
    plan = plan_of(request(CODEX))
    plan.start()
    assert plan.on_head(head) == Collect(FIRST_BYTES)
    assert plan.on_body(head, b'{"id":1}') == Answer(Reply(head, b'{"id":1}'))
    assert isinstance(plan.on_body(head, b" " * FIRST_BYTES), Relay)
    step = plan.on_body(head, b" \n")
    assert isinstance(step, Answer)
    assert b"stream_interrupted" in step.reply.body


def test_body_that_is_not_a_stream_passes_unchanged() -> None:
    step = on_head(Head(200, (JSON, SOME)))
    assert isinstance(step, Relay)
    chunk = b'{"output":'
    assert step.translator.feed(chunk) is chunk
    assert not step.translator.terminal
    assert step.translator.finish() == b""
    assert step.translator.fail(Fault(FaultKind.CUT, "cut")) == b""


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
@pytest.mark.parametrize("headers", [CODEX, SDK])
def test_redirect_is_never_followed(status: int, headers: Headers) -> None:
    location = (b"location", b"https://evil.example:8443/steal?token=1#x")
    client_status, code, message = answer(on_head(Head(status, (location,)), headers))
    expected = (200, "invalid_prompt") if headers is CODEX else (502, "upstream_redirect")
    assert (client_status, code) == expected
    assert "evil.example" in message
    assert "steal" not in message
    assert f"HTTP {status}" in message
    assert "codex-shim doctor" in message


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("client", [CODEX, SDK])
def test_fault_is_reported(kind: FaultKind, client: Headers) -> None:
    plan = plan_of(request(client))
    plan.start()
    status, _, message = answer(plan.on_fault(Fault(kind, "the detail", ORIGIN)))
    assert status == 200 if client is CODEX else status >= 500
    assert message


def test_lost_connection_is_not_retried() -> None:
    plan = plan_of(request())
    plan.start()
    status, code, message = answer(plan.on_fault(Fault(FaultKind.RESET, "closed", ORIGIN)))
    assert (status, code) == (200, "upstream_closed")
    assert "https://chatgpt.com" in message


def test_304_is_not_a_redirect() -> None:
    step = on_head(Head(304, ((b"etag", b'"a"'),)))
    assert isinstance(step, Relay)
    assert step.head == Head(304, ((b"etag", b'"a"'),))
