"""Description of Codex's tools: complete, within the limit, and stable before the conversation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.tool_form import opening_fence
from addons.core.cursor.tool_prompt import NONE_NOW, RULES, closing, correction, describe_tools
from addons.core.json_values import JsonObject
from addons.core.protocols.canonical.conversation import Conversation, Tool, ToolChoice
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.tools import DeclaredTools, read_tools
from tests.core.cursor.tools import SHELL, TOOLS

KEY = "0123456789ab"
CONVERSATION = Conversation((), TOOLS)


def test_functions_namespaces_and_grammars_are_described() -> None:
    declared = read_tools(
        [
            {"type": "function", "name": "exec_command", "description": "Runs.", "parameters": {"type": "object", "title": "T1"}},
            {"type": "namespace", "name": "mcp__srv", "tools": [{"type": "function", "name": "add", "description": "Adds."}]},
            {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"}},
        ]
    )  # fmt: skip
    assert isinstance(declared, DeclaredTools)
    expected = describe_tools(declared.tools, 100_000).text
    for text in (
        "## exec_command\nRuns.",
        '"title":"T1"',
        "## mcp__srv__add",
        "lark grammar:\nstart: X",
    ):
        assert text in expected  # fmt: skip


SCHEMAS = st.sampled_from(
    [{}, {"type": "object", "properties": {"n" * 50: {"description": "x" * 900}}}]
)


@given(st.lists(st.tuples(st.integers(0, 20_000), SCHEMAS), max_size=40), st.integers(0, 20_000))
def test_description_fits_its_limit_and_names_omitted_tools(
    sizes: list[tuple[int, JsonObject]], limit: int
) -> None:
    tools = [
        Tool(f"t{at}_", f"t{at}_", None, CallKind.FUNCTION, "é" * size, schema)
        for at, (size, schema) in enumerate(sizes)
    ]
    expected = describe_tools(tools, limit)
    assert len(expected.text.encode()) <= limit
    for tool in tools:
        assert (f"## {tool.upstream_name}\n" in expected.text) != (
            tool.upstream_name in expected.omitted
        )


@pytest.mark.parametrize(
    ("conversation", "expected", "absent"),
    [
        (CONVERSATION, [opening_fence(KEY)], ["must", "at most"]),
        (
            replace(CONVERSATION, choice=ToolChoice("required")),
            [opening_fence(KEY), "must call a tool"],
            [],
        ),
        (
            replace(CONVERSATION, choice=ToolChoice("named", "apply_patch")),
            ["must call apply_patch"],
            [],
        ),
        (replace(CONVERSATION, parallel_tool_calls=False), ["one call at most"], []),
        (replace(CONVERSATION, choice=ToolChoice("none")), [NONE_NOW], [KEY]),
    ],
)
def test_closing_names_the_key_and_required_calls(
    conversation: Conversation, expected: list[str], absent: list[str]
) -> None:
    text = closing(conversation, KEY)
    assert all(part in text for part in expected)
    assert not any(part in text for part in absent)


def test_closing_is_empty_without_tools() -> None:
    assert closing(Conversation(()), KEY) == ""


def test_rules_show_the_form_with_a_key_placeholder() -> None:
    assert opening_fence("KEY") in RULES


def test_correction_is_one_line_with_the_reason() -> None:
    line = correction(f"{opening_fence('old')}\n{{\n```", {"exec_command": SHELL})
    assert "because it is no JSON" in line
    assert "\n" not in line
    assert correction("fine", {}) == ""
