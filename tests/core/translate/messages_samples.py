"""Targets, conversations and histories for the tests of the messages dialect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import strategies as st

from addons.core.credential import Origin
from addons.core.profiles import profile_of
from addons.core.target import Profile, Target
from addons.core.translate.conversation import (
    Assistant,
    Call,
    Conversation,
    Dialects,
    Image,
    Item,
    Output,
    Reasoning,
    System,
    Text,
    Tool,
    User,
)
from addons.core.translate.events import CallKind
from addons.core.translate.messages import write_request
from addons.core.translate.replay import seal

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def profile(model: str) -> Profile:
    return profile_of("anthropic", model, Dialects.MESSAGES)


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
        Dialects.MESSAGES,
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


def talk(*items: Item, **fields: Any) -> Conversation:
    return Conversation(items, **fields)


def written(conversation: Conversation, to: Target = TARGET) -> dict[str, Any]:
    body = write_request(conversation, to)
    assert isinstance(body, bytes)
    value: dict[str, Any] = orjson.loads(body)
    return value


def thought(text: str = "Let me see.", to: Target = TARGET) -> Reasoning:
    return Reasoning(text, seal(to.lineage, {"thinking": text, "signature": "c2ln"}))


def bare(block: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "cache_control"}


def units(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What a request says, in the order of caching, without markers."""
    return [
        *(("tool", bare(tool)) for tool in body.get("tools", [])),
        *(("system", bare(block)) for block in body.get("system", [])),
        *((one["role"], bare(block)) for one in body["messages"] for block in one["content"]),
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
        seal(TARGET.lineage, {"thinking": "Hm.", "signature": "c2ln"}),
        seal(TARGET.lineage, {"redacted_thinking": "ZGF0YQ"}),
        seal("messages:elsewhere", {"thinking": "Hm.", "signature": "c2ln"}),
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
