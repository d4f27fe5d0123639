from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.protocols.canonical.conversation import (
    Assistant,
    Call,
    Conversation,
    Image,
    Output,
    Reasoning,
    Sampling,
    System,
    Text,
    TextFormat,
    User,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.responses.compaction import REQUEST, SUMMARY_PREFIX, compaction_item
from addons.core.protocols.responses.request import read_request
from tests.histories import CUSTOM, FUNCTION, NAMESPACE, PNG, TOOLS, extensions, request_of

OWN = wrap("here", {"signature": "s"})
HI = {"role": "user", "content": "hi"}
FOREIGN = wrap("there", {"signature": "s"})
TEXT_FILE = {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(st.characters(codec="utf-8"), max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("type", "role", "content", "text", "name", "tools", "output", "call_id")
            ),
            inner
            | st.sampled_from(("message", "user", "function_call", "namespace", "input_text")),
            max_size=4,
        )
    ),
    max_leaves=8,
)


def conversation(*items: object, **body: object) -> Conversation:
    read = read_request({"input": list(items), **body}, "here")
    assert isinstance(read, Conversation)
    return read


def refused(*items: object, **body: object) -> str:
    read = read_request({"input": list(items), **body}, "here")
    assert isinstance(read, Problem)
    assert (read.status, read.code) == (400, "invalid_prompt")
    return read.message


def says(role: str, *parts: object) -> dict[str, object]:
    return {"type": "message", "role": role, "content": list(parts)}


@pytest.mark.parametrize(
    ("item", "items"),
    [
        ({"role": "user", "content": "hi"}, (User((Text("hi"),)),)),
        (says("developer", {"type": "input_text", "text": "s"}), (System("s"),)),
        (says("system", {"type": "text", "text": "s"}), (System("s"),)),
        (says("assistant", {"type": "output_text", "text": "a"}), (Assistant("a"),)),
        (says("assistant", {"type": "refusal", "refusal": "no"}), (Assistant("no"),)),
        (
            says("user", {"type": "input_image", "image_url": PNG, "detail": "low"}),
            (User((Image(PNG, "low"),)),),
        ),
        (
            says("user", {"type": "input_image", "image_url": {"url": PNG, "detail": "high"}}),
            (User((Image(PNG, "high"),)),),
        ),
        (says("user", TEXT_FILE), (User((Text('<file name="a.txt">\nhi\n</file>'),)),)),
        (
            {"type": "function_call", "call_id": "c", "name": "add", "namespace": "n", "arguments": "{x"},
            (Call("c", "n__add", "{x"),),
        ),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "*** B"},
            (Call("c", "apply_patch", "*** B", CallKind.CUSTOM),),
        ),
        (
            {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"]}},
            (Call("c", "local_shell", '{"type":"exec","command":["ls"]}', CallKind.LOCAL_SHELL),),
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "o"},
            (Output("c", (Text("o"),)),),
        ),
        (
            {
                "type": "custom_tool_call_output",
                "call_id": "c",
                "output": [
                    {"type": "input_text", "text": "o"},
                    {"type": "input_image", "image_url": PNG},
                ],
            },
            (Output("c", (Text("o"), Image(PNG))),),
        ),
        ({"type": "function_call_output", "call_id": "c", "output": ""}, (Output("c", ()),)),
        (
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": OWN},
            (Reasoning("t", OWN),),
        ),
        ({"type": "reasoning", "summary": [], "encrypted_content": OWN}, (Reasoning("", OWN),)),
        (compaction_item("sum", "cmp_1"), (User((Text(SUMMARY_PREFIX + "sum"),)),)),
        (
            {"type": "web_search_call", "id": "ws_1", "action": {"query": "q"}},
            (Assistant('[web_search_call: {"action":{"query":"q"}}]'),),
        ),
    ],
)  # fmt: skip
def test_each_kind_of_item(item: object, items: tuple[object, ...]) -> None:
    assert conversation(item).items == items


