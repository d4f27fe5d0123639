"""Targets, conversations and histories for the tests of the messages protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import strategies as st

from addons.core.protocols.canonical.conversation import (
    Assistant,
    Call,
    Conversation,
    Image,
    Item,
    Output,
    Reasoning,
    System,
    Text,
    Tool,
    User,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.messages.request import write_request
from addons.core.secrets import Origin
from addons.core.settings.profiles import profile_for
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def profile(model: str) -> Profile:
    return profile_for("anthropic", model, Protocol.MESSAGES)


BUDGET = profile("claude-sonnet-4-5")
ADAPTIVE = profile("claude-opus-4-7")
PLAIN = profile("claude-3-5-sonnet")
OTHER = profile("glm-5")
PROFILES = (BUDGET, ADAPTIVE, PLAIN, OTHER, profile("unheard-of"))


def target(profile: Profile = BUDGET, **fields: Any) -> Target:
    base = Target(
        "byok-claude",
        "Claude",
        "anthropic",
        "claude-test",
        Protocol.MESSAGES,
        Origin("https", "api.example.test", 443),
        "/v1/messages",
        profile=profile,
    )
    return replace(base, **fields)


TARGET = target()
SHELL = Tool("shell", "shell", None, CallKind.FUNCTION, "Runs a command.", {"type": "object", "properties": {}})  # fmt: skip
PATCH = Tool("apply_patch", "apply_patch", None, CallKind.CUSTOM, "Edits files.", {"type": "object", "properties": {"input": {"type": "string"}}})  # fmt: skip
SPACED = Tool("mcp__docs__find", "find", "mcp__docs", CallKind.FUNCTION, "", {"type": "object"})
TOOLS = (SHELL, PATCH, SPACED)


def conversation_of(*items: Item, **fields: Any) -> Conversation:
    return Conversation(items, **fields)


def written(conversation: Conversation, to: Target = TARGET) -> dict[str, Any]:
    body = write_request(conversation, to)
    assert isinstance(body, bytes)
    value: dict[str, Any] = orjson.loads(body)
    return value


def thought(text: str = "Let me see.", to: Target = TARGET) -> Reasoning:
    return Reasoning(text, wrap(to.reasoning_scope, {"thinking": text, "signature": "c2ln"}))


def without_cache_control(block: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "cache_control"}


def units(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the parts of a request in the order of caching, without cache marks."""
    return [
        *(("tool", without_cache_control(tool)) for tool in body.get("tools", [])),
        *(("system", without_cache_control(block)) for block in body.get("system", [])),
        *(
            (one["role"], without_cache_control(block))
            for one in body["messages"]
            for block in one["content"]
        ),
    ]


WORDS = st.text(max_size=12) | st.sampled_from([" ", "\n\t "])
TEXTS = WORDS.map(Text)
IMAGES = st.sampled_from(
    [PIXEL, "https://example.test/a.png", "data:image/png,%89PNG", "data:image/jpg;base64,%%%"]
).map(Image)
PARTS = st.lists(TEXTS | IMAGES, max_size=3).map(tuple)
IDS = st.sampled_from(["call_1", "call_2", "call_3", "functions.shell:0", "", "ä" * 70])
ARGUMENTS = st.sampled_from(["{}", "", '{"command": "ls"}', '{"command": "l', "[1]", "null"])
OPAQUE = st.sampled_from(
    [
        None,
        "gAAAA-foreign",
        wrap(TARGET.reasoning_scope, {"thinking": "Hm.", "signature": "c2ln"}),
        wrap(TARGET.reasoning_scope, {"redacted_thinking": "ZGF0YQ"}),
        wrap("messages:elsewhere", {"thinking": "Hm.", "signature": "c2ln"}),
    ]
)
CALLS = st.builds(Call, IDS, st.just("shell"), ARGUMENTS) | st.builds(
    Call, IDS, st.just("apply_patch"), WORDS, st.just(CallKind.CUSTOM)
)
ITEMS = (
    st.builds(System, WORDS)
    | st.builds(User, PARTS)
    | st.builds(Assistant, WORDS)
    | st.builds(Reasoning, WORDS, OPAQUE)
    | CALLS
    | st.builds(Output, IDS, PARTS)
)
HISTORIES = st.lists(ITEMS, max_size=14).map(tuple)
