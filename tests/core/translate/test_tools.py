from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.translate.conversation import Conversation, Tool, ToolChoice
from addons.core.translate.events import CallKind, Event, ToolCallStart
from addons.core.translate.tools import (
    PATCH_HINT,
    TEXT_HINT,
    WireNames,
    allowed_tools,
    read_choice,
    read_tools,
    wire_name,
)
from tests.core.wire import chat_streams, messages_streams
from tests.histories import CUSTOM, FUNCTION, NAMESPACE, TOOLS
from tests.quirks.chat_quirks import chunk, stop

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80) | st.sampled_from(
    ("a", "b", "a__b", "b__a", "x" * 64, "x" * 65)
)
LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")


def tools_of(*declared: object) -> tuple[Tool, ...]:
    read = read_tools(declared)
    assert not isinstance(read, Problem)
    return read.tools


def begun(events: Sequence[Event]) -> ToolCallStart:
    [call] = [event for event in events if isinstance(event, ToolCallStart)]
    return call


def called_in_chat(asked: Conversation, wire: str) -> ToolCallStart:
    call = {"index": 0, "id": "c", "function": {"name": wire, "arguments": "{}"}}
    return begun(chat_streams.read(chunk({"tool_calls": [call]}) + stop(), conversation=asked))


def called_in_messages(asked: Conversation, wire: str) -> ToolCallStart:
    sent = (
        messages_streams.start()
        + messages_streams.tool("{}", name=wire)
        + messages_streams.end("tool_use")
    )
    return begun(messages_streams.read(sent, asked=asked))


def test_what_codex_declares() -> None:
    read = read_tools(TOOLS)
    assert not isinstance(read, Problem)
    assert [tool.wire_name for tool in read.tools] == [
        "exec_command", "apply_patch", "mcp__srv__add_one", "mcp__srv__exec_command", "local_shell",
    ]  # fmt: skip
    assert read.dropped == ("hosted tool web_search",)


def test_a_custom_tool_is_a_function_of_one_text_that_says_its_grammar() -> None:
    (tool,) = tools_of(CUSTOM)
    assert tool.kind is CallKind.CUSTOM
    assert tool.schema["required"] == ["input"]
    assert 'lark grammar:\nstart: "*** Begin Patch"' in tool.description
    assert "*** End Patch" in tool.description


@given(st.lists(st.tuples(st.none() | NAMES, NAMES), unique=True, max_size=8))
def test_flattening_and_restoring_is_the_identity(named: list[tuple[str | None, str]]) -> None:
    declared = [
        {"type": "namespace", "name": space, "tools": [{**FUNCTION, "name": name}]}
        if space
        else {**FUNCTION, "name": name}
        for space, name in named
    ]
    tools = tools_of(*declared)
    names, asked = WireNames(tools), Conversation((), tools)
    assert all(LEGAL.fullmatch(tool.wire_name) for tool in tools)
    assert len({tool.wire_name for tool in tools}) == len(named)
    for space, name in named:
        wire = names.wire(name, space)
        for called in (called_in_chat(asked, wire), called_in_messages(asked, wire)):
            assert (called.namespace, called.name, called.kind) == (space, name, CallKind.FUNCTION)


@given(st.lists(st.tuples(st.none() | NAMES, NAMES), unique=True, min_size=1, max_size=6))
def test_later_tools_change_no_earlier_name(named: list[tuple[str | None, str]]) -> None:
    declared = [
        {"type": "namespace", "name": space, "tools": [{**FUNCTION, "name": name}]}
        if space
        else {**FUNCTION, "name": name}
        for space, name in named
    ]
    assert tools_of(*declared)[:-1] == tools_of(*declared[:-1])


def test_two_tools_that_would_meet_get_two_names() -> None:
    plain = {**FUNCTION, "name": "mcp__srv__add_one"}
    first, second, _ = tools_of(plain, NAMESPACE)
    assert first.wire_name == "mcp__srv__add_one"
    assert second.wire_name.startswith("mcp__srv__add_one_")
    assert WireNames((first, second)).wire("add_one", "mcp__srv") == second.wire_name


