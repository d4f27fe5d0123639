"""The values of a conversation."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import get_args

import pytest

from addons.core.protocols.canonical.conversation import (
    Call,
    Conversation,
    Item,
    Part,
    Tool,
    ToolChoice,
)
from addons.core.protocols.canonical.events import CallKind


def declared(upstream_name: str, name: str, namespace: str | None = None) -> Tool:
    return Tool(upstream_name, name, namespace, CallKind.FUNCTION, "", {"type": "object"})


def test_tool_is_found_by_its_upstream_name_only() -> None:
    plain, spaced = declared("find", "find"), declared("mcp__docs__find", "find", "mcp__docs")
    conversation = Conversation((), (spaced, plain))
    assert conversation.tool("mcp__docs__find") is spaced
    assert conversation.tool("find") is plain
    assert conversation.tool("mcp__docs") is None


def test_conversation_without_options_leaves_every_choice_to_the_upstream() -> None:
    conversation = Conversation(())
    assert conversation.choice == ToolChoice("auto")
    assert conversation.parallel_tool_calls is None
    assert conversation.effort is None
    assert conversation.text_format is None
    sampling = conversation.sampling
    assert (sampling.max_output_tokens, sampling.temperature, sampling.top_p) == (None, None, None)


def test_items_and_parts_cannot_be_changed() -> None:
    # Readers share items between the requests of a thread.
    call = Call("call_1", "shell", "{}")
    with pytest.raises(FrozenInstanceError):
        call.arguments = "{}"  # type: ignore[misc]
    for value in (*get_args(Item), *get_args(Part)):
        assert value.__dataclass_params__.frozen, value.__name__
        assert "__slots__" in vars(value), value.__name__
