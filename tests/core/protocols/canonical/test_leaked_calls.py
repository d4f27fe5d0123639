"""Tool calls in the text of an answer: each template's form, and what is not a call."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.conversation import Conversation, Tool
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.leaked_calls import (
    Found,
    LeakedCallParser,
    Pending,
    declared_tool,
)

SCHEMA = {
    "type": "object",
    "properties": {
        "command": {"type": "string"},
        "lines": {"type": "integer"},
        "files": {"type": "array"},
        "force": {"type": ["boolean", "null"]},
    },
    "required": ["command"],
}
PATCH = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
TOOLS = (
    Tool("shell", "shell", None, CallKind.FUNCTION, "", SCHEMA),
    Tool("mcp__gh__list", "list", "mcp__gh", CallKind.FUNCTION, "", {}),
    Tool("apply_patch", "apply_patch", None, CallKind.CUSTOM, "", PATCH),
)
PARSER = LeakedCallParser(Conversation((), tools=TOOLS))
LS = {"command": "ls -l"}
JSON = json.dumps(LS)
CALL = f'{{"name": "shell", "arguments": {JSON}}}'
MORE = {"command": "a\nb", "lines": 3, "files": ["x", "y"], "force": True}
DEEPSEEK = "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>"
SEPARATOR = "<\uff5ctool\u2581sep\uff5c>"

FORMS = [
    ('<|channel|>commentary to=functions.shell <|constrain|>json<|message|>{"command":"ls"}<|call|>', {"command": "ls"}),
    ('<|start|>assistant<|channel|>commentary to=functions.shell json<|message|>{"command":"ls"}<|call|>', {"command": "ls"}),
    ('<|channel|>commentary to=functions.shell<|message|>{"command":"ls"}', {"command": "ls"}),
    (f"<tool_call>\n{CALL}\n</tool_call>", LS),
    (f"<tool_call>{CALL}", LS),
    (f'<tool_call>{{"name": "shell", "parameters": {JSON}}}</tool_call>', LS),
    (f'<tool_call>{{"function": {CALL}, "type": "function"}}</tool_call>', LS),
    (f'<tool_call>{{"name": "shell", "arguments": {json.dumps(JSON)}}}</tool_call>', LS),
    (f'<tool_call>{{"name": "shell", "arguments": {JSON},}}</tool_call>', LS),
    (f'<tool_call>{{"name": "shell", "arguments": {JSON}</tool_call>', LS),
    (f"<TOOLCALL>[{CALL}]</TOOLCALL>", LS),
    (f"<|tool_calls|>[{CALL}]", LS),
    (f"<|python_tag|>{CALL}<|eom_id|>", LS),
    (f"[TOOL_CALLS] [{CALL}]", LS),
    (f"[TOOL_CALLS]shell[ARGS]{JSON}", LS),
    (f"[TOOL_CALLS]shell[CALL_ID]a1b2c3d4e[ARGS]{JSON}", LS),
    (f"[TOOL_CALLS]shell{JSON}", LS),
    (f"<tool_call>shell\n{JSON}\n</tool_call>", LS),
    ('<tool_call>shell\n<arg_key>command</arg_key>\n<arg_value>a\nb</arg_value>\n<arg_key>lines</arg_key><arg_value>3</arg_value><arg_key>files</arg_key><arg_value>["x", "y"]</arg_value><arg_key>force</arg_key><arg_value>true</arg_value></tool_call>', MORE),
    ('<tool_call>\n<function=shell>\n<parameter=command>\na\nb\n</parameter>\n<parameter=lines>\n3\n</parameter>\n<parameter=files>\n["x","y"]\n</parameter>\n<parameter=force>\nTrue\n</parameter>\n</function>\n</tool_call>', MORE),
    (f"<function=shell>{JSON}</function>", LS),
    ('<function name="shell"><parameter name="command">ls -l</parameter></function>', LS),
    ('<invoke name="shell">\n<parameter name="command">ls -l</parameter>\n</invoke>', LS),
    ('<function_calls><invoke name="shell"><parameter name="command" string="true">ls -l</parameter></invoke></function_calls>', LS),
    ('<invoke name="shell"><parameter name="command">a</invoke> </parameter> b</parameter></invoke>', {"command": "a</invoke> </parameter> b"}),
    (f"<|tool_calls_section_begin|><|tool_call_begin|>functions.shell:0<|tool_call_argument_begin|>{JSON}<|tool_call_end|>", LS),
    (f"<|tool_call_begin|> functions.shell:12 <|tool_call_argument_begin|> {JSON}", LS),
    (f"{DEEPSEEK}function{SEPARATOR}shell\n```json\n{JSON}\n```", LS),
    (f"{DEEPSEEK}shell{SEPARATOR}{JSON}", LS),
    *((f'<{dsml}tool_calls>\n<{dsml}invoke name="shell">\n<{dsml}parameter name="lines" string="false">3</{dsml}parameter>\n<{dsml}parameter name="command" string="true">3</{dsml}parameter>\n</{dsml}invoke>', {"lines": 3, "command": "3"}) for dsml in ("\uff5cDSML\uff5c", "\uff5c\uff5cDSML\uff5c\uff5c", "\u2016DSML\u2016", "||DSML||", " | DSML | ", "DSML\uff5c")),
    ('<|open|>tools<|sep|><|open|>call tool="shell" index="1"<|sep|><|open|>argument key="command" type="string"<|sep|>ls -l<|close|>argument<|sep|><|close|>call<|sep|>', LS),
    ('<|open|>toolscall tool="shell" index="1"<|sep|><|open|>argument key="command" type="string"<|sep|>ls -l<|close|>argument<|sep|><|close|>call<|sep|>', LS),
    ('<|tool_call>call:shell{command:<|"|>ls -l<|"|>}<tool_call|>', LS),
    ("<start_function_call>call:shell{command:<escape>ls -l<escape>}<end_function_call>", LS),
    ("<|tool_call_start|>[shell(command='ls -l')]<|tool_call_end|>", LS),
    ('<|start|>assistant to=functions.shell<|channel|>commentary json<|message|>{"command": "ls -l"}<|call|>', LS),
    (']<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="shell">]<]minimax[>[<command>ls -l]<]minimax[>[</command>]<]minimax[>[</invoke>', LS),
]  # fmt: skip


@pytest.mark.parametrize(("text", "arguments"), FORMS)
def test_each_form_is_read(text: str, arguments: object) -> None:
    reading = PARSER.read(text, final=True)
    assert isinstance(reading, Found)
    (call,) = reading.calls
    assert call.name == "shell"
    assert json.loads(call.arguments) == arguments


@pytest.mark.parametrize("text", [text for text, _ in FORMS])
def test_beginning_of_a_call_is_not_refuted(text: str) -> None:
    """Each beginning is a call that is not whole, or the whole call without its last markers."""
    whole = PARSER.read(text, final=True)
    for end in range(1, len(text)):
        reading = PARSER.read(text[:end], final=False)
        assert reading is not Pending.TEXT, text[:end]
        if isinstance(reading, Found):
            assert isinstance(whole, Found)
            assert reading.calls == whole.calls


@pytest.mark.parametrize(
    "text",
    [
        CALL.join(("<tool_call>", "</tool_call>")).replace("shell", "nobody"),
        "<tool_call>tags are used by Hermes</tool_call>",
        "<tool_call>\n   ...\n</tool_call>",
        "<tool_call></tool_call>",
        '<tool_call>{"command": "ls"}</tool_call>',
        '<tool_call>{"name": "shell", "arguments": {"command": "l',
        '<tool_call>{"name": "shell", "arguments": "ls"}</tool_call>',
        '<tool_call>{"name": "shell", "arguments": {"command": "a "b" c"}}</tool_call>',
        "<function=shell><parameter=command>ls",
        "<function=shell>and more</function>",
        "<function=nobody><parameter=command>ls</parameter></function>",
        "<function name=shell and more",
        '<invoke name="shell"><parameter name="command">ls</parameter>',
        "<tool_call>shell<arg_key>command</arg_key>",
        f"[TOOL_CALLS][{CALL}, 1]",
        "[TOOL_CALLS] shell the rest",
        "[TOOL_CALLS][]",
        f"{DEEPSEEK}nobody{SEPARATOR}{JSON}",
        "<|tool_call>call:nobody{}<tool_call|>",
        '<|tool_call>call:shell{command:<|"|>ls',
        "<|tool_call>call:shell the rest",
        '<|open|>call tool="nobody" index="1"<|sep|><|close|>call<|sep|>',
        '<|open|>call tool="shell" index="1"<|sep|><|open|>argument key="command" type="string"<|sep|>ls<|close|>argument<|sep|>',
        "<|open|>call tool=" + "x" * 300,
        "<|tool_call_start|>[nobody()]<|tool_call_end|>",
        "<|tool_call_start|>[shell(command='ls",
    ],
)
def test_other_text_is_not_a_call(text: str) -> None:
    assert PARSER.read(text, final=True) is Pending.TEXT


def test_several_calls_behind_one_marker_are_read() -> None:
    other = CALL.replace("shell", "mcp__gh__list")
    for text in (f"[TOOL_CALLS][{CALL}, {other}]", f"<tool_call>{CALL}\n{other}</tool_call>"):
        reading = PARSER.read(text, final=True)
        assert isinstance(reading, Found)
        assert [call.name for call in reading.calls] == ["shell", "mcp__gh__list"]


def test_free_text_of_a_custom_tool_is_wrapped() -> None:
    patch = "*** Begin Patch\n*** End Patch"
    for arguments in (json.dumps(patch), json.dumps({"input": patch})):
        text = f'<tool_call>{{"name": "apply_patch", "arguments": {arguments}}}</tool_call>'
        reading = PARSER.read(text, final=True)
        assert isinstance(reading, Found)
        assert json.loads(reading.calls[0].arguments) == {"input": patch}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (CALL, 1),
        (f" [{CALL}, {CALL}]\n", 2),
        (f"{CALL}\n{CALL}", 2),
        (f"{CALL}; [{CALL}]", 2),
        (f"{CALL}\n12", 0),
        (CALL.replace("shell", "nobody"), 0),
        (CALL.replace("command", "cmd"), 0),
        ('{"name": "shell", "arguments": {"lines": 3}}', 0),
        ('{"name": "shell", "arguments": {"command": "ls"}, "note": 1}', 0),
        ('{"name": "shell"}', 0),
        ('{"command": "ls"}', 0),
        (f"{CALL} done", 0),
        ("[]", 0),
        ("12", 0),
    ],
)
def test_document_is_read_only_if_its_calls_fit(text: str, count: int) -> None:
    assert len(PARSER.read_document(text)) == count


@pytest.mark.parametrize(
    ("text", "may_be"),
    [
        ("", True), ("{", True), ('[{"na', True), ('{"name"', True), ('{"name": "she', True),
        ('{"name": "shell"', True), ('{"arguments": {', True), ('{"name": "nobody"', False),
        ('{"answer', False), ('{"a": 1', False), ("{}", False), ("[1", False), ("text", False),
    ],
)  # fmt: skip
def test_beginning_of_a_document_tells_whether_it_may_be_calls(text: str, *, may_be: bool) -> None:
    assert PARSER.may_be_document(text) is may_be


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("shell", "shell"), ("functions.shell", "shell"), ("functions.shell:0", "shell"), ("shell</arg_value>", "shell"),
        ("shell<|channel|", "shell"), ("mcp__gh__list:3", "mcp__gh__list"), ("nobody", None), ("shells", None), ("", None),
        ("shell<|channel|>commentary", "shell"), ("shell<|channel|>json", "shell"), ("shell<|channel|>other", None),
    ],
)  # fmt: skip
def test_noise_in_a_name_is_ignored(name: str, found: str | None) -> None:
    tool = declared_tool(Conversation((), tools=TOOLS), name)
    assert (tool.upstream_name if tool else None) == found


@given(st.text(alphabet='<>/=|[]{}":,tool_calshe \n`\uff5c\u2581', max_size=60), st.booleans())
def test_any_text_is_read(text: str, final: bool) -> None:
    reading = PARSER.read(text, final=final)
    assert not (final and reading is Pending.MORE)
    PARSER.may_be_document(text)
    assert isinstance(PARSER.read_document(text), tuple)
