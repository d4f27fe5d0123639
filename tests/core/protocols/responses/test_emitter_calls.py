"""The emitter: tool calls. An incomplete call is never delivered."""

from __future__ import annotations

import orjson
import pytest

from addons.core.protocols.canonical.events import (
    CallKind,
    Event,
    ReasoningDelta,
    RefusalDelta,
    Stopped,
    StopReason,
    TextDelta,
    TextDone,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from addons.core.protocols.responses.stop_mapping import Client
from tests.conformance import parse
from tests.core.protocols.responses.emitted import END, TOOLS, call, final_response, stream


def test_parallel_calls_may_interleave_and_keep_their_order() -> None:
    events: list[Event] = [
        TextDelta("let me see"),
        ToolCallStart(0, "call_a", "exec"),
        ToolCallStart(1, "call_b", "read", namespace="mcp__files"),
        ToolCallDelta(1, '{"p'),
        ToolCallDelta(0, '{"cmd":'),
        ToolCallDelta(1, '":1}'),
        ToolCallEnd(1),
        ToolCallDelta(0, '"ls"}'),
        ToolCallEnd(0),
        TOOLS,
    ]
    _, first, second = final_response(*events)["output"]
    assert first == {
        "id": "fc_0a1b_1",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_a",
        "name": "exec",
        "arguments": '{"cmd":"ls"}',
    }
    assert second["namespace"] == "mcp__files"
    assert second["arguments"] == '{"p":1}'


def test_text_before_and_after_a_call_makes_two_messages() -> None:
    output = final_response(TextDelta("a"), *call(0, "{}"), TextDelta("b"), END)["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "message"]


def test_index_can_be_reused_after_its_call_has_ended() -> None:
    assert len(final_response(*call(0, "{}"), *call(0, "{}"), TOOLS)["output"]) == 2


@pytest.mark.parametrize(("kind", "named"), [(CallKind.FUNCTION, True), (CallKind.CUSTOM, False)])
def test_only_the_done_event_of_a_function_has_a_name(kind: CallKind, *, named: bool) -> None:
    [done] = [
        one
        for one in parse(stream(*call(0, "{}", kind=kind), TOOLS))
        if "_call_" in one["type"] and one["type"].endswith(".done")
    ]
    assert (done.get("name") == "exec") is named
    assert ("name" in done) is named


def test_custom_call_has_free_text() -> None:
    (item,) = final_response(*call(0, "*** Begin", " Patch", kind=CallKind.CUSTOM), TOOLS)["output"]
    assert item == {
        "id": "ctc_0a1b_0",
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "call_0",
        "name": "exec",
        "input": "*** Begin Patch",
    }


def test_local_shell_call_has_an_action() -> None:
    action = {"type": "exec", "command": ["ls"], "env": {}}
    arguments = orjson.dumps(action).decode()
    (item,) = final_response(*call(0, arguments, kind=CallKind.LOCAL_SHELL), TOOLS)["output"]
    assert item["action"] == action
    assert item["type"] == "local_shell_call"


def test_function_without_arguments_gets_an_empty_object() -> None:
    assert final_response(*call(0), TOOLS)["output"][0]["arguments"] == "{}"


@pytest.mark.parametrize("client", Client)
@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([ToolCallStart(0, "c", "rm"), ToolCallDelta(0, '{"cmd"'), TOOLS], "tool_call_incomplete"),
        ([*call(0, '{"command": "rm -rf bui'), TOOLS], "tool_call_incomplete"),
        ([*call(0, '{"command": "rm -rf bui'), END], "tool_call_incomplete"),
        ([*call(0, '{"cmd": "a"}')[:-1], TOOLS], "tool_call_incomplete"),
        ([*call(0, "*** Begin", kind=CallKind.CUSTOM)[:-1], TOOLS], "tool_call_incomplete"),
        ([*call(0, '{"a'), *call(0, "{}"), TOOLS], "tool_call_incomplete"),
        ([*call(0, '{"a'), Stopped(StopReason.LENGTH)], "invalid_prompt"),
        ([ToolCallDelta(3, "{}"), TOOLS], "upstream_protocol"),
        ([*call(0, "{}"), ToolCallDelta(0, "{}"), TOOLS], "upstream_protocol"),
    ],
)
def test_incomplete_call_is_never_delivered(events: list[Event], code: str, client: Client) -> None:
    response = final_response(*events, client=client)
    assert response["status"] == "failed"
    assert response["error"]["code"] == code
    assert all(item["arguments"] == "{}" for item in response["output"])


def test_complete_call_with_an_incomplete_one_fails_the_turn() -> None:
    response = final_response(*call(0, "{}"), *call(1, "{"), TOOLS)
    assert response["status"] == "failed"
    assert "exec" in response["error"]["message"]
    assert [item["call_id"] for item in response["output"]] == ["call_0"]


def test_malformed_arguments_are_delivered_if_the_call_is_complete() -> None:
    events = [*call(0, '{"cmd": "a'), ToolCallEnd(0, malformed=True), TOOLS]
    (item,) = final_response(*events)["output"]
    assert item["arguments"] == '{"cmd": "a'


def test_action_is_delivered_only_as_json() -> None:
    events = [
        *call(0, '{"cmd', kind=CallKind.LOCAL_SHELL)[:-1],
        ToolCallEnd(0, malformed=True),
        TOOLS,
    ]
    assert final_response(*events)["error"]["code"] == "tool_call_incomplete"


@pytest.mark.parametrize("client", Client)
@pytest.mark.parametrize(
    "events",
    [
        [],
        [TextDelta(" \n")],
        [RefusalDelta(" ")],
        [ReasoningDelta("hm")],
        [TextDelta("\n"), TextDone(), TextDelta(" ")],
        [TextDelta("\u200b\ufeff")],
        [TextDelta("\u200b"), TextDone(), TextDelta(" \u2060")],
    ],
)
def test_answer_without_text_or_call_fails(events: list[Event], client: Client) -> None:
    for end in (END, TOOLS):
        response = final_response(*events, end, client=client)
        assert response["status"] == "failed"
        assert response["error"]["code"] == "empty_answer"


@pytest.mark.parametrize(
    "events",
    [
        [TextDelta(" \n"), TextDelta("x")],
        [TextDelta("x"), TextDone(), TextDelta(" ")],
        [RefusalDelta("no")],
        [*call(0, "{}"), TextDelta(" ")],
    ],
)
def test_text_or_a_call_is_an_answer(events: list[Event]) -> None:
    assert final_response(*events, END)["status"] == "completed"
