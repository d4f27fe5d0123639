"""Reasoning of earlier answers in a chat request: what comes back, in which field, and when thinking is switched off."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from addons.core.protocols.canonical.conversation import (
    Call,
    Conversation,
    Item,
    Output,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    User,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.chat.request import write_request
from addons.core.settings.profiles import profile_for
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from tests.core.protocols.chat.streams import target

CALL = (Call("call_1", "exec", "{}"), Output("call_1", (Text("ok"),)))
TOOL = Tool("exec", "exec", None, CallKind.FUNCTION, "Runs.", {"type": "object", "properties": {}})
ASK = User((Text("go"),))


def body(*items: Item, profile: Profile | None = None, **fields: Any) -> dict[str, Any]:
    to = target(profile or Profile())
    written = write_request(Conversation((ASK, *items), **fields), to)
    assert isinstance(written, bytes)
    return dict(orjson.loads(written))


def seen(field: str, value: object, profile: Profile | None = None) -> Reasoning:
    """Return reasoning that this very model sent in a field."""
    scope = target(profile or Profile()).reasoning_scope
    return Reasoning("shown", wrap(scope, {"reasoning": value, "field": field}))


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_comes_back_in_the_field_it_came_in(field: str) -> None:
    messages = body(seen(field, "why"), *CALL)["messages"]
    assert messages[1][field] == "why"


def test_details_come_back_unchanged() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x", "index": 0}]
    assert (
        body(seen("reasoning_details", details), *CALL)["messages"][1]["reasoning_details"]
        == details
    )


@pytest.mark.parametrize("field", ["content", "role", "tool_calls", ""])
def test_no_other_field_is_written_from_a_blob(field: str) -> None:
    message = body(seen(field, "why"), *CALL)["messages"][1]
    assert message["role"] == "assistant"
    assert "why" not in str(message)


def test_reasoning_of_another_model_does_not_come_back() -> None:
    other = Reasoning(
        "shown", wrap("chat:https://else:m", {"reasoning": "x", "field": "reasoning"})
    )
    assert "reasoning" not in body(other, *CALL)["messages"][1]


@pytest.mark.parametrize(
    ("family", "model", "off"),
    [
        ("deepseek", "deepseek-v4-pro", {"thinking": {"type": "disabled"}}),
        ("kimi", "kimi-k2.6", {"thinking": {"type": "disabled"}}),
    ],
)
def test_thinking_is_off_after_calls_of_another_model(
    family: str, model: str, off: dict[str, object]
) -> None:
    profile = profile_for(family, model, Protocol.CHAT)
    broken = body(*CALL, profile=profile, effort="high")
    assert {key: broken[key] for key in off} == off
    assert "reasoning_effort" not in broken
    whole = body(seen("reasoning_content", "why", profile), *CALL, profile=profile, effort="high")
    assert whole["thinking"] == {"type": "enabled"}
    assert whole["messages"][1]["reasoning_content"] == "why"


@pytest.mark.parametrize(
    ("style", "off"),
    [
        ("none", {"thinking": {"type": "disabled"}}),
        ("reasoning_effort", {"thinking": {"type": "disabled"}}),
        ("enable_thinking", {"enable_thinking": False}),
        ("reasoning_object", {"reasoning": {"effort": "none"}}),
    ],
)
def test_learnt_switch_has_the_form_of_the_profile(style: Any, off: dict[str, object]) -> None:
    profile = Profile(effort_style=style, needs_own_reasoning=True)
    written = body(*CALL, profile=profile, effort="high")
    switches = ("thinking", "enable_thinking", "reasoning", "reasoning_effort")
    assert {key: written[key] for key in switches if key in written} == off


def test_effort_with_tools_is_none_where_the_model_refuses_it() -> None:
    profile = Profile(effort_style="reasoning_effort", effort_with_tools=False)
    assert body(profile=profile, effort="high", tools=(TOOL,))["reasoning_effort"] == "none"
    assert body(profile=profile, effort="high")["reasoning_effort"] == "high"


def test_named_tool_becomes_required_where_an_object_is_refused() -> None:
    choice = ToolChoice("named", TOOL.upstream_name)
    written = body(profile=Profile(tool_choice_named=False), tools=(TOOL,), choice=choice)
    assert written["tool_choice"] == "required"
    written = body(profile=Profile(tool_choice_required=False), tools=(TOOL,), choice=choice)
    assert "tool_choice" not in written


def test_call_ids_of_the_upstreams_own_form_come_back_byte_for_byte() -> None:
    long = "chatcmpl-tool-" + "0" * 60
    items = (Call(long, "exec", "{}"), Output(long, (Text("ok"),)))
    messages = body(*items, profile=Profile(call_ids="verbatim"))["messages"]
    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == long
    assert body(*items, profile=Profile(call_ids="openai"))["messages"][2]["tool_call_id"] != long


def test_choice_of_no_tool_is_said_in_words_where_the_field_is_refused() -> None:
    choice = ToolChoice("none")
    refusing = Profile(tool_choice_none=False)
    written = body(profile=refusing, tools=(TOOL,), choice=choice)
    assert "tool_choice" not in written
    assert "without calling a tool" in written["messages"][0]["content"]
    written = body(*CALL, profile=refusing)
    assert written["tools"]
    assert "tool_choice" not in written
    assert body(profile=Profile(), tools=(TOOL,), choice=choice)["tool_choice"] == "none"
    assert "without calling" not in str(body(profile=refusing, tools=(TOOL,)))
