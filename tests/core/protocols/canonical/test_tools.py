from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.protocols.canonical.conversation import Conversation, Tool, ToolChoice
from addons.core.protocols.canonical.events import CallKind, Event, ToolCallStart
from addons.core.protocols.canonical.tools import (
    PATCH_HINT,
    TEXT_HINT,
    UpstreamNames,
    allowed_tools,
    read_tool_choice,
    read_tools,
    upstream_name,
)
from tests.core.protocols.chat import streams as chat_streams
from tests.core.protocols.messages import streams as messages_streams
from tests.histories import CUSTOM, FUNCTION, NAMESPACE, TOOLS
from tests.quirks.chat_quirks import chunk, stop

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80) | st.sampled_from(
    ("a", "b", "a__b", "b__a", "x" * 64, "x" * 65)
)
LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")


def tools_of(*declared: object) -> tuple[Tool, ...]:
    read = read_tools(declared)
    return read.tools


def started_call(events: Sequence[Event]) -> ToolCallStart:
    [call] = [event for event in events if isinstance(event, ToolCallStart)]
    return call


def called_in_chat(conversation: Conversation, name_sent: str) -> ToolCallStart:
    call = {"index": 0, "id": "c", "function": {"name": name_sent, "arguments": "{}"}}
    return started_call(
        chat_streams.read(chunk({"tool_calls": [call]}) + stop(), conversation=conversation)
    )


def called_in_messages(conversation: Conversation, name_sent: str) -> ToolCallStart:
    sent = (
        messages_streams.start()
        + messages_streams.tool("{}", name=name_sent)
        + messages_streams.end("tool_use")
    )
    return started_call(messages_streams.read(sent, conversation=conversation))


def test_tools_that_codex_declares() -> None:
    read = read_tools(TOOLS)
    assert [tool.upstream_name for tool in read.tools] == [
        "exec_command", "apply_patch", "mcp__srv__add_one", "mcp__srv__exec_command", "local_shell",
    ]  # fmt: skip
    assert read.dropped == ("hosted tool web_search",)


def test_custom_tool_is_a_function_of_one_string_with_its_grammar() -> None:
    (tool,) = tools_of(CUSTOM)
    assert tool.kind is CallKind.CUSTOM
    assert tool.schema["required"] == ["input"]
    assert 'lark grammar:\nstart: "*** Begin Patch"' in tool.description
    assert "*** End Patch" in tool.description


@given(st.lists(st.tuples(st.none() | NAMES, NAMES), unique=True, max_size=8))
def test_names_map_back_to_the_declared_tool(named: list[tuple[str | None, str]]) -> None:
    declared = [
        {"type": "namespace", "name": space, "tools": [{**FUNCTION, "name": name}]}
        if space
        else {**FUNCTION, "name": name}
        for space, name in named
    ]
    tools = tools_of(*declared)
    names, conversation = UpstreamNames(tools), Conversation((), tools)
    assert all(LEGAL.fullmatch(tool.upstream_name) for tool in tools)
    assert len({tool.upstream_name for tool in tools}) == len(named)
    for space, name in named:
        name_sent = names.name_for(name, space)
        for called in (
            called_in_chat(conversation, name_sent),
            called_in_messages(conversation, name_sent),
        ):
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


def test_colliding_tools_get_different_names() -> None:
    plain = {**FUNCTION, "name": "mcp__srv__add_one"}
    first, second, _ = tools_of(plain, NAMESPACE)
    assert first.upstream_name == "mcp__srv__add_one"
    assert second.upstream_name.startswith("mcp__srv__add_one_")
    assert UpstreamNames((first, second)).name_for("add_one", "mcp__srv") == second.upstream_name


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
def test_names_that_an_upstream_returns(
    upstream: str, named: tuple[str, str | None, CallKind]
) -> None:
    conversation = Conversation((), tools_of(*TOOLS))
    for called in (
        called_in_chat(conversation, upstream),
        called_in_messages(conversation, upstream),
    ):
        assert (called.name, called.namespace, called.kind) == named


def test_undeclared_tool_has_the_same_name() -> None:
    assert UpstreamNames(()).name_for("add_one", "mcp__srv") == upstream_name("add_one", "mcp__srv")


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
def test_unknown_tool_is_left_out_and_noted(bad: object) -> None:
    read = read_tools([FUNCTION, bad])
    assert [tool.name for tool in read.tools] == ["exec_command"]
    assert len(read.dropped) == 1
    assert read.dropped[0].startswith("tools[1]")


HOSTED = """web_search web_search_preview web_search_preview_2025_03_11 tool_search image_generation file_search
code_interpreter computer computer_use computer_use_preview computer_use_2026 mcp shell apply_patch"""


@pytest.mark.parametrize("kind", HOSTED.split())
def test_hosted_tools_are_dropped_and_noted(kind: str) -> None:
    read = read_tools([{"type": kind}])
    assert (read.tools, read.dropped) == ((), (f"hosted tool {kind}",))


def test_local_shell_is_a_function_of_its_action() -> None:
    (tool,) = tools_of({"type": "local_shell"})
    assert (tool.kind, tool.upstream_name) == (CallKind.LOCAL_SHELL, "local_shell")

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
def test_custom_tool_describes_its_input(declared: dict[str, object], hint: str, rule: str) -> None:
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
def test_function_is_read_flat_and_nested(
    declared: dict[str, object], schema: object, strict: bool | None, description: str
) -> None:
    named = {"name": "f", **declared}
    for raw in ({"type": "function", **named}, {"type": "function", "function": named}):
        (tool,) = tools_of(raw)
        assert (tool.schema, tool.strict, tool.description) == (schema, strict, description)


def test_name_has_at_most_64_characters() -> None:
    assert upstream_name("x" * 64) == "x" * 64
    assert upstream_name("x" * 61, "n") == f"n__{'x' * 61}"
    cut = upstream_name("x" * 65)
    assert (len(cut), cut[:53]) == (64, "x" * 53)
    assert cut[53] == "_"


@pytest.mark.parametrize(
    ("name", "namespace", "name_sent"),
    [
        ("a b", None, "a_b_ac76f12964"),
        ("a b", "n", "n__a_b_fa86dfac5f"),
        ("", None, "_d0609c4cf7"),
    ],
)
def test_hashed_name_is_stable(name: str, namespace: str | None, name_sent: str) -> None:
    assert upstream_name(name, namespace) == name_sent


def test_repeated_declaration_is_dropped_and_noted() -> None:
    read = read_tools([FUNCTION, {**FUNCTION, "description": "other"}])
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
    assert read_tool_choice(value, tools_of(*TOOLS)) == choice


@pytest.mark.parametrize("value", ["any", 5, {}, {"type": "function", "name": "gone"}])
def test_unreadable_tool_choice_is_refused(value: object) -> None:
    assert isinstance(read_tool_choice(value, tools_of(*TOOLS)), Problem)


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
def test_allowed_tool_is_found_in_every_form(entry: object, names: list[str]) -> None:
    tools = tools_of(*TOOLS, {"type": "local_shell"})
    left = allowed_tools({"type": "allowed_tools", "tools": [entry]}, tools)
    assert [tool.upstream_name for tool in left] == names


def test_allowed_tools_exclude_the_others() -> None:
    listed = {"type": "allowed_tools", "tools": [{"type": "function", "name": "exec_command"}]}
    tools = tools_of(*TOOLS)
    assert allowed_tools(listed, tools) == tools[:1]
    assert allowed_tools("auto", tools) == tools
