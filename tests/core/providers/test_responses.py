"""Rows with the Responses API: bytes pass through, the key is the row's, and a refused key never looks like Codex's login."""

from typing import Any

import orjson
import pytest
import zstandard

from addons.core.headers import Headers
from addons.core.limits import Limits
from addons.core.protocols.responses.observer import FIRST_BYTES, PassThrough, StreamObserver
from addons.core.providers.responses import ResponsesProvider
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Relay,
    Reply,
    Send,
    Step,
    UpstreamRequest,
)
from addons.core.upstream.api_keys import KeyProblem
from tests.conformance import parse
from tests.core.providers.rows import CODEX, ROUTE, SDK, Key, request, with_target

NATIVE = with_target(model="row", path="/v1/responses")
SSE = Head(200, ((b"content-type", b"text/event-stream"), (b"set-cookie", b"a"), (b"x-y", b"1")))


def plan_of(turn: ClientRequest | None = None, **fields: Any) -> Plan:
    given: dict[str, Any] = {"target": NATIVE, "key": Key(), "clock": lambda: 0.0, **fields}
    return ResponsesProvider(**given).plan(turn or request(), ROUTE)


def started(turn: ClientRequest | None = None, **fields: Any) -> Plan:
    plan = plan_of(turn, **fields)
    assert isinstance(plan.start(), Send)
    return plan


def sent(step: Step) -> UpstreamRequest:
    assert isinstance(step, Send)
    return step.request


def error_of(step: Step) -> dict[str, Any]:
    assert isinstance(step, Answer)
    status, body = step.reply.head.status, step.reply.body
    found = parse(body)[-1]["response"] if status == 200 else orjson.loads(body)
    return {"status": status, **found["error"]}


@pytest.mark.parametrize("who", [CODEX, SDK])
@pytest.mark.parametrize("head", [Head(204), Head(205), Head(200, ((b"content-length", b"0"),))])
def test_answer_without_a_body_is_a_failure(head: Head, who: Headers) -> None:
    found = error_of(started(request(who)).on_head(head))
    assert found["status"] == (200 if who is CODEX else 502)
    assert found["code"] == "stream_interrupted"
    assert f"HTTP {head.status} without a body" in found["message"]


def test_answer_of_unknown_length_is_read_before_a_client_waits_for_its_stream() -> None:
    plan, head = started(), Head(200, ((b"content-type", b"application/json"),))
    assert plan.on_head(head) == Collect(FIRST_BYTES)
    assert plan.on_body(head, b"{}") == Answer(Reply(head, b"{}"))
    assert isinstance(plan.on_body(head, b" " * FIRST_BYTES), Relay)
    assert error_of(plan.on_body(head, b"\r\n"))["code"] == "stream_interrupted"


def test_client_without_streaming_gets_its_document_as_it_comes() -> None:
    turn = ClientRequest("POST", "/v1/responses", SDK, b'{"model":"row","input":"hi"}')
    head = Head(200, ((b"content-type", b"application/json"),))
    assert isinstance(started(turn).on_head(head), Relay)


def test_body_is_forwarded_as_the_same_object() -> None:
    turn = request()
    assert sent(plan_of(turn).start()).body is turn.body


def test_only_the_model_is_replaced() -> None:
    body = b'{"model": "row",  "input":[1, 2],"store":true}'
    turn = ClientRequest("POST", "/v1/responses", SDK, body)
    upstream_request = sent(plan_of(turn, target=with_target(model="gpt-x")).start())
    assert upstream_request.body == b'{"model": "gpt-x",  "input":[1, 2],"store":true}'


def test_compressed_body_stays_compressed_unless_the_row_adds_fields() -> None:
    packed = zstandard.ZstdCompressor().compress(b'{"model":"row","reasoning":{"effort":"low"}}')
    headers = (*CODEX, (b"content-encoding", b"zstd"))
    turn = ClientRequest("POST", "/v1/responses", headers, packed)
    upstream_request = sent(plan_of(turn).start())
    assert upstream_request.body is packed
    assert (b"content-encoding", b"zstd") in upstream_request.headers
    over = with_target(model="row", extra_body={"reasoning": {"summary": "auto"}})
    upstream_request = sent(plan_of(turn, target=over).start())
    assert orjson.loads(upstream_request.body) == {
        "model": "row",
        "reasoning": {"effort": "low", "summary": "auto"},
    }
    assert b"content-encoding" not in dict(upstream_request.headers)


def test_headers_pass_except_credentials_and_those_of_the_row() -> None:
    headers = (
        *CODEX,
        (b"X-Extra", b"clients"),
        (b"cookie", b"c"),
        (b"authorization", b"[label]"),
        (b"x-codex-turn-metadata", b"{}"),
        (b"connection", b"close"),
    )
    upstream_request = sent(plan_of(request(headers)).start())
    assert dict(upstream_request.headers) == {
        b"originator": b"codex_exec",
        b"content-type": b"application/json",
        b"x-codex-turn-metadata": b"{}",
        b"accept-encoding": b"identity",
        b"x-extra": b"1",
    }
    assert [one.bound_to for one in upstream_request.secrets] == [NATIVE.origin]


