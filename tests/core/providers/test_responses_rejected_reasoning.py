"""Reasoning that an upstream refuses: the turn is sent again without it, and later turns of the thread omit it."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
import zstandard

from addons.core.headers import Headers
from addons.core.providers.chatgpt import ChatGPTProvider
from addons.core.providers.responses import ResponsesProvider
from addons.core.routes import PlanMaker
from addons.core.turn import Answer, ClientRequest, Collect, Head, Plan, Relay, Send, Step
from tests.core.providers.chatgpt_turns import Logins
from tests.core.providers.rows import CODEX, ROUTE, SDK, Key, with_target

USER = {"type": "message", "role": "user", "content": "hi"}
CALL = {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"}
THEIRS = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "of-another"}
NEWER = {**THEIRS, "id": "rs_2", "encrypted_content": "of-this-one"}
SHOWN = {"type": "reasoning", "id": "rs_3", "summary": []}
BODY = {"model": "row", "input": [USER, THEIRS, CALL, SHOWN], "store": False, "stream": True}
THREAD = (b"thread-id", b"thread-1")
JSON = (b"content-type", b"application/json")
HEAD = Head(400, (JSON, (b"x-request-id", b"r"), (b"transfer-encoding", b"chunked")))
REFUSAL = orjson.dumps({"error": {"code": "invalid_encrypted_content", "message": "no"}})


def chatgpt() -> PlanMaker:
    return ChatGPTProvider(Logins()).plan


def native() -> PlanMaker:
    return ResponsesProvider(
        target=with_target(model="big-model"), key=Key(), clock=lambda: 0.0
    ).plan


ROUTES = pytest.mark.parametrize("route", [chatgpt, native])
Make = Callable[[], PlanMaker]


def turn(headers: Headers = (*CODEX, THREAD), *items: object) -> ClientRequest:
    payload = {**BODY, "input": list(items)} if items else BODY
    return ClientRequest("POST", "/v1/responses", headers, orjson.dumps(payload))


def input_of(step: Step) -> list[object]:
    assert isinstance(step, Send)
    payload = orjson.loads(step.request.body)
    assert {**payload, "input": 0, "model": 0} == {**BODY, "input": 0, "model": 0}
    found = payload["input"]
    assert isinstance(found, list)
    return found


def refused(plan: Plan, refusal: bytes = REFUSAL, head: Head = HEAD) -> Step:
    assert isinstance(plan.start(), Send)
    assert isinstance(plan.on_head(head), Collect)
    return plan.on_body(head, refusal)


@ROUTES
@pytest.mark.parametrize("headers", [(*CODEX, THREAD), SDK])
def test_turn_is_sent_again_once_without_the_refused_reasoning(
    route: Make, headers: Headers
) -> None:
    request = turn(headers)
    plan = route()(request, ROUTE)
    first = plan.start()
    assert input_of(first) == BODY["input"]
    plan.on_head(HEAD)
    again = plan.on_body(HEAD, REFUSAL)
    assert input_of(again) == [USER, CALL, SHOWN]
    assert isinstance(first, Send)
    assert isinstance(again, Send)
    assert again.request.headers == first.request.headers
    assert again.request.secrets == first.request.secrets
    assert request.notes.dropped == ["reasoning that the upstream refused: 1 items"]
    step = plan.on_head(HEAD)
    assert isinstance(
        plan.on_body(HEAD, REFUSAL) if isinstance(step, Collect) else step, Relay | Answer
    )


@ROUTES
def test_later_turns_omit_it_and_keep_their_own_reasoning(route: Make) -> None:
    plans = route()
    refused(plans(turn(), ROUTE))
    later = turn((*CODEX, THREAD), USER, THEIRS, CALL, NEWER)
    assert input_of(plans(later, ROUTE).start()) == [USER, CALL, NEWER]
    assert later.notes.dropped == ["input[1]: reasoning of another upstream"]
    other = turn((*CODEX, (b"thread-id", b"thread-2")))
    assert input_of(plans(other, ROUTE).start()) == BODY["input"]


@ROUTES
def test_thread_without_refused_reasoning_passes_as_the_same_object(route: Make) -> None:
    plans = route()
    refused(plans(turn(), ROUTE))
    payload = {**BODY, "model": "big-model", "input": [USER, NEWER]}
    later = ClientRequest("POST", "/v1/responses", (*CODEX, THREAD), orjson.dumps(payload), model="big-model")  # fmt: skip
    step = plans(later, ROUTE).start()
    assert isinstance(step, Send)
    assert step.request.body is later.body


@ROUTES
def test_compressed_turn_stays_compressed(route: Make) -> None:
    packed = zstandard.ZstdCompressor().compress(orjson.dumps(BODY))
    headers = (*CODEX, (b"content-encoding", b"zstd"))
    step = refused(route()(ClientRequest("POST", "/v1/responses", headers, packed), ROUTE))
    assert isinstance(step, Send)
    plain = zstandard.ZstdDecompressor().stream_reader(step.request.body).read()
    assert orjson.loads(plain)["input"] == [USER, CALL, SHOWN]


@ROUTES
@pytest.mark.parametrize(
    "message",
    [
        "The encrypted content gAAA...DQ== could not be verified.",
        "Could not decrypt the provided encrypted_content.",
    ],
)
def test_refusal_without_a_code_is_recognized_by_its_message(route: Make, message: str) -> None:
    detailed = {"error": {"code": None, "type": "invalid_request_error", "message": message}}
    for body in (detailed, {"error": message}):
        assert isinstance(refused(route()(turn(), ROUTE), orjson.dumps(body)), Send)


OTHERS = pytest.mark.parametrize(
    "refusal",
    [b'{"error": {"code": "x", "message": "no"}}', b'{"detail": "Store must be set to false"}', b"{", b"[1]"],
)  # fmt: skip


@OTHERS
@pytest.mark.parametrize("headers", [CODEX, SDK])
def test_other_refusal_of_the_backend_is_passed_on_unchanged(
    headers: Headers, refusal: bytes
) -> None:
    step = refused(chatgpt()(turn(headers), ROUTE), refusal)
    assert isinstance(step, Answer)
    assert step.reply.body == refusal
    assert step.reply.head == Head(400, (JSON, (b"x-request-id", b"r")))


@OTHERS
def test_other_refusal_of_a_row_is_passed_on_to_other_clients(refusal: bytes) -> None:
    step = refused(native()(turn(SDK), ROUTE), refusal)
    assert isinstance(step, Answer)
    assert (step.reply.head.status, step.reply.body) == (400, refusal)
    to_codex = refused(native()(turn(), ROUTE), refusal)
    assert isinstance(to_codex, Answer)
    assert to_codex.reply.head.status == 200


@pytest.mark.parametrize(
    ("status", "items"), [(400, [USER, CALL]), (401, [THEIRS]), (422, [THEIRS]), (200, [THEIRS])]
)
def test_answer_that_cannot_be_such_a_refusal_is_relayed(status: int, items: list[object]) -> None:
    plan = chatgpt()(turn(SDK, *items), ROUTE)
    plan.start()
    assert isinstance(plan.on_head(Head(status, (JSON, (b"content-length", b"2")))), Relay)


def test_user_text_is_not_reasoning() -> None:
    quoted = {**USER, "content": [{"type": "input_text", "encrypted_content": "x"}]}
    step = refused(chatgpt()(turn(SDK, quoted), ROUTE))
    assert isinstance(step, Answer)
    assert step.reply.body == REFUSAL
