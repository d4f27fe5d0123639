"""A refused turn of a native Responses row: what is sent once more, and what stays as the client sent it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
import zstandard

from addons.core.protocols.responses.observer import PassThrough
from addons.core.providers.responses import ResponsesProvider
from addons.core.routes import PlanMaker, Route
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    EndsWithTurn,
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
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.traits import MemoryTraits
from tests.core.providers.rows import CODEX, ROUTE, SDK, TARGET, Key
from tests.core.providers.translated_turns import provider_with

NATIVE = replace(TARGET, protocol=Protocol.RESPONSES, path="/v1/responses")
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
OTHER = {"type": "input_image", "image_url": "data:image/png;base64,BBBB"}
EACH_CLIENT = pytest.mark.parametrize("headers", [CODEX, SDK], ids=["codex", "sdk"])


def plan(store: MemoryTraits, headers: Any = SDK, *, packed: bool = False, **fields: Any) -> Plan:
    provider = ResponsesProvider(target=NATIVE, key=Key(), clock=lambda: 1.0, store=store)
    body = orjson.dumps({"model": "row", "input": "hi", "stream": True, **fields})
    if packed:
        body = zstandard.ZstdCompressor().compress(body)
        headers = (*headers, (b"content-encoding", b"zstd"))
    return provider.plan(ClientRequest("POST", "/v1/responses", headers, body), ROUTE)


def body_of(step: Step) -> dict[str, Any]:
    assert isinstance(step, Send)
    value: dict[str, Any] = orjson.loads(step.request.body)
    return value


def refused(turn: Plan, message: str, status: int = 400) -> Step:
    assert isinstance(turn.on_head(Head(status)), Collect)
    return turn.on_body(Head(status), orjson.dumps({"error": {"message": message}}))


@EACH_CLIENT
def test_unknown_field_is_left_out_and_remembered(headers: Any) -> None:
    store = MemoryTraits()
    turn = plan(store, headers, prompt_cache_key="k", truncation="auto")
    turn.start()
    body = body_of(refused(turn, "Unknown parameter: 'prompt_cache_key'."))
    assert body.keys() == {"model", "input", "stream", "truncation"}
    turn.on_head(Head(200))
    assert "prompt_cache_key" not in body_of(plan(store, prompt_cache_key="k").start())


def test_compressed_body_is_sent_plain_once_it_is_changed() -> None:
    turn = plan(MemoryTraits(), packed=True, user="u")
    turn.start()
    step = refused(turn, "Unknown parameter: 'user'.")
    assert isinstance(step, Send)
    assert b"content-encoding" not in dict(step.request.headers)
    assert "user" not in body_of(step)


def test_refused_picture_becomes_a_note_and_the_others_stay() -> None:
    store, message = MemoryTraits(), {"role": "user", "content": [PICTURE, OTHER]}
    turn = plan(store, input=[message])
    turn.start()
    body = body_of(refused(turn, "Could not process image at input[0].content[1]"))
    assert body["input"][0]["content"][0] == PICTURE
    assert body["input"][0]["content"][1]["type"] == "input_text"
    turn.on_head(Head(200))
    output = {"type": "function_call_output", "call_id": "c", "output": [OTHER, PICTURE]}
    again = body_of(plan(store, input=[message, output]).start())
    assert [part["type"] for part in again["input"][1]["output"]] == ["input_text", "input_image"]


def test_model_without_pictures_gets_notes() -> None:
    store = MemoryTraits()
    turn = plan(store, input=[{"role": "user", "content": [PICTURE]}])
    turn.start()
    body = body_of(refused(turn, "this model does not support image input"))
    assert body["input"][0]["content"][0]["type"] == "input_text"


def test_refusal_that_cannot_be_repaired_arrives_as_it_was() -> None:
    turn = plan(MemoryTraits())
    turn.start()
    step = refused(turn, "Store must be set to false")
    assert isinstance(step, Answer)
    assert orjson.loads(step.reply.body) == {"error": {"message": "Store must be set to false"}}


LONG = "call_" + "x" * 80
CALL = {"type": "function_call", "call_id": LONG, "name": "a", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": LONG, "output": "x"}
TOO_LONG = "Invalid 'input[1].call_id': string too long. Expected a string with maximum length 64, but got a string with length 85 instead."


def test_long_call_id_is_shortened_in_the_call_and_its_output() -> None:
    store = MemoryTraits()
    turn = plan(store, input=[CALL, OUTPUT])
    turn.start()
    call, output = body_of(refused(turn, TOO_LONG))["input"]
    assert call["call_id"] == output["call_id"]
    assert len(call["call_id"]) <= 64
    turn.on_head(Head(200))
    assert body_of(plan(store, input=[CALL, OUTPUT]).start())["input"][0] == call


@pytest.mark.parametrize("own", [{"id": "rs_1"}, {"encrypted_content": "gA"}], ids=["id", "no id"])
def test_reasoning_without_its_answer_is_left_out(own: dict[str, str]) -> None:
    store = MemoryTraits()
    user = {"role": "user", "content": "go"}
    followed = {"type": "reasoning", "summary": [], "encrypted_content": "gB"}
    history = [followed, CALL, OUTPUT, {"type": "reasoning", "summary": [], **own}, user]
    turn = plan(store, input=history)
    turn.start()
    message = "Item 'rs_1' of type 'reasoning' was provided without its required following item."
    body = body_of(refused(turn, message))
    assert body["input"] == [followed, CALL, OUTPUT, user]
    turn.on_head(Head(200))
    assert body_of(plan(store, input=history).start())["input"] == body["input"]


@pytest.mark.parametrize(
    "message",
    [
        "file inputs are not supported by this model",
        "Invalid value: 'input_file'. Supported values are: 'input_text' and 'input_image'.",
        "input[0].content[0]: unknown variant `input_file`, expected `input_text`",
        "该模型不支持文件输入",
    ],
)
def test_file_becomes_a_note_where_none_is_taken(message: str) -> None:
    store = MemoryTraits()
    file = {
        "type": "input_file",
        "filename": "a.pdf",
        "file_data": "data:application/pdf;base64,AA==",
    }
    turn = plan(store, input=[{"role": "user", "content": [file, PICTURE]}])
    turn.start()
    body = body_of(refused(turn, message))
    assert [one["type"] for one in body["input"][0]["content"]] == ["input_text", "input_image"]
    turn.on_head(Head(200))
    other = {**file, "file_data": "data:application/pdf;base64,BB=="}
    again = body_of(plan(store, input=[{"role": "user", "content": [other]}]).start())
    assert again["input"][0]["content"][0]["type"] == "input_text"


def test_damaged_file_alone_becomes_a_note() -> None:
    first, second = (
        {"type": "input_file", "file_data": f"data:application/pdf;base64,{one}"} for one in "AB"
    )
    turn = plan(MemoryTraits(), input=[{"role": "user", "content": [first, second]}])
    turn.start()
    message = "The file data in input[0].content[0] could not be parsed as a PDF"
    content = body_of(refused(turn, message))["input"][0]["content"]
    assert [one["type"] for one in content] == ["input_text", "input_file"]


CUSTOM = {"type": "custom", "name": "apply_patch"}
REFUSED_TOOL = "`custom` tools are not supported on this endpoint"
UNSENT = Fault(FaultKind.CONNECT, "refused")


class ChatPlan:
    """The plan of the same turn in the chat protocol."""

    def start(self) -> Step:
        return Send(UpstreamRequest(NATIVE.origin, "POST", "/v1/chat/completions", (), b"{}"))

    def on_head(self, head: Head) -> Step:
        return Relay(head, PassThrough()) if head.status == 200 else Collect(9)

    def on_body(self, head: Head, body: bytes) -> Step:
        return Answer(Reply(head, body))

    def on_fault(self, fault: Fault) -> Step:
        return Answer(Reply(Head(502), fault.detail.encode()))


def chat_plan(_request: ClientRequest, _route: Route) -> Plan:
    return ChatPlan()


def two_protocols(
    store: MemoryTraits, path: str = "/v1/responses", other: PlanMaker = chat_plan
) -> Plan:
    provider = ResponsesProvider(
        target=NATIVE,
        key=Key(),
        clock=lambda: 1.0,
        store=store,
        other=other,
    )
    body = orjson.dumps({"model": "row", "input": "hi", "stream": True, "tools": [CUSTOM]})
    return provider.plan(ClientRequest("POST", path, SDK, body), ROUTE)


def path_of(step: Step) -> str:
    assert isinstance(step, Send)
    return step.request.path


def test_server_that_knows_only_functions_gets_the_chat_protocol_from_then_on() -> None:
    store = MemoryTraits()
    turn = two_protocols(store)
    assert path_of(turn.start()) == "/v1/responses"
    assert path_of(refused(turn, REFUSED_TOOL)) == "/v1/chat/completions"
    assert isinstance(turn.on_head(Head(200)), Relay)
    assert path_of(two_protocols(store).start()) == "/v1/chat/completions"


def test_refusal_is_answered_where_the_chat_protocol_is_refused_too() -> None:
    store = MemoryTraits()
    turn = two_protocols(store)
    turn.start()
    refused(turn, REFUSED_TOOL)
    last = refused(turn, "no such path", 404)
    assert isinstance(last, Answer)
    assert last.reply.head.status == 400
    assert REFUSED_TOOL.encode() in last.reply.body
    assert path_of(two_protocols(store).start()) == "/v1/responses"


def test_refusal_is_answered_where_the_chat_protocol_cannot_be_reached() -> None:
    turn = two_protocols(MemoryTraits())
    turn.start()
    refused(turn, REFUSED_TOOL)
    last = turn.on_fault(Fault(FaultKind.CONNECT, "refused"))
    assert isinstance(last, Answer)
    assert REFUSED_TOOL.encode() in last.reply.body


def test_refused_chat_protocol_holds_nothing_after_its_turn() -> None:
    """The plan of the other protocol counts its turn too, and would count it for ever."""
    for is_fault in (False, True):
        chat = provider_with(clock=lambda: 1.0)
        turn = two_protocols(MemoryTraits(), other=chat.plan)
        turn.start()
        refused(turn, REFUSED_TOOL)
        assert chat.retries.running == 1
        while isinstance(turn.on_fault(UNSENT) if is_fault else refused(turn, "none", 404), Send):
            pass
        assert isinstance(turn, EndsWithTurn)
        turn.ended()
        assert (chat.retries.running, chat.retries.retrying) == (0, 0)


def test_turn_in_one_protocol_counts_until_it_ends() -> None:
    provider = ResponsesProvider(target=NATIVE, key=Key(), clock=lambda: 1.0)
    turn = provider.plan(ClientRequest("POST", "/v1/responses", SDK, b'{"model":"row"}'), ROUTE)
    assert isinstance(turn, EndsWithTurn)
    turn.start()
    assert isinstance(turn.on_head(Head(503)), Send)
    assert (provider.retries.running, provider.retries.retrying) == (1, 1)
    turn.ended()
    assert (provider.retries.running, provider.retries.retrying) == (0, 0)


def test_compaction_stays_in_the_native_protocol() -> None:
    turn = two_protocols(MemoryTraits(), "/v1/responses/compact")
    turn.start()
    assert isinstance(refused(turn, REFUSED_TOOL), Answer)


def test_refusal_of_a_protocol_that_was_learnt_before_is_answered_as_it_is() -> None:
    store = MemoryTraits()
    first = two_protocols(store)
    first.start()
    refused(first, REFUSED_TOOL)
    first.on_head(Head(200))
    later = two_protocols(store)
    later.start()
    last = refused(later, "no such model", 404)
    assert isinstance(last, Answer)
    assert (last.reply.head.status, b"no such model" in last.reply.body) == (404, True)


def test_task_that_another_service_encrypted_is_an_error_that_says_what_to_do() -> None:
    part = {"type": "encrypted_content", "encrypted_content": "gAAAAA" + 90 * "x"}
    turn = plan(MemoryTraits(), input=[{"type": "agent_message", "content": [part]}])
    assert body_of(turn.start())["input"][0]["type"] == "agent_message"

    step = refused(turn, "Invalid value: 'agent_message'. Supported values are: 'message'.")

    assert isinstance(step, Answer)
    assert b"plain_handover" in step.reply.body
