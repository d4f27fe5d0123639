from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.events import CallKind
from addons.core.providers.demo_script import (
    CALL_PREFIX,
    ShellCall,
    demo_call_output,
    describe_output,
    find_shell_call,
    split_words,
)

LISTING = """total 8
drwxr-xr-x  3 me staff  96 Nov 23 22:31 .
drwxr-xr-x 20 me staff 640 Nov 23 22:31 ..
-rw-r--r--@ 1 me staff   7 Nov 23  2025 read me.txt
drwxrwxrwt+ 2 me staff  64 2026-11-23 22:31 src
lrwxr-xr-x  1 me staff   4 23 Nov 22:31 link -> src
"""
EXEC = (
    "Chunk ID: 49e230\nWall time: 0.02 seconds\nProcess exited with code {code}\n"
    "Original token count: 3\nOutput:\n{body}"
)


def tool(name: str, key: str, kind: object, **schema: object) -> dict[str, object]:
    properties = {key: {"type": kind}, "workdir": {"type": "string"}}
    parameters = {"type": "object", "properties": properties, **schema}
    return {"type": "function", "name": name, "parameters": parameters}


@given(st.text())
def test_joined_words_are_the_text(text: str) -> None:
    assert "".join(split_words(text)) == text


def test_text_is_cut_after_each_word() -> None:
    assert split_words(" one two\n\nthree") == [" ", "one ", "two\n\n", "three"]


@pytest.mark.parametrize(
    ("offered", "name", "arguments"),
    [
        (tool("exec_command", "cmd", "string", required=["cmd"]), "exec_command", {"cmd": "ls -la"}),
        (tool("exec_command", "cmd", ["string", "null"]), "exec_command", {"cmd": "ls -la"}),
        (tool("shell_command", "command", "string"), "shell_command", {"command": "ls -la"}),
        (tool("shell", "command", "array", required=["command"]), "shell", {"command": ["ls", "-la"]}),
    ],
)  # fmt: skip
def test_shell_is_called_with_the_arguments_of_its_schema(
    offered: dict[str, object], name: str, arguments: dict[str, object]
) -> None:
    other = {"type": "web_search"}
    call = find_shell_call({"tools": [other, offered]})
    assert call == ShellCall(name, CallKind.FUNCTION, orjson.dumps(arguments).decode())


def test_local_shell_is_called_with_an_action() -> None:
    call = find_shell_call({"tools": [{"type": "local_shell"}]})
    assert call
    assert call.kind is CallKind.LOCAL_SHELL
    assert orjson.loads(call.arguments) == {"type": "exec", "command": ["ls", "-la"], "env": {}}


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"tools": None},
        {"tools": []},
        {"tools": [tool("exec_command", "cmd", "string")], "tool_choice": "none"},
        {"tools": [tool("read_file", "cmd", "string")]},
        {"tools": [tool("exec_command", "script", "string")]},
        {"tools": [tool("shell", "command", "string", required=["command", "description"])]},
        {"tools": [{"type": "namespace", "name": "x", "tools": [tool("shell", "command", "string")]}]},
        {"tools": [{"type": "function", "name": ["shell"], "parameters": {}}]},
        {"tools": [{"type": "function", "name": "shell"}]},
        {"tools": [{"type": "function", "name": "shell", "parameters": {"properties": []}}]},
        {"tools": [{"type": "function", "name": "shell", "parameters": {"properties": {"command": 1}}}]},
        {"tools": [tool("shell", "command", "string", required="command")]},
    ],
)  # fmt: skip
def test_unknown_shell_gets_no_call(payload: dict[str, object]) -> None:
    assert find_shell_call(payload) is None


