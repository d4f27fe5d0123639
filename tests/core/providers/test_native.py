"""Native Responses rows: bytes go through, the key is the row's, and Codex never takes a refused key for its login."""

from typing import Any

import orjson
import pytest
import zstandard

from addons.core.keys import KeyProblem
from addons.core.limits import Limits
from addons.core.providers.native import Native, merged
from addons.core.providers.passthrough import PassThrough
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Relay,
    Send,
    Step,
    WireRequest,
)
from addons.core.wire.responses import Watcher
from tests.conformance import parse
from tests.core.providers.rows import CODEX, ROUTE, SDK, Key, request, with_target

NATIVE = with_target(model="row", path="/v1/responses")
SSE = Head(200, ((b"content-type", b"text/event-stream"), (b"set-cookie", b"a"), (b"x-y", b"1")))


def plan_of(asked: ClientRequest | None = None, **fields: Any) -> Plan:
    given: dict[str, Any] = {"target": NATIVE, "key": Key(), "clock": lambda: 0.0, **fields}
    return Native(**given).plan(asked or request(), ROUTE)


def started(asked: ClientRequest | None = None, **fields: Any) -> Plan:
    plan = plan_of(asked, **fields)
    assert isinstance(plan.start(), Send)
    return plan


def sent(step: Step) -> WireRequest:
    assert isinstance(step, Send)
    return step.wire


def error_of(step: Step) -> dict[str, Any]:
    assert isinstance(step, Answer)
    status, body = step.reply.head.status, step.reply.body
    found = parse(body)[-1]["response"] if status == 200 else orjson.loads(body)
    return {"status": status, **found["error"]}


def test_the_body_is_the_object_that_came_in() -> None:
    asked = request()
    assert sent(plan_of(asked).start()).body is asked.body


def test_only_the_model_is_renamed() -> None:
    body = b'{"model": "row",  "input":[1, 2],"store":true}'
    asked = ClientRequest("POST", "/v1/responses", SDK, body)
    wire = sent(plan_of(asked, target=with_target(model="gpt-x")).start())
    assert wire.body == b'{"model": "gpt-x",  "input":[1, 2],"store":true}'


def test_a_compressed_body_stays_compressed_unless_the_row_adds_to_it() -> None:
    packed = zstandard.ZstdCompressor().compress(b'{"model":"row","reasoning":{"effort":"low"}}')
    headers = (*CODEX, (b"content-encoding", b"zstd"))
    asked = ClientRequest("POST", "/v1/responses", headers, packed)
    wire = sent(plan_of(asked).start())
    assert wire.body is packed
    assert (b"content-encoding", b"zstd") in wire.headers
    over = with_target(model="row", extra_body={"reasoning": {"summary": "auto"}})
    wire = sent(plan_of(asked, target=over).start())
    assert orjson.loads(wire.body) == {
        "model": "row",
        "reasoning": {"effort": "low", "summary": "auto"},
    }
    assert b"content-encoding" not in dict(wire.headers)


def test_headers_go_through_but_for_the_clients_own_and_the_rows() -> None:
    headers = (
        *CODEX,
        (b"X-Extra", b"clients"),
        (b"cookie", b"c"),
        (b"authorization", b"[label]"),
        (b"x-codex-turn-metadata", b"{}"),
        (b"connection", b"close"),
    )
    wire = sent(plan_of(request(headers)).start())
    assert dict(wire.headers) == {
        b"originator": b"codex_exec",
        b"content-type": b"application/json",
        b"x-codex-turn-metadata": b"{}",
        b"accept-encoding": b"identity",
        b"x-extra": b"1",
    }
    assert [one.bound_to for one in wire.secrets] == [NATIVE.origin]


def test_a_row_may_not_set_what_frames_or_compresses() -> None:
    own = ((b"Accept_Encoding", b"gzip"), (b"HOST", b"evil"), (b"content-length", b"0"))
    wire = sent(plan_of(target=with_target(model="row", headers=own)).start())
    assert {name for name, _ in wire.headers} == {
        b"originator",
        b"content-type",
        b"accept-encoding",
    }