STEPS = """web_search_call file_search_call image_generation_call code_interpreter_call computer_call tool_search_call
mcp_list_tools mcp_call mcp_approval_request shell_call apply_patch_call"""
RESULTS = "computer_call_output mcp_approval_response shell_call_output apply_patch_call_output"


@pytest.mark.parametrize("kind", STEPS.split())
def test_hosted_step_is_text_of_the_assistant(kind: str) -> None:
    item = {"type": kind, "id": "x", "status": "completed", "a": 1, "b": None}
    assert conversation(item).items == (Assistant(f'[{kind}: {{"a":1}}]'),)


@pytest.mark.parametrize("kind", RESULTS.split())
def test_hosted_result_is_text_of_the_user(kind: str) -> None:
    item = {"type": kind, "call_id": "c", "output": "o"}
    assert conversation(item).items == (User((Text(f'[{kind}: {{"call_id":"c","output":"o"}}]'),)),)


def test_image_in_a_system_message_follows_it() -> None:
    picture = {"type": "input_image", "image_url": PNG}
    read = conversation(says("developer", {"type": "input_text", "text": "s"}, picture))
    assert read.items == (System("s"), User((Image(PNG),)))


def test_large_field_of_a_hosted_step_is_replaced_by_its_length() -> None:
    (item,) = conversation({"type": "image_generation_call", "result": "x" * 5_000}).items
    assert item == Assistant('[image_generation_call: {"result":"(5002 characters left out)"}]')


SCHEMA = {"type": "object"}
FORM = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True, "description": "d"}


@pytest.mark.parametrize(
    ("form", "read"),
    [
        (None, None),
        ({}, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, TextFormat("json_object")),
        (FORM, TextFormat("json_schema", "n", SCHEMA, strict=True, description="d")),
        ({"type": "json_schema", "json_schema": FORM}, TextFormat("json_schema", "n", SCHEMA, strict=True, description="d")),
        ({"type": "json_schema", "schema": SCHEMA, "strict": "yes"}, TextFormat("json_schema", "output", SCHEMA)),
    ],
)  # fmt: skip
def test_text_format_is_read(form: object, read: TextFormat | None) -> None:
    assert conversation(says("user", "hi"), text={"format": form}).text_format == read


@pytest.mark.parametrize("form", [{"type": "json_schema"}, {"type": "grammar", "schema": SCHEMA}])
def test_unknown_text_format_is_refused(form: object) -> None:
    assert "text.format" in refused(says("user", "hi"), text={"format": form})


@pytest.mark.parametrize(
    ("item", "items"),
    [
        ({"type": "function_call", "call_id": "c", "name": "add"}, (Call("c", "add", ""),)),
        ({"type": "function_call", "call_id": "c", "name": "add", "arguments": {"a": 1}}, (Call("c", "add", '{"a":1}'),)),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch"},
            (Call("c", "apply_patch", "", CallKind.CUSTOM),),
        ),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": ["x"]},
            (Call("c", "apply_patch", '["x"]', CallKind.CUSTOM),),
        ),
        (
            {"type": "local_shell_call", "id": "c"},
            (Call("c", "local_shell", "{}", CallKind.LOCAL_SHELL),),
        ),
        ({"type": "local_shell_call_output", "id": "c", "output": "o"}, (Output("c", (Text("o"),)),)),
        ({"type": "local_shell_call_output", "call_id": "c", "id": "x", "output": "o"}, (Output("c", (Text("o"),)),)),
        (
            {"type": "local_shell_call", "call_id": "c", "id": "x"},
            (Call("c", "local_shell", "{}", CallKind.LOCAL_SHELL),),
        ),
        ({"type": "function_call_output", "call_id": "c", "output": {"a": 1}}, (Output("c", (Text('{"a":1}'),)),)),
        (
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
            (Reasoning("t", None),),
        ),
    ],
)  # fmt: skip
def test_loose_forms_of_items_are_read(item: object, items: tuple[object, ...]) -> None:
    assert conversation(item).items == items


