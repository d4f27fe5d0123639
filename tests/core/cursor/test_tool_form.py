"""Parsing of a call block, and the reason why a block is not a call."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.tool_form import (
    NOT_CLOSED,
    WRONG_KEY,
    ParsedCall,
    opening_fence,
    read_call,
    rejection_reason,
    render_call,
    tools_by_name,
)
from addons.core.protocols.canonical.conversation import Call, Tool
from addons.core.protocols.canonical.events import CallKind
from tests.core.cursor.tools import MCP, PATCH, SHELL, TOOLS

BY_NAME = tools_by_name(TOOLS)


@pytest.mark.parametrize(
    ("body", "tool", "arguments"),
    [
        ('{"name": "exec_command", "arguments": {"cmd": "ls"}}', SHELL, '{"cmd":"ls"}'),
        ('{"arguments": "{\\"cmd\\": 1}", "name": " exec_command "}', SHELL, '{"cmd":1}'),
        ('\n{"name": "mcp__srv__add"}\n', MCP, "{}"),
        ('{"name": "mcp__srv__add", "arguments": {"n": 99999999999999999999, "é": 0.1}}', MCP,
         '{"n":99999999999999999999,"é":0.1}'),
        ('{"name": "apply_patch", "arguments": {"input": "*** Begin\nPatch"}}', PATCH, "*** Begin\nPatch"),
        ('{"name": "apply_patch", "arguments": "*** Begin"}', PATCH, "*** Begin"),
    ],
)  # fmt: skip
def test_call_is_read(body: str, tool: Tool, arguments: str) -> None:
    assert read_call(body, BY_NAME) == ParsedCall(tool, arguments)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", "it is no JSON: Expecting value at line 1, column 1"),
        ('{"name": "exec_command"\n"arguments": {}}', "Expecting ',' delimiter at line 2, column 1"),
        ('{"name": "exec_command"} and more', "Extra data"),
        ("[1]", "it is no JSON object"),
        ('{"name": "rm", "arguments": {}}', "there is no tool 'rm'"),
        ('{"name": "a\\nb", "arguments": {}}', r"there is no tool 'a\nb'"),
        ('{"name": {"deep": 1}}', "there is no tool {"),
        ("{}", "there is no tool None"),
        ('{"name": "exec_command", "arguments": [1]}', "`arguments` is no JSON object"),
        ('{"name": "exec_command", "arguments": null}', "`arguments` is no JSON object"),
        ('{"name": "exec_command", "arguments": "ls -l"}', "`arguments` is no JSON"),
        ('{"name": "exec_command", "arguments": {"a": NaN}}', "a number that JSON does not have"),
        ('{"name": "exec_command", "arguments": {"a": 1e999}}', "a number that is too large"),
        ('{"name": "exec_command", "arguments": {"a": ' + "9" * 5000 + "}}", "a number"),
        ('{"name": "exec_command", "arguments": {"a": "\\ud800"}}', "half of a character"),
        ('{"name": "apply_patch", "arguments": {"input": "\\ud800"}}', "half of a character"),
        ('{"name": "apply_patch", "arguments": {"patch": "x"}}', "a text under `input`"),
        ('{"name": "apply_patch", "arguments": {"input": ""}}', "a text under `input`"),
        ('{"name": "exec_command", "arguments": ' + "[" * 100_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_invalid_call_gives_a_one_line_reason(body: str, expected: str) -> None:
    reason = read_call(body, BY_NAME)
    assert isinstance(reason, str)
    assert expected in reason
    assert "\n" not in reason
    assert len(reason) < 200


@given(st.text(max_size=80) | st.recursive(st.none() | st.floats() | st.text(max_size=5), lambda inner:
       st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "arguments", "input"]), inner)
       ).map(json.dumps))  # fmt: skip
def test_any_body_gives_a_call_or_a_reason(body: str) -> None:
    found = read_call(body, BY_NAME)
    assert isinstance(found, ParsedCall) or found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nothing here", ""),
        ("```python\n```codex\n```", ""),
        ("we say ```codex-call-x in the middle", ""),
        (f'a\n  {opening_fence("old")}\n{{"name": "exec_command"}}\n``` \nb', WRONG_KEY),
        ('```codex-call\n{"name": "exec_command"}\n```', WRONG_KEY),
        (f'{opening_fence("old")}\n{{"name": "exec_command"}}', NOT_CLOSED),
        (opening_fence("old"), NOT_CLOSED),
        (
            f"{opening_fence('old')}\noops\n```",
            "it is no JSON: Expecting value at line 1, column 1",
        ),
    ],
)
def test_rejection_reason_of_an_earlier_answer(text: str, reason: str) -> None:
    assert rejection_reason(text, BY_NAME) == reason


@given(st.text(max_size=30), st.sampled_from(TOOLS))
def test_rendered_call_reads_back_as_the_same_call(text: str, tool: Tool) -> None:
    custom = tool.kind is CallKind.CUSTOM
    arguments = text or "x" if custom else json.dumps({"cmd": text})
    body = render_call(Call("c", tool.upstream_name, arguments, tool.kind), arguments)
    read = read_call(body, BY_NAME)
    assert isinstance(read, ParsedCall)
    assert read.tool is tool
    assert read.arguments == arguments if custom else json.loads(read.arguments) == {"cmd": text}


def test_clipped_or_invalid_arguments_are_rendered_as_text() -> None:
    call = Call("c", "exec_command", '{"cmd": "ls"}')
    assert json.loads(render_call(call, '{"c […]'))["arguments"] == '{"c […]'
    broken = Call("c", "exec_command", "ls -l")
    assert json.loads(render_call(broken, "ls -l"))["arguments"] == "ls -l"