@pytest.mark.parametrize(
    ("row", "client", "wire"),
    [
        ("/v1/responses", "/v1/responses", "/v1/responses"),
        ("/v1/responses", "/responses/compact", "/v1/responses/compact"),
        ("/v1/responses", "/v1/responses?a=1", "/v1/responses?a=1"),
        ("/r?api-version=2", "/v1/responses/compact?a=1", "/r/compact?api-version=2&a=1"),
    ],
)
def test_the_path_is_the_rows(row: str, client: str, wire: str) -> None:
    assert sent(plan_of(request(path=client), target=with_target(path=row)).start()).path == wire


@pytest.mark.parametrize(
    ("fields", "asked", "status"),
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
def test_what_cannot_be_sent_is_answered_at_once(
    fields: dict[str, Any], asked: ClientRequest, status: int
) -> None:
    assert error_of(plan_of(asked, **fields).start())["status"] == status


def test_an_answer_is_relayed_as_it_is_and_watched() -> None:
    step = started().on_head(SSE)
    assert isinstance(step, Relay)
    assert step.head.headers == SSE.headers
    assert isinstance(step.translator, Watcher)
    data = b"event: x\n\n"
    assert step.translator.feed(data) is data


@pytest.mark.parametrize(
    "headers",
    [
        ((b"content-type", b"application/json"),),
        ((b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip")),
    ],
)
def test_what_is_no_plain_event_stream_is_not_added_to(
    headers: tuple[tuple[bytes, bytes], ...],
) -> None:
    step = started().on_head(Head(200, headers))
    assert isinstance(step, Relay)
    assert isinstance(step.translator, PassThrough)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
def test_other_clients_get_a_refusal_as_it_is(status: int) -> None:
    step = started(request(SDK)).on_head(Head(status, ((b"retry-after", b"7"),)))
    assert isinstance(step, Relay)
    assert step.head == Head(status, ((b"retry-after", b"7"),))


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
def test_codex_gets_the_code_that_it_acts_on(status: int, code: str) -> None:
    plan, head = started(), Head(status, ((b"retry-after", b"7"),))
    while isinstance(step := plan.on_head(head), Send):
        pass
    assert step == Collect(Limits().error_body_bytes)
    error = error_of(plan.on_body(head, b"{}"))
    assert (error["status"], error["code"]) == (200, code)
    if code == "rate_limit_exceeded":
        assert "try again in 7s" in error["message"]


def test_a_refused_key_is_reported_to_its_source() -> None:
    key = Key()
    started(key=key).on_head(Head(401))
    assert key.refusals == 1


def test_a_troubled_upstream_is_asked_again_before_anyone_notices() -> None:
    plan = started()
    steps = [plan.on_head(Head(500)) for _ in range(3)]
    assert [type(step) for step in steps] == [Send, Send, Collect]


def test_a_page_is_told() -> None:
    page = Head(200, ((b"content-type", b"text/html"),))
    plan = started(request(SDK))
    assert isinstance(plan.on_head(page), Collect)
    assert error_of(plan.on_body(page, b"<html><title>Log in</title>"))["status"] == 502


def test_a_redirect_is_never_followed() -> None:
    error = error_of(started(request(SDK)).on_head(Head(307, ((b"location", b"https://e.x"),))))
    assert (error["status"], error["code"]) == (502, "invalid_prompt")


def test_a_fault_is_tried_once_and_told() -> None:
    plan, fault = started(), Fault(FaultKind.CONNECT, "refused", NATIVE.origin)
    assert isinstance(plan.on_fault(fault), Send)
    assert error_of(plan.on_fault(fault))["code"] == "upstream_unreachable"


def test_objects_are_merged_and_all_else_is_replaced() -> None:
    body = {"a": {"b": 1, "c": {"d": 1}}, "e": [1], "f": 1}
    over = {"a": {"c": {"x": 2}}, "e": [2], "f": {"g": 1}}
    assert merged(body, over) == {"a": {"b": 1, "c": {"d": 1, "x": 2}}, "e": [2], "f": {"g": 1}}
    assert body["a"] == {"b": 1, "c": {"d": 1}}