@pytest.mark.parametrize(
    ("item", "output"),
    [
        ({"type": "function_call_output", "call_id": CALL_PREFIX + "1", "output": "x"}, "x"),
        ({"type": "custom_tool_call_output", "call_id": CALL_PREFIX + "1", "output": "x"}, "x"),
        ({"type": "local_shell_call_output", "id": CALL_PREFIX + "1", "output": "x"}, "x"),
        (
            {
                "type": "function_call_output",
                "call_id": CALL_PREFIX,
                "output": [{"type": "input_text", "text": "a"}, {"type": "input_image"}, 3],
            },
            "a",
        ),
        (
            {
                "type": "function_call_output",
                "call_id": CALL_PREFIX,
                "output": '{"output":"x","metadata":{"exit_code":2}}',
            },
            "Exit code: 2\nOutput:\nx",
        ),
        (
            {
                "type": "function_call_output",
                "call_id": CALL_PREFIX,
                "output": '{"output":"x","metadata":{}}',
            },
            "Exit code: 0\nOutput:\nx",
        ),
        (
            {"type": "function_call_output", "call_id": CALL_PREFIX, "output": '{"output":"x"}'},
            "Exit code: 0\nOutput:\nx",
        ),
        (
            {"type": "function_call_output", "call_id": CALL_PREFIX, "output": '{"output":3}'},
            '{"output":3}',
        ),
        ({"type": "function_call_output", "call_id": CALL_PREFIX, "output": None}, ""),
        ({"type": "function_call_output", "call_id": CALL_PREFIX, "output": "[1]"}, "[1]"),
        ({"type": "function_call_output", "call_id": "call_of_another", "output": "x"}, None),
        ({"type": "message", "role": "user", "content": "x"}, None),
        ({"type": ["odd"]}, None),
        ({}, None),
    ],
)
def test_output_of_its_own_call_is_recognized(item: dict[str, object], output: str | None) -> None:
    assert demo_call_output({"input": [{"type": "message"}, item]}) == output
    assert demo_call_output({"input": [item, {"type": "message"}]}) is None


@pytest.mark.parametrize("client_input", ["text", [], None])
def test_input_without_items_has_no_output(client_input: object) -> None:
    assert demo_call_output({"input": client_input}) is None


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (EXEC.format(code=0, body=LISTING), "3 entries here: `read me.txt`, `src`, `link -> src`."),
        (LISTING, "3 entries here: `read me.txt`, `src`, `link -> src`."),
        ("\n".join(LISTING.splitlines()[:4]), "1 entry here: `read me.txt`."),
        ("\n".join(LISTING.splitlines()[:3]), "This folder is empty."),
        (EXEC.format(code=2, body="ls: denied\n"), "ended with code 2. It printed: `ls: denied`."),
        ("Exit code: 1\nOutput:\n", "ended with code 1. It printed: nothing."),
        ("rejected by user", "does not look like a listing: `rejected by user`."),
        ("", "does not look like a listing: nothing."),
        ("a\x1b[31mb", "`a?[31mb`"),
    ],
)
def test_output_is_described(output: str, expected: str) -> None:
    assert expected in describe_output(output)


def test_long_listing_is_shortened() -> None:
    lines = "\n".join(f"-rw-r--r-- 1 me me 0 Nov 23 22:31 file-{n}" for n in range(30))
    expected = describe_output(lines)
    assert expected.startswith("30 entries here: `file-0`, ")
    assert "`file-7` and 22 more." in expected
    assert "file-8" not in expected


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "name", "parameters", "properties", "command", "required", "output", "call_id"]),
        inner | st.sampled_from(["function", "shell", "function_call_output", CALL_PREFIX]),
        max_size=4,
    ),
)  # fmt: skip
OBJECTS = st.lists(JSON.filter(lambda value: isinstance(value, dict)), max_size=3)


@given(OBJECTS, OBJECTS, JSON)
def test_no_request_raises(
    items: list[dict[str, object]], tools: list[dict[str, object]], choice: object
) -> None:
    payload: dict[str, object] = {"input": items, "tools": tools, "tool_choice": choice}
    find_shell_call(payload)
    output = demo_call_output(payload)
    assert output is None or describe_output(output)