def test_call_with_deeply_nested_json_is_left_out_and_noted() -> None:
    deep = orjson.loads(b"[" * 500 + b"]" * 500)
    call = {"type": "function_call", "call_id": "c", "name": "x", "arguments": deep}
    read = conversation(HI, call)
    assert read.items == (User((Text("hi"),)),)
    assert "cannot be written" in read.dropped[0]


def test_foreign_reasoning_keeps_its_summary_and_is_noted() -> None:
    item = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "t"}],
        "encrypted_content": FOREIGN,
    }
    read = conversation(item)
    assert read.items == (Reasoning("t"),)
    assert read.dropped == ("input[0]: encrypted reasoning of another upstream",)


def test_foreign_compaction_is_noted() -> None:
    read = conversation(
        {"role": "user", "content": "hi"}, {"type": "compaction", "encrypted_content": "gA"}
    )
    assert read.dropped == ("input[1]: a compaction that another service encrypted",)


def test_reference_to_a_stored_item_is_refused() -> None:
    assert "store: false" in refused({"type": "item_reference", "id": "msg_1"})


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "p"}},
        {"input": 5},
        {"input": []},
        {"tools": 5},
        {"tool_choice": "any"},
        {"instructions": 5},
        {"text": {"format": {"type": "yaml"}}},
        {"input": [{"type": "teleport"}]},
    ],
)
def test_unreadable_body_is_refused(body: dict[str, object]) -> None:
    assert isinstance(read_request({"input": "hi", **body}, "here"), Problem)


def test_fields_besides_the_items_are_read() -> None:
    read = read_request(
        {
            "instructions": "be kind",
            "input": "hi",
            "parallel_tool_calls": False,
            "reasoning": {"effort": "high"},
            "text": {
                "verbosity": "low",
                "format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True},
            },
            "max_output_tokens": 5,
            "temperature": 0,
            "top_p": 0.5,
            "prompt_cache_key": "k",
            "stream": True,
        },
        "here",
    )
    assert isinstance(read, Conversation)
    assert read.items == (System("be kind"), User((Text("hi"),)))
    assert read.parallel_tool_calls is False
    assert (read.effort, read.verbosity, read.cache_key) == ("high", "low", "k")
    assert read.text_format == TextFormat("json_schema", "n", {"a": 1}, strict=True)
    assert read.sampling == Sampling(5, 0, 0.5)
    assert read.stream


def test_additional_tools_follow_the_declared_ones() -> None:
    item = {"type": "additional_tools", "role": "developer", "tools": [NAMESPACE]}
    read = conversation(item, {"role": "user", "content": "hi"}, tools=[FUNCTION, CUSTOM])
    assert [tool.name for tool in read.tools] == [
        "exec_command", "apply_patch", "add_one", "exec_command",
    ]  # fmt: skip


def test_compaction_trigger_requests_the_summary_last() -> None:
    read = conversation(
        {"role": "user", "content": "hi"}, {"type": "compaction_trigger"}, tools=TOOLS
    )
    assert read.wants_compaction
    assert read.items[-1] == User((Text(REQUEST),))


@given(extensions())
def test_history_is_a_prefix_of_its_extension(
    pair: tuple[list[dict[str, object]], list[dict[str, object]]],
) -> None:
    before, after = (read_request(request_of(items), "here") for items in pair)
    assert isinstance(before, Conversation)
    assert isinstance(after, Conversation)
    assert after.items[: len(before.items)] == before.items
    assert after.tools[: len(before.tools)] == before.tools


@given(
    st.dictionaries(st.sampled_from(("input", "tools", "tool_choice", "text", "reasoning")), JSON)
)
def test_any_json_is_read_or_refused(body: dict[str, object]) -> None:
    read = read_request(orjson.loads(orjson.dumps(body)), "here")
    assert isinstance(read, Conversation | Problem)