@pytest.mark.parametrize(
    ("upstream", "named"),
    [
        (" exec_command\n", ("exec_command", None, CallKind.FUNCTION)),
        ("Exec_Command", ("Exec_Command", None, CallKind.FUNCTION)),
        ("mcp__srv__add_one", ("add_one", "mcp__srv", CallKind.FUNCTION)),
        ("apply_patch", ("apply_patch", None, CallKind.CUSTOM)),
        ("never_declared", ("never_declared", None, CallKind.FUNCTION)),
    ],
)
def test_names_of_an_upstream(upstream: str, named: tuple[str, str | None, CallKind]) -> None:
    asked = Conversation((), tools_of(*TOOLS))
    for called in (called_in_chat(asked, upstream), called_in_messages(asked, upstream)):
        assert (called.name, called.namespace, called.kind) == named


def test_a_tool_that_is_gone_keeps_its_name() -> None:
    assert WireNames(()).wire("add_one", "mcp__srv") == wire_name("add_one", "mcp__srv")


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "teleport", "name": "x"},
        {"type": "function"},
        {"type": "namespace", "name": "n"},
        {"type": "namespace", "name": "n", "tools": [NAMESPACE]},
        {"name": "x"},
        "x",
    ],
)
def test_an_unknown_tool_is_named(bad: object) -> None:
    problem = read_tools([FUNCTION, bad])
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code) == (400, "invalid_prompt")
    assert "tools[1]" in problem.message


HOSTED = """web_search web_search_preview web_search_preview_2025_03_11 tool_search image_generation file_search
code_interpreter computer computer_use computer_use_preview computer_use_2026 mcp shell apply_patch"""


@pytest.mark.parametrize("kind", HOSTED.split())
def test_hosted_tools_are_dropped_and_told(kind: str) -> None:
    read = read_tools([{"type": kind}])
    assert not isinstance(read, Problem)
    assert (read.tools, read.dropped) == ((), (f"hosted tool {kind}",))


def test_local_shell_is_a_function_of_its_action() -> None:
    (tool,) = tools_of({"type": "local_shell"})
    assert (tool.kind, tool.wire_name) == (CallKind.LOCAL_SHELL, "local_shell")

    assert tool.schema["required"] == ["type", "command", "env"]
    properties = tool.schema["properties"]
    assert isinstance(properties, dict)
    kinds = {
        name: (of["type"], of.get("items") or of.get("additionalProperties"))
        for name, of in properties.items()
    }
    assert kinds == {
        "type": ("string", None),
        "command": ("array", {"type": "string"}),
        "env": ("object", {"type": "string"}),
        "timeout_ms": ("integer", None),
        "user": ("string", None),
        "working_directory": ("string", None),
    }
    assert properties["type"]["enum"] == ["exec"]


GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: X"}
PATCH = {"type": "grammar", "syntax": "lark", "definition": 'begin: "*** Begin Patch"'}