def test_row_cannot_set_framing_or_compression() -> None:
    own = ((b"Accept_Encoding", b"gzip"), (b"HOST", b"evil"), (b"content-length", b"0"))
    upstream_request = sent(plan_of(target=with_target(model="row", headers=own)).start())
    assert {name for name, _ in upstream_request.headers} == {
        b"originator",
        b"content-type",
        b"accept-encoding",
    }


@pytest.mark.parametrize(
    ("row", "client", "path"),
    [
        ("/v1/responses", "/v1/responses", "/v1/responses"),
        ("/v1/responses", "/responses/compact", "/v1/responses/compact"),
        ("/v1/responses", "/v1/responses?a=1&key=k&beta=true", "/v1/responses?beta=true"),
        (
            "/r?api-version=2",
            "/v1/responses/compact?beta=true",
            "/r/compact?api-version=2&beta=true",
        ),
    ],
)
def test_path_is_that_of_the_row(row: str, client: str, path: str) -> None:
    assert sent(plan_of(request(path=client), target=with_target(path=row)).start()).path == path


@pytest.mark.parametrize(
    ("fields", "turn", "status"),
    [
        ({"key": Key(KeyProblem("Set X."))}, request(SDK), 401),
        ({"target": with_target(headers=((b"x", b"a\nb"),))}, request(SDK), 400),
        ({"target": with_target()}, ClientRequest("POST", "/v1/responses", SDK, b"{"), 400),
        (
            {"target": with_target(extra_body={"a": 1})},
            ClientRequest("POST", "/v1/responses", SDK, b"{"),
            400,
        ),
    ],
)
def test_turn_that_cannot_be_sent_is_answered_at_once(
    fields: dict[str, Any], turn: ClientRequest, status: int
) -> None:
    assert error_of(plan_of(turn, **fields).start())["status"] == status


def test_answer_is_relayed_unchanged_and_observed() -> None:
    step = started().on_head(SSE)
    assert isinstance(step, Relay)
    assert step.head.headers == SSE.headers
    assert isinstance(step.translator, StreamObserver)
    data = b"event: x\n\n"
    assert step.translator.feed(data) is data


@pytest.mark.parametrize(
    "headers",
    [
        ((b"content-type", b"application/json"), (b"content-length", b"2")),
        ((b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip")),
    ],
)
def test_answer_that_is_no_plain_event_stream_gets_nothing_added(
    headers: tuple[tuple[bytes, bytes], ...],
) -> None:
    step = started().on_head(Head(200, headers))
    assert isinstance(step, Relay)
    assert isinstance(step.translator, PassThrough)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
def test_other_clients_get_the_refusal_unchanged(status: int) -> None:
    plan, head = started(request(SDK)), Head(status, ((b"retry-after", b"7"),))
    step = plan.on_head(head)
    if isinstance(step, Relay):
        assert step.head == head
    else:
        assert isinstance(step, Collect)
        assert plan.on_body(head, b'{"any": "body"}') == Answer(Reply(head, b'{"any": "body"}'))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_prompt"),
        (401, "invalid_prompt"),
        (403, "invalid_prompt"),
        (429, "rate_limit_exceeded"),
        (500, "server_error"),
        (503, "rate_limit_exceeded"),
    ],
)
def test_codex_gets_the_code_that_it_handles(status: int, code: str) -> None:
    plan, head = started(), Head(status, ((b"retry-after", b"7"),))
    while isinstance(step := plan.on_head(head), Send) or isinstance(
        step := plan.on_body(head, b"{}") if step == Collect(Limits().error_body_bytes) else step,
        Send,
    ):
        pass
    error = error_of(step)
    assert (error["status"], error["code"]) == (200, code)
    if code == "rate_limit_exceeded":
        assert "try again in 7s" in error["message"]


def test_refused_key_is_reported_to_its_source() -> None:
    key = Key()
    started(key=key).on_head(Head(401))
    assert key.refusals == 1


def test_failing_upstream_is_retried_before_the_client_gets_a_byte() -> None:
    plan = started()
    steps = [plan.on_head(Head(503)) for _ in range(3)]
    assert [type(step) for step in steps] == [Send, Send, Collect]


def test_internal_error_is_read_before_it_is_retried() -> None:
    plan = started()
    for expected in (Send, Send, Answer):
        assert isinstance(plan.on_head(Head(500)), Collect)
        assert isinstance(plan.on_body(Head(500), b"{}"), expected)


def test_html_page_is_reported() -> None:
    page = Head(200, ((b"content-type", b"text/html"),))
    plan = started(request(SDK))
    assert isinstance(plan.on_head(page), Collect)
    assert error_of(plan.on_body(page, b"<html><title>Log in</title>"))["status"] == 502


def test_redirect_is_never_followed() -> None:
    error = error_of(started(request(SDK)).on_head(Head(307, ((b"location", b"https://e.x"),))))
    assert (error["status"], error["code"]) == (502, "invalid_prompt")


def test_fault_is_retried_once_and_reported() -> None:
    plan, fault = started(), Fault(FaultKind.CONNECT, "refused", NATIVE.origin)
    assert isinstance(plan.on_fault(fault), Send)
    assert error_of(plan.on_fault(fault))["code"] == "upstream_unreachable"
