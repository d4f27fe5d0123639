"""The emitter: tool calls, and that half of one is never delivered."""

from __future__ import annotations

import orjson
import pytest

from addons.core.translate.endings import Client
from addons.core.translate.events import (
    CallKind,
    Event,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from tests.conformance import parse
from tests.core.translate.emitted import END, TOOLS, call, outcome, stream


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
    _, first, second = outcome(*events)["output"]
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


def test_text_on_both_sides_of_a_call_makes_two_messages_in_that_order() -> None:
    output = outcome(TextDelta("a"), *call(0, "{}"), TextDelta("b"), END)["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "message"]


def test_an_index_may_be_used_again_after_its_call_has_ended() -> None:
    assert len(outcome(*call(0, "{}"), *call(0, "{}"), TOOLS)["output"]) == 2


@pytest.mark.parametrize(("kind", "named"), [(CallKind.FUNCTION, True), (CallKind.CUSTOM, False)])
def test_the_end_of_the_arguments_names_a_function_alone(kind: CallKind, *, named: bool) -> None:
    [done] = [
        one
        for one in parse(stream(*call(0, "{}", kind=kind), TOOLS))
        if "_call_" in one["type"] and one["type"].endswith(".done")
    ]
    assert (done.get("name") == "exec") is named
    assert ("name" in done) is named


def test_a_custom_call_carries_free_text() -> None:
    (item,) = outcome(*call(0, "*** Begin", " Patch", kind=CallKind.CUSTOM), TOOLS)["output"]
    assert item == {
        "id": "ctc_0a1b_0",
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "call_0",
        "name": "exec",
        "input": "*** Begin Patch",
    }


def test_a_local_shell_call_carries_an_action() -> None:
    action = {"type": "exec", "command": ["ls"], "env": {}}
    arguments = orjson.dumps(action).decode()
    (item,) = outcome(*call(0, arguments, kind=CallKind.LOCAL_SHELL), TOOLS)["output"]
    assert item["action"] == action
    assert item["type"] == "local_shell_call"


def test_a_function_called_without_arguments_gets_an_empty_object() -> None:
    assert outcome(*call(0), TOOLS)["output"][0]["arguments"] == "{}"


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
def test_half_a_call_is_never_delivered(events: list[Event], code: str, client: Client) -> None:
    response = outcome(*events, client=client)
    assert response["status"] == "failed"
    assert response["error"]["code"] == code
    assert all(item["arguments"] == "{}" for item in response["output"])


def test_a_whole_call_beside_half_a_call_fails_the_turn_too() -> None:
    response = outcome(*call(0, "{}"), *call(1, "{"), TOOLS)
    assert response["status"] == "failed"
    assert "exec" in response["error"]["message"]
    assert [item["call_id"] for item in response["output"]] == ["call_0"]
