"""Codex's tools in words: all of them, within the limit, and nothing new before the conversation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.tool_form import fence_of
from addons.core.cursor.tool_prompt import NONE_NOW, RULES, closing, correction, offer
from addons.core.translate.conversation import Conversation, Json, Tool, ToolChoice
from addons.core.translate.events import CallKind
from addons.core.translate.tools import Declared, read_tools
from tests.core.cursor.tools import SHELL, TOOLS

KEY = "0123456789ab"
ASKED = Conversation((), TOOLS)


def test_functions_namespaces_and_grammars_are_told() -> None:
    declared = read_tools(
        [
            {"type": "function", "name": "exec_command", "description": "Runs.", "parameters": {"type": "object", "title": "T1"}},
            {"type": "namespace", "name": "mcp__srv", "tools": [{"type": "function", "name": "add", "description": "Adds."}]},
            {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"}},
        ]
    )  # fmt: skip
    assert isinstance(declared, Declared)
    told = offer(declared.tools, 100_000).text
    for words in (
        "## exec_command\nRuns.",
        '"title":"T1"',
        "## mcp__srv__add",
        "lark grammar:\nstart: X",
    ):
        assert words in told  # fmt: skip


SCHEMAS = st.sampled_from(
    [{}, {"type": "object", "properties": {"n" * 50: {"description": "x" * 900}}}]
)


@given(st.lists(st.tuples(st.integers(0, 20_000), SCHEMAS), max_size=40), st.integers(0, 20_000))
def test_the_offer_never_passes_its_limit_and_names_what_it_leaves_out(
    sizes: list[tuple[int, Json]], limit: int
) -> None:
    tools = [
        Tool(f"t{at}_", f"t{at}_", None, CallKind.FUNCTION, "é" * size, schema)
        for at, (size, schema) in enumerate(sizes)
    ]
    told = offer(tools, limit)
    assert len(told.text.encode()) <= limit
    for tool in tools:
        assert (f"## {tool.wire_name}\n" in told.text) != (tool.wire_name in told.left_out)


@pytest.mark.parametrize(
    ("asked", "told", "untold"),
    [
        (ASKED, [fence_of(KEY)], ["must", "at most"]),
        (replace(ASKED, choice=ToolChoice("required")), [fence_of(KEY), "must call a tool"], []),
        (replace(ASKED, choice=ToolChoice("named", "apply_patch")), ["must call apply_patch"], []),
        (replace(ASKED, parallel_tool_calls=False), ["one call at most"], []),
        (replace(ASKED, choice=ToolChoice("none")), [NONE_NOW], [KEY]),
    ],
)
def test_the_closing_tells_the_key_and_what_must_be_called(
    asked: Conversation, told: list[str], untold: list[str]
) -> None:
    text = closing(asked, KEY)
    assert all(words in text for words in told)
    assert not any(words in text for words in untold)


def test_without_tools_nothing_is_said_of_calls() -> None:
    assert closing(Conversation(()), KEY) == ""


def test_the_rules_show_the_form_with_a_place_for_the_key() -> None:
    assert fence_of("KEY") in RULES


def test_a_correction_is_one_line_and_says_why() -> None:
    line = correction(f"{fence_of('old')}\n{{\n```", {"exec_command": SHELL})
    assert "because it is no JSON" in line
    assert "\n" not in line
    assert correction("fine", {}) == ""
