"""The default profile asks the reference API of chat completions for everything that it takes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from addons.core.protocols.canonical.conversation import (
    Call,
    Conversation,
    Sampling,
    System,
    Text,
    Tool,
    ToolChoice,
    User,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.translator import load_translator
from addons.core.secrets import Origin
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target

ORIGIN = Origin("https", "a.example", 443)
STRICT = {"type": "object", "properties": {}, "additionalProperties": False}
TOOL = Tool("shell", "shell", None, CallKind.FUNCTION, "", STRICT, strict=True)
CONVERSATION = Conversation(
    items=(System("Be brief."), User((Text("hi"),)), Call("c" * 50, "shell", "{}")),
    tools=(TOOL,),
    choice=ToolChoice("required"),
    parallel_tool_calls=True,
    effort="high",
    sampling=Sampling(max_output_tokens=9, temperature=0.5),
    cache_key="thread",
)


def body(**fields: Any) -> dict[str, Any]:
    profile = Profile(**fields)
    target = Target("s", "S", "p", "m", Protocol.CHAT, ORIGIN, "/", profile=profile)
    written = load_translator(Protocol.CHAT.spec).write_request(CONVERSATION, target)
    assert isinstance(written, bytes)
    value = orjson.loads(written)
    assert isinstance(value, dict)
    return value


def test_defaults_are_those_of_the_reference_api() -> None:
    found = body()
    assert found["max_tokens"] == 9
    assert found["stream_options"] == {"include_usage": True}
    assert found["parallel_tool_calls"] is True
    assert found["tool_choice"] == "required"
    assert found["temperature"] == 0.5
    assert found["tools"][0]["function"]["strict"] is True
    assert found["messages"][0]["role"] == "system"
    call = next(message for message in found["messages"] if message["role"] == "assistant")
    assert call["content"] is None
    assert call["tool_calls"][0]["id"] == "c" * 50
    assert {"reasoning_effort", "prompt_cache_key", "verbosity"}.isdisjoint(found)


@pytest.mark.parametrize(
    ("fields", "gone"),
    [
        ({"output_limit_field": ""}, "max_tokens"),
        ({"stream_usage": False}, "stream_options"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"sampling": False}, "temperature"),
    ],
)
def test_switched_off_parameter_is_not_sent(fields: dict[str, Any], gone: str) -> None:
    assert gone in body()
    assert gone not in body(**fields)
