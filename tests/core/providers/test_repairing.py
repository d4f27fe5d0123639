"""A refused turn of a translated row: which request is sent next, what is kept, and what is taken back."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.chat import request as chat
from addons.core.protocols.responses.observer import PassThrough
from addons.core.protocols.responses.request import read_request
from addons.core.protocols.translator import EventReader, ProtocolTranslator
from addons.core.secrets import Secret, SecretHeader
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
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from addons.core.upstream.traits import MemoryTraits
from tests.core.providers.rows import SDK, TARGET, Key, request
from tests.core.providers.translated_turns import SSE, error_of, next_step, plan_of, sent

CHAT = replace(TARGET, protocol=Protocol.CHAT, path="/v1/chat/completions")


def turn(**fields: Any) -> ClientRequest:
    body = {"model": "row", "input": "hi", "stream": True, **fields}
    return replace(request(SDK), body=orjson.dumps(body))


def plan(store: MemoryTraits, client_request: ClientRequest | None = None, **fields: Any) -> Plan:
    translator = cast("ProtocolTranslator", chat)
    given = {"target": CHAT, "translator": translator, "read": read_request, "store": store}
    return plan_of(client_request or turn(), **{**given, **fields})


def body_of(step: Step) -> dict[str, Any]:
    return cast("dict[str, Any]", orjson.loads(sent(step).body))


def unknown(field: str) -> bytes:
    message = f"Unrecognized request argument supplied: {field}"
    return orjson.dumps({"error": {"message": message, "param": None, "code": None}})


def test_what_was_made_ready_for_a_refused_request_answers_no_other() -> None:
    targets: list[Target] = []

    def reader(conversation: Conversation, target: Target) -> EventReader:
        targets.append(target)
        return chat.reader(conversation, target)

    noting = SimpleNamespace(write_request=chat.write_request, reader=reader)
    first = plan(MemoryTraits(), translator=noting)
    step = first.start()
    assert isinstance(step, Send)
    assert step.make_ready
    step.make_ready()
    sent(next_step(first, Head(400), unknown("stream_options")))
    assert isinstance(first.on_head(SSE), Relay)
    assert len(targets) == 2
    assert targets[0] != targets[1]


def test_refused_field_is_left_out_and_remembered() -> None:
    store = MemoryTraits()
    first = plan(store)
    assert "stream_options" in body_of(first.start())
    assert "stream_options" not in body_of(next_step(first, Head(400), unknown("stream_options")))
    assert store.current(CHAT.traits_scope).entries == {}  # nobody knows yet whether it helped
    assert isinstance(first.on_head(SSE), Relay)
    assert list(store.current(CHAT.traits_scope).entries) == ["omit:stream_options"]
    assert "stream_options" not in body_of(plan(store).start())


def test_nothing_is_learnt_from_a_fault_of_the_moment() -> None:
    store = MemoryTraits()
    first = plan(store)
    first.start()
    passing = b'{"error":{"message":"stream_options are temporarily not supported"}}'
    assert "stream_options" not in body_of(next_step(first, Head(400), passing))
    assert isinstance(first.on_head(SSE), Relay)
    assert store.current(CHAT.traits_scope).entries == {}
    assert "stream_options" in body_of(plan(store).start())


def test_repair_is_noted_in_the_record() -> None:
    client_request = turn()
    refused = plan(MemoryTraits(), client_request)
    refused.start()
    next_step(refused, Head(400), unknown("stream_options"))
    assert client_request.notes.repairs == ["sent without `stream_options`"]


def test_refusal_text_is_kept_without_the_key_that_it_repeats() -> None:
    store, key = MemoryTraits(), "row-key-5f1e0c77a2"
    source = Key()
    header = SecretHeader(b"authorization", Secret(key), CHAT.origin, b"Bearer ")
    source.current = lambda: (header,)  # type: ignore[method-assign]
    first = plan(store, key=source)
    first.start()
    words = {"error": f"Unknown parameter: 'stream_options' for key {key}"}
    next_step(first, Head(400), orjson.dumps(words))
    first.on_head(SSE)
    trait = store.current(CHAT.traits_scope).entries["omit:stream_options"]
    assert trait.refusal_text.startswith("Unknown parameter: 'stream_options' for key ")
    assert key not in trait.refusal_text


def test_change_that_did_not_help_is_taken_back() -> None:
    store, client_request = MemoryTraits(), turn(temperature=1, max_output_tokens=900)
    refused = plan(store, client_request)
    refused.start()
    body = body_of(next_step(refused, Head(400), unknown("temperature")))
    assert "temperature" not in body
    assert error_of(next_step(refused, Head(400), unknown("temperature")))["status"] == 400
    assert store.current(CHAT.traits_scope).entries == {}


def test_change_is_kept_when_the_next_refusal_has_another_reason() -> None:
    store, client_request = MemoryTraits(), turn(temperature=1, top_p=0.5)
    refused = plan(store, client_request)
    refused.start()
    next_step(refused, Head(400), unknown("temperature"))
    body = body_of(next_step(refused, Head(400), unknown("top_p")))
    assert not {"temperature", "top_p"} & body.keys()
    assert list(store.current(CHAT.traits_scope).entries) == ["omit:temperature"]


def test_at_most_three_repairs_a_turn() -> None:
    client_request = turn(temperature=1, top_p=0.5, max_output_tokens=9)
    refused = plan(MemoryTraits(), client_request)
    refused.start()
    for field in ("temperature", "top_p", "stream_options"):
        sent(next_step(refused, Head(400), unknown(field)))
    assert error_of(next_step(refused, Head(400), unknown("max_tokens")))["status"] == 400
    assert len(client_request.notes.repairs) == 3


def test_field_of_the_row_stays_and_is_named() -> None:
    row = replace(CHAT, extra_body={"top_k": 5})
    refused = plan(MemoryTraits(), target=row)
    assert body_of(refused.start())["top_k"] == 5
    error = error_of(next_step(refused, Head(400), unknown("top_k")))
    assert "extra_body_params.top_k in models.json" in error["message"]


def test_retries_and_repairs_share_one_budget() -> None:
    refused = plan(MemoryTraits())
    refused.start()
    next_step(refused, Head(400), unknown("stream_options"))
    bodies = [body_of(next_step(refused, Head(503))) for _ in range(2)]
    assert all("stream_options" not in body for body in bodies)
    assert error_of(next_step(refused, Head(503)))["status"] == 503


def test_template_error_in_a_500_is_not_retried() -> None:
    refused = plan(MemoryTraits())
    refused.start()
    words = orjson.dumps({"error": {"message": "Jinja Exception: no tools here"}})
    assert error_of(next_step(refused, Head(500), words))["status"] == 400


@pytest.mark.parametrize(
    "words",
    [
        "insufficient balance (1008)",
        "Error code: 400 - {'error': {'message': 'the prompt was flagged'}}",
    ],
)
def test_refusal_in_a_500_that_repeats_is_not_retried(words: str) -> None:
    refused = plan(MemoryTraits())
    refused.start()
    body = orjson.dumps({"error": {"message": words, "type": "api_error"}})
    assert error_of(next_step(refused, Head(500), body))["status"] in {400, 429}


class Other:
    """The plan of the same turn in another protocol."""

    def __init__(self, *bodies: Step) -> None:
        self.bodies = list(bodies)

    def start(self) -> Step:
        return Send(UpstreamRequest(CHAT.origin, "POST", "/v1/responses", (), b"{}"))

    def on_head(self, head: Head) -> Step:
        return Relay(head, PassThrough()) if head.status == 200 else Collect(9)

    def on_body(self, head: Head, body: bytes) -> Step:
        return Answer(Reply(head, body))

    def on_fault(self, fault: Fault) -> Step:
        return Answer(Reply(Head(502), fault.detail.encode()))


TERRA = orjson.dumps({"error": {"message": "Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. Please use /v1/responses instead."}})  # fmt: skip
EFFORT = replace(CHAT, profile=Profile(effort_style="reasoning_effort"))
TOOL = {"type": "function", "name": "a", "parameters": {"type": "object"}}


def terra_plan(store: MemoryTraits, *, has_other: bool = True) -> Plan:
    client_request = turn(tools=[TOOL], reasoning={"effort": "high"})
    other = (lambda _request, _route: Other()) if has_other else None
    return plan(store, client_request, target=EFFORT, other=other)


def test_model_that_requires_the_responses_protocol_gets_it_from_then_on() -> None:
    store = MemoryTraits()
    refused = terra_plan(store)
    assert sent(refused.start()).path.endswith("/chat/completions")
    assert sent(next_step(refused, Head(400), TERRA)).path == "/v1/responses"
    assert isinstance(refused.on_head(Head(200)), Relay)
    again = terra_plan(store)
    assert sent(again.start()).path == "/v1/responses"
    assert isinstance(again.on_head(Head(200)), Relay)


@pytest.mark.parametrize("status", [400, 404, 405, 502])
def test_effort_is_none_where_the_responses_protocol_is_refused_too(status: int) -> None:
    store = MemoryTraits()
    refused = terra_plan(store)
    refused.start()
    next_step(refused, Head(400), TERRA)
    assert body_of(next_step(refused, Head(status), b"no"))["reasoning_effort"] == "none"
    refused.on_head(SSE)
    assert list(store.current(EFFORT.traits_scope).entries) == ["effort_with_tools"]


def test_effort_is_none_where_the_responses_protocol_cannot_be_reached() -> None:
    refused = terra_plan(MemoryTraits())
    refused.start()
    next_step(refused, Head(400), TERRA)
    step = refused.on_fault(Fault(FaultKind.CONNECT, "refused"))
    assert body_of(step)["reasoning_effort"] == "none"


def test_effort_is_none_where_the_row_names_the_chat_endpoint() -> None:
    refused = terra_plan(MemoryTraits(), has_other=False)
    refused.start()
    assert body_of(next_step(refused, Head(400), TERRA))["reasoning_effort"] == "none"


@pytest.mark.parametrize(
    ("status", "message"), [(401, "x-api-key header is required"), (403, "Missing API key")]
)
def test_key_is_sent_in_the_other_header_once(status: int, message: str) -> None:
    store = MemoryTraits()
    refused = plan(store)
    assert sent(refused.start()).secrets[0].name == b"authorization"
    body = orjson.dumps({"error": {"message": message}})
    again = sent(next_step(refused, Head(status), body)).secrets[0]
    assert (again.name, again.prefix, again.bound_to) == (b"x-api-key", b"", CHAT.origin)
    assert error_of(next_step(refused, Head(status), body))["status"] == status
    assert store.current(CHAT.traits_scope).entries == {}


def test_same_json_with_another_order_of_fields_is_not_sent_again() -> None:
    target = replace(
        CHAT,
        profile=Profile(effort_style="reasoning_effort"),
        extra_body={"reasoning_effort": "high"},
    )
    client_request = turn(reasoning={"effort": "high"}, temperature=0.5)
    going = plan(MemoryTraits(), client_request, target=target)
    sent(going.start())
    refusal = orjson.dumps({"error": {"message": "reasoning_effort is not supported"}})
    assert isinstance(going.on_body(Head(400), refusal), Answer)
