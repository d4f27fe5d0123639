"""The plan of a translated turn: what is sent, what is tried again, and what each client is told."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from addons.core.credential import Origin
from addons.core.errors import Problem
from addons.core.headers import Headers
from addons.core.keys import KeyProblem
from addons.core.limits import Limits
from addons.core.memory import Memory
from addons.core.providers.byok import Byok
from addons.core.translate.compaction import read_compaction
from addons.core.translate.conversation import Conversation, Dialects
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
from tests.conformance import check, parse
from tests.core.providers.rows import (
    CODEX,
    ROUTE,
    SDK,
    TARGET,
    Key,
    Parrot,
    read,
    request,
    with_target,
)

SSE = Head(200, ((b"content-type", b"text/event-stream"), (b"x-request-id", b"req-1")))
JSON = Head(200, ((b"content-type", b"application/json"),))


def byok(**fields: Any) -> Byok:
    given: dict[str, Any] = {"target": TARGET, "key": Key(), "dialect": Parrot(), "read": read}
    given |= {"ids": lambda: "seed", "clock": lambda: 1_700_000_000.0, **fields}
    return Byok(**given)


def plan_of(asked: ClientRequest | None = None, **fields: Any) -> Plan:
    return byok(**fields).plan(asked or request(), ROUTE)


def started(asked: ClientRequest | None = None, **fields: Any) -> Plan:
    plan = plan_of(asked, **fields)
    assert isinstance(plan.start(), Send)
    return plan


def sent(step: Step) -> WireRequest:
    assert isinstance(step, Send)
    return step.wire


def stream_of(step: Step, *reads: bytes) -> bytes:
    assert isinstance(step, Relay)
    fed = [step.translator.feed(data) for data in reads]
    return b"".join((step.opening, *fed, step.translator.finish()))


def answered(step: Step) -> tuple[int, bytes]:
    assert isinstance(step, Answer)
    return step.reply.head.status, step.reply.body


def error_of(step: Step) -> dict[str, Any]:
    """The error as the client has it: a conforming failed stream, or a JSON body."""
    status, body = answered(step)
    if status == 200:
        error = check(body)["response"]["error"]
        return {"status": 200, **error}
    return {"status": status, **orjson.loads(body)["error"]}


# What is sent --------------------------------------------------------------------------------------------------


def test_only_listed_headers_go_upstream_and_the_key_is_bound() -> None:
    headers = (*CODEX, (b"cookie", b"c"), (b"x-codex-turn-metadata", b"{}"))
    wire = sent(plan_of(request(headers)).start())
    assert dict(wire.headers) == {
        b"content-type": b"application/json",
        b"accept": b"text/event-stream",
        b"user-agent": b"codex-shim/0.1.0",
        b"x-extra": b"1",
        b"accept-encoding": b"identity",
    }
    assert [one.bound_to for one in wire.secrets] == [TARGET.origin]
    assert (wire.origin, wire.method, wire.path) == (TARGET.origin, "POST", "/v1/chat/completions")
    assert orjson.loads(wire.body)["model"] == "big-model"


def test_messages_are_sent_with_the_version_that_the_api_demands() -> None:
    wire = sent(plan_of(target=with_target(dialect=Dialects.MESSAGES)).start())
    assert (b"anthropic-version", b"2023-06-01") in wire.headers


def test_a_row_may_set_headers_but_none_that_frames_or_compresses() -> None:
    own: Headers = (
        (b"User-Agent", b"mine/1"),
        (b"Anthropic-Version", b"2099"),
        (b"Accept-Encoding", b"gzip"),
        (b"Host", b"evil"),
        (b"Content-Length", b"0"),
        (b"Transfer-Encoding", b"chunked"),
    )
    target = with_target(headers=own, dialect=Dialects.MESSAGES)
    names = [(name.lower(), value) for name, value in sent(plan_of(target=target).start()).headers]
    assert sorted(names) == [
        (b"accept", b"text/event-stream"),
        (b"accept-encoding", b"identity"),
        (b"anthropic-version", b"2099"),
        (b"content-type", b"application/json"),
        (b"user-agent", b"mine/1"),
    ]


@pytest.mark.parametrize(
    ("fields", "asked", "status", "words"),
    [
        ({}, request(SDK, input="unreadable"), 400, "input[0]"),
        ({}, ClientRequest("POST", "/v1/responses", SDK, b"{"), 400, "not valid JSON"),
        ({}, request(SDK, previous_response_id="resp_x"), 400, "store: false"),
        ({"key": Key(KeyProblem("Set X_API_KEY."))}, request(SDK), 401, "Set X_API_KEY."),
        ({"key": Key(KeyProblem("Wait.", passing=True))}, request(SDK), 503, "Wait."),
        ({"target": with_target(headers=((b"x", b"a\nb"),))}, request(SDK), 400, "extra_headers"),
        (
            {"dialect": Parrot(problem=Problem(400, "invalid_prompt", "no"))},
            request(SDK),
            400,
            "no",
        ),
    ],
)
def test_what_cannot_be_sent_is_answered_at_once(
    fields: dict[str, Any], asked: ClientRequest, status: int, words: str
) -> None:
    error = error_of(plan_of(asked, **fields).start())
    assert error["status"] == status
    assert words in error["message"]


def test_a_key_on_its_way_is_worth_another_try_to_codex() -> None:
    pending = error_of(plan_of(key=Key(KeyProblem("Wait.", passing=True))).start())
    missing = error_of(plan_of(key=Key(KeyProblem("Set it."))).start())
    assert (pending["code"], missing["code"]) == ("key_pending", "invalid_prompt")


# Answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [CODEX, SDK])
@pytest.mark.parametrize("content_type", [b"text/event-stream", b"application/json", b""])
def test_a_stream_opens_at_once_and_ends_once(headers: Headers, content_type: bytes) -> None:
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


def test_the_head_of_an_answer_names_request_and_route() -> None:
    step = started().on_head(SSE)
    assert isinstance(step, Relay)
    assert step.head.header(b"x-request-id") == b"req-1"
    assert step.head.header(b"x-codex-shim-route") == b"row -> example/big-model"
    assert step.head.header(b"content-type") == b"text/event-stream"


def test_anthropic_names_its_request_otherwise() -> None:
    step = started().on_head(Head(200, ((b"request-id", b"req_a"),)))
    assert isinstance(step, Relay)
    assert step.head.header(b"x-request-id") == b"req_a"


def test_a_name_that_no_header_may_hold_is_written_plainly() -> None:
    step = started(target=with_target(model="mödel\r\nx: y")).on_head(SSE)
    assert isinstance(step, Relay)
    words = step.head.header(b"x-codex-shim-route")
    assert words == rb"row -> example/m\xf6del\r\nx: y"


def test_a_whole_answer_for_a_client_that_does_not_stream() -> None:
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
def test_a_cut_answer_is_never_whole(body: bytes, status: int, code: str) -> None:
    plan = started(request(SDK, stream=False))
    plan.on_head(SSE)
    error = error_of(plan.on_body(SSE, body))
    assert (error["status"], error["code"]) == (status, code)


def test_a_length_stop_is_incomplete_to_sdks_and_complete_to_codex() -> None:
    ends = [
        check(stream_of(started(request(headers)).on_head(SSE), b"text\nlength\n"))["type"]
        for headers in (CODEX, SDK)
    ]
    assert ends == ["response.completed", "response.incomplete"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_page_instead_of_an_answer_is_told(stream: bool) -> None:
    page = Head(200, ((b"content-type", b"text/html; charset=utf-8"),))
    plan = started(request(SDK, stream=stream))
    assert isinstance(plan.on_head(page), Collect)
    error = error_of(plan.on_body(page, b"<html><title>Log in</title></html>"))
    assert error["status"] == 502
    assert "Log in" in error["message"]


def test_a_compressed_answer_is_told() -> None:
    head = Head(200, ((b"content-encoding", b"gzip"),))
    error = error_of(started(request(SDK)).on_head(head))
    assert (error["status"], error["code"]) == (502, "invalid_prompt")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304])
def test_a_redirect_is_never_followed(status: int) -> None:
    head = Head(status, ((b"location", b"https://evil.example/x"),))
    error = error_of(started(request(SDK)).on_head(head))
    assert (error["status"], error["code"]) == (502, "invalid_prompt")
    assert "base_url" in error["message"]
    assert "evil" not in error["message"]


# Refusals ------------------------------------------------------------------------------------------------------


def refused(plan: Plan, head: Head, body: bytes = b"") -> Step:
    while isinstance(step := plan.on_head(head), Send):
        pass
    assert step == Collect(Limits().error_body_bytes)
    return plan.on_body(head, body)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_prompt"),
        (401, "invalid_prompt"),
        (403, "invalid_prompt"),
        (404, "invalid_prompt"),
        (413, "context_length_exceeded"),
        (422, "invalid_prompt"),
        (429, "rate_limit_exceeded"),
        (500, "server_error"),
        (503, "rate_limit_exceeded"),
        (529, "rate_limit_exceeded"),
    ],
)
def test_codex_gets_a_stream_with_the_code_that_it_acts_on(status: int, code: str) -> None:
    step = refused(started(), Head(status), b'{"error":{"message":"said"}}')
    error = error_of(step)
    assert (error["status"], error["code"]) == (200, code)
    assert "said" in error["message"]
    assert answered(step)[1].startswith(b"event: response.created\n")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 502, 503])
def test_sdks_get_the_status(status: int) -> None:
    assert error_of(refused(started(request(SDK)), Head(status)))["status"] == status


def test_the_wait_that_is_asked_for_is_kept() -> None:
    head = Head(429, ((b"retry-after", b"7"), (b"x-request-id", b"req-9")))
    step = refused(started(request(SDK)), head)
    assert isinstance(step, Answer)
    assert step.reply.head.header(b"retry-after") == b"7"
    assert step.reply.head.header(b"x-request-id") == b"req-9"
    assert "try again in 7s" in error_of(refused(started(), head))["message"]


def test_parts_of_a_second_are_rounded_up_in_the_header() -> None:
    step = refused(started(request(SDK)), Head(429, ((b"retry-after-ms", b"1200"),)))
    assert isinstance(step, Answer)
    assert step.reply.head.header(b"retry-after") == b"2"


def test_a_refused_key_is_reported_to_its_source_and_not_tried_again() -> None:
    key = Key()
    plan = started(key=key)
    assert isinstance(plan.on_head(Head(401)), Collect)
    assert key.refusals == 1


# Second tries --------------------------------------------------------------------------------------------------


def delays(plan: Plan, head: Head) -> list[float]:
    found = []
    while isinstance(step := plan.on_head(head), Send):
        found.append(step.delay)
        assert len(found) < 10
    return found


@pytest.mark.parametrize(
    ("status", "pauses"),
    [
        (408, [0.5]),
        (409, [0.5]),
        (500, [0.5, 1.0]),
        (502, [0.5, 1.0]),
        (503, [0.5, 1.0]),
        (504, [0.5, 1.0]),
        (529, [0.5, 1.0]),
        (400, []),
        (401, []),
        (403, []),
        (404, []),
        (413, []),
        (422, []),
        (429, []),
        (501, []),
    ],
)
def test_which_statuses_are_tried_again(status: int, pauses: list[float]) -> None:
    assert delays(started(), Head(status)) == pauses


@pytest.mark.parametrize(
    ("asked", "pauses"), [(b"3", [3.0, 3.0]), (b"0", [0.5, 1.0]), (b"8", [8.0, 8.0]), (b"9", [])]
)
def test_a_short_wait_is_waited_and_a_long_one_is_told(asked: bytes, pauses: list[float]) -> None:
    assert delays(started(), Head(503, ((b"retry-after", asked),))) == pauses


def test_the_same_request_is_sent_again() -> None:
    plan = plan_of()
    first = sent(plan.start())
    assert sent(plan.on_head(Head(500))) is first


def test_tries_are_counted_over_statuses_and_faults() -> None:
    plan = started()
    steps = [plan.on_head(Head(500)), plan.on_fault(Fault(FaultKind.RESET, "x"))]
    assert [type(step) for step in steps] == [Send, Answer]


@pytest.mark.parametrize("kind", FaultKind)
def test_which_faults_are_tried_again(kind: FaultKind) -> None:
    origin = Origin("https", "api.example.com", 443)
    fault, plan = Fault(kind, "detail", origin), started(request(SDK))
    step = plan.on_fault(fault)
    again = kind in {FaultKind.CONNECT, FaultKind.RESET}
    assert isinstance(step, Send) is again
    assert not isinstance(step, Send) or step.delay == 0.5
    error = error_of(plan.on_fault(fault) if again else step)
    assert error["status"] >= 500
    assert "row (example big-model)" in error["message"]


def test_a_connection_that_ended_while_idle_is_replaced_without_a_pause() -> None:
    step = started().on_fault(Fault(FaultKind.RESET, "x", reused=True))
    assert isinstance(step, Send)
    assert step.delay == 0


# Memory --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_can_be_referred_to(stream: bool) -> None:
    memory, dialect = Memory(), Parrot()
    plan = started(request(SDK, stream=stream), memory=memory)
    step = plan.on_head(SSE)
    if stream:
        stream_of(step, b"hello\nstop\n")
    else:
        plan.on_body(SSE, b"hello\nstop\n")
    asked = request(SDK, input="more", previous_response_id="resp_seed")
    started(asked, memory=memory, dialect=dialect)
    text = orjson.dumps([one.parts[0].text for one in dialect.written[0].items])  # type: ignore[union-attr]
    assert all(word in text for word in (b"hi", b"hello", b"more"))


def test_the_answer_to_a_reference_repeats_it() -> None:
    memory = Memory()
    stream_of(started(request(SDK), memory=memory).on_head(SSE), b"hello\nstop\n")
    asked = request(SDK, input="more", previous_response_id="resp_seed")
    step = started(asked, memory=memory).on_head(SSE)
    assert parse(stream_of(step, b"stop\n"))[0]["response"]["previous_response_id"] == "resp_seed"


def test_a_failed_answer_and_codex_turns_are_not_kept() -> None:
    memory = Memory()
    stream_of(started(request(SDK), memory=memory).on_head(SSE), b"half")
    stream_of(started(request(CODEX, store=False), memory=memory).on_head(SSE), b"a\nstop\n")
    assert len(memory) == 0


# Compaction ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [CODEX, SDK])
@pytest.mark.parametrize("stream", [True, False])
def test_the_unary_path_gives_one_item_and_never_a_stream(headers: Headers, stream: bool) -> None:
    dialect = Parrot()
    asked = request(headers, path="/v1/responses/compact", stream=stream)
    plan = started(asked, dialect=dialect)
    assert dialect.written[0].wants_compaction
    assert isinstance(plan.on_head(SSE), Collect)
    status, body = answered(plan.on_body(SSE, b"we did this\nstop\n"))
    answer = orjson.loads(body)
    (item,) = answer["output"]
    assert (status, answer["object"], item["type"]) == (200, "response.compaction", "compaction")
    assert answer["id"].startswith("resp_")
    assert isinstance(answer["created_at"], int)
    assert "we did this" in str(read_compaction(item))


@pytest.mark.parametrize(
    ("headers", "upstream", "status"), [(CODEX, 401, 400), (CODEX, 500, 400), (SDK, 401, 401)]
)
def test_the_unary_path_fails_with_a_status(headers: Headers, upstream: int, status: int) -> None:
    step = refused(started(request(headers, path="/v1/responses/compact")), Head(upstream))
    assert error_of(step)["status"] == status


def test_a_trigger_gives_a_stream_of_one_item() -> None:
    def read_trigger(payload: Mapping[str, object], lineage: str) -> Conversation | Problem:
        conversation = read(payload, lineage)
        assert isinstance(conversation, Conversation)
        return replace(conversation, wants_compaction=True)

    step = started(read=read_trigger).on_head(SSE)
    events = parse(stream_of(step, b"we did this\n", b"stop\n"))
    done = [event["item"]["type"] for event in events if event["type"].endswith("item.done")]
    assert (done, events[-1]["type"]) == (["compaction"], "response.completed")
    plan = started(request(SDK, stream=False), read=read_trigger)
    plan.on_head(SSE)
    whole = orjson.loads(answered(plan.on_body(SSE, b"we did this\nstop\n"))[1])
    assert (whole["object"], whole["status"]) == ("response", "completed")
    assert [item["type"] for item in whole["output"]] == ["compaction"]
