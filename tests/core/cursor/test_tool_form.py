"""What a block lacks to be a call, in words that can be told again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.tool_form import (
    NOT_CLOSED,
    OTHER_KEY,
    Asked,
    by_wire_name,
    fence_of,
    read_call,
    shown_call,
    why_no_call,
)
from addons.core.translate.conversation import Call, Tool
from addons.core.translate.events import CallKind
from tests.core.cursor.tools import MCP, PATCH, SHELL, TOOLS

BY_NAME = by_wire_name(TOOLS)


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
def test_a_call_is_read(body: str, tool: Tool, arguments: str) -> None:
    assert read_call(body, BY_NAME) == Asked(tool, arguments)


@pytest.mark.parametrize(
    ("body", "words"),
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
def test_what_is_no_call_says_why_in_one_line(body: str, words: str) -> None:
    reason = read_call(body, BY_NAME)
    assert isinstance(reason, str)
    assert words in reason
    assert "\n" not in reason
    assert len(reason) < 200


@given(st.text(max_size=80) | st.recursive(st.none() | st.floats() | st.text(max_size=5), lambda inner:
       st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "arguments", "input"]), inner)
       ).map(json.dumps))  # fmt: skip
def test_any_body_is_a_call_or_a_reason(body: str) -> None:
    found = read_call(body, BY_NAME)
    assert isinstance(found, Asked) or found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nothing here", ""),
        ("```python\n```codex\n```", ""),
        ("we say ```codex-call-x in the middle", ""),
        (f'a\n  {fence_of("old")}\n{{"name": "exec_command"}}\n``` \nb', OTHER_KEY),
        ('```codex-call\n{"name": "exec_command"}\n```', OTHER_KEY),
        (f'{fence_of("old")}\n{{"name": "exec_command"}}', NOT_CLOSED),
        (fence_of("old"), NOT_CLOSED),
        (f"{fence_of('old')}\noops\n```", "it is no JSON: Expecting value at line 1, column 1"),
    ],
)
def test_an_earlier_answer_tells_what_was_wrong(text: str, reason: str) -> None:
    assert why_no_call(text, BY_NAME) == reason


@given(st.text(max_size=30), st.sampled_from(TOOLS))
def test_a_shown_call_reads_as_the_call_it_was(text: str, tool: Tool) -> None:
    custom = tool.kind is CallKind.CUSTOM
    arguments = text or "x" if custom else json.dumps({"cmd": text})
    body = shown_call(Call("c", tool.wire_name, arguments, tool.kind), arguments)
    read = read_call(body, BY_NAME)
    assert isinstance(read, Asked)
    assert read.tool is tool
    assert read.arguments == arguments if custom else json.loads(read.arguments) == {"cmd": text}


def test_arguments_that_were_shortened_or_broken_are_shown_as_a_text() -> None:
    call = Call("c", "exec_command", '{"cmd": "ls"}')
    assert json.loads(shown_call(call, '{"c […]'))["arguments"] == '{"c […]'
    broken = Call("c", "exec_command", "ls -l")
    assert json.loads(shown_call(broken, "ls -l"))["arguments"] == "ls -l"