@pytest.mark.parametrize(
    ("declared", "hint", "rule"),
    [
        ({"name": "sql", "format": GRAMMAR}, TEXT_HINT, "must match this lark grammar:\nstart: X"),
        ({"name": "sql", "format": {**GRAMMAR, "type": "text"}}, TEXT_HINT, ""),
        ({"name": "sql", "format": {"type": "grammar"}}, TEXT_HINT, ""),
        ({"name": "sql"}, TEXT_HINT, ""),
        ({"name": "sql", "format": PATCH}, PATCH_HINT, 'grammar:\nbegin: "*** Begin Patch"'),
        ({"name": "apply_patch", "format": GRAMMAR}, PATCH_HINT, "start: X"),
    ],
)
def test_a_custom_tool_says_what_its_text_is(
    declared: dict[str, object], hint: str, rule: str
) -> None:
    (tool,) = tools_of({"type": "custom", "description": "Asks.", **declared})
    assert tool.description.startswith(f"Asks.\n\n{hint}")
    assert tool.description.endswith(rule)
    assert ("grammar" in tool.description) is bool(rule)
    about = hint.partition(". ")[0] + "."
    assert tool.schema == {
        "type": "object",
        "properties": {"input": {"type": "string", "description": about}},
        "required": ["input"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("declared", "schema", "strict", "description"),
    [
        ({"parameters": {"type": "object", "x": 1}, "strict": True, "description": "d"}, {"type": "object", "x": 1}, True, "d"),
        ({"parameters": {}, "strict": False}, {"type": "object", "properties": {}}, False, ""),
        ({"parameters": None, "strict": "yes", "description": 3}, {"type": "object", "properties": {}}, None, ""),
    ],
)  # fmt: skip
def test_a_function_is_read_flat_and_nested(
    declared: dict[str, object], schema: object, strict: bool | None, description: str
) -> None:
    named = {"name": "f", **declared}
    for raw in ({"type": "function", **named}, {"type": "function", "function": named}):
        (tool,) = tools_of(raw)
        assert (tool.schema, tool.strict, tool.description) == (schema, strict, description)


def test_a_name_is_as_long_as_upstreams_allow() -> None:
    assert wire_name("x" * 64) == "x" * 64
    assert wire_name("x" * 61, "n") == f"n__{'x' * 61}"
    cut = wire_name("x" * 65)
    assert (len(cut), cut[:53]) == (64, "x" * 53)
    assert cut[53] == "_"


@pytest.mark.parametrize(
    ("name", "namespace", "wire"),
    [
        ("a b", None, "a_b_ac76f12964"),
        ("a b", "n", "n__a_b_fa86dfac5f"),
        ("", None, "_d0609c4cf7"),
    ],
)
def test_a_made_up_name_is_the_same_in_every_version(
    name: str, namespace: str | None, wire: str
) -> None:
    assert wire_name(name, namespace) == wire


def test_a_second_declaration_is_told() -> None:
    read = read_tools([FUNCTION, {**FUNCTION, "description": "other"}])
    assert not isinstance(read, Problem)
    assert [tool.description for tool in read.tools] == ["Runs a command."]
    assert read.dropped == ("second declaration of tool exec_command",)


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        (None, ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "exec_command"}, ToolChoice("named", "exec_command")),
        ({"type": "function", "name": "add_one"}, ToolChoice("named", "mcp__srv__add_one")),
        ({"type": "custom", "name": "apply_patch"}, ToolChoice("named", "apply_patch")),
        ("auto", ToolChoice()),
        (
            {"type": "function", "name": "add_one", "namespace": "mcp__srv"},
            ToolChoice("named", "mcp__srv__add_one"),
        ),
        (
            {"type": "function", "name": "exec_command", "namespace": ""},
            ToolChoice("named", "exec_command"),
        ),
        (
            {"type": "function", "function": {"name": "exec_command"}},
            ToolChoice("named", "exec_command"),
        ),
        ({"type": "web_search_preview"}, ToolChoice()),
        ({"type": "allowed_tools", "mode": "required", "tools": []}, ToolChoice("required")),
        ({"type": "allowed_tools", "mode": "auto", "tools": []}, ToolChoice()),
    ],
)
def test_tool_choice(value: object, choice: ToolChoice) -> None:
    assert read_choice(value, tools_of(*TOOLS)) == choice


@pytest.mark.parametrize("value", ["any", 5, {}, {"type": "function", "name": "gone"}])
def test_a_choice_that_cannot_be_made(value: object) -> None:
    assert isinstance(read_choice(value, tools_of(*TOOLS)), Problem)


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ({"type": "function", "name": "add_one", "namespace": "mcp__srv"}, ["mcp__srv__add_one"]),
        ({"type": "function", "function": {"name": "exec_command"}}, ["exec_command"]),
        ({"type": "local_shell"}, ["local_shell"]),
        ({"type": "web_search"}, []),
        ({"type": "function", "name": "add_one"}, []),
        ("exec_command", []),
    ],
)
def test_an_allowed_tool_is_named_in_each_form(entry: object, names: list[str]) -> None:
    tools = tools_of(*TOOLS, {"type": "local_shell"})
    left = allowed_tools({"type": "allowed_tools", "tools": [entry]}, tools)
    assert [tool.wire_name for tool in left] == names


def test_allowed_tools_leave_the_others_out() -> None:
    listed = {"type": "allowed_tools", "tools": [{"type": "function", "name": "exec_command"}]}
    tools = tools_of(*TOOLS)
    assert allowed_tools(listed, tools) == tools[:1]
    assert allowed_tools("auto", tools) == tools
