"""The messages of a turn, held to the published schemas."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as registry

from addons.core.telemetry.genai_messages import (
    INPUT,
    INSTRUCTIONS,
    MAX_INPUT,
    MAX_INSTRUCTIONS,
    MAX_OUTPUT,
    MAX_PART,
    OMITTED,
    OUTPUT,
    answer_attributes,
    request_attributes,
)
from tests.strict.genai_messages import SCHEMAS, objections

COMPLETED = {"type": "response.completed"}
ITEMS: list[dict[str, Any]] = [
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be kind"}]},
    {"role": "user", "content": "hello"},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "see"},
            {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 9000},
            {"type": "input_image", "image_url": "https://example.com/a.png"},
            {"type": "input_file", "file_id": "f1"},
        ],
    },
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "think"}], "encrypted_content": "x"},
    {"type": "reasoning", "summary": [], "encrypted_content": "x"},
    {"type": "function_call", "call_id": "c1", "name": "shell", "arguments": '{"cmd":["ls"]}'},
    {"type": "function_call_output", "call_id": "c1", "output": "a.txt"},
    {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "*** Begin"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "ok"}, {"type": "input_image", "image_url": "data:,"}]},
    {"type": "local_shell_call", "call_id": "c3", "action": {"type": "exec", "command": ["pwd"]}},
    {"type": "web_search_call", "id": "ws", "action": {"type": "search", "query": "q"}},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}, {"type": "refusal", "refusal": "no"}]},
    {"type": "compaction", "encrypted_content": "x"},
]  # fmt: skip


def read(found: dict[str, str | int], name: str) -> Any:
    text = found[name]
    assert isinstance(text, str)
    assert list(objections(name, text)) == []
    return json.loads(text)


def test_names_are_those_of_the_registry() -> None:
    names = registry.GEN_AI_INPUT_MESSAGES, registry.GEN_AI_OUTPUT_MESSAGES
    assert names == (INPUT, OUTPUT)
    assert registry.GEN_AI_SYSTEM_INSTRUCTIONS == INSTRUCTIONS
    assert set(SCHEMAS) == {INPUT, OUTPUT, INSTRUCTIONS}


def test_request_becomes_messages() -> None:
    found = request_attributes({"instructions": "You are Codex", "input": ITEMS})
    assert read(found, INSTRUCTIONS) == [{"type": "text", "content": "You are Codex"}]
    messages = read(found, INPUT)
    assert [one["role"] for one in messages] == [
        "developer", "user", "user", "assistant", "assistant", "tool", "assistant", "tool", "assistant", "assistant",
        "assistant", "assistant",
    ]  # fmt: skip
    parts = [part for one in messages for part in one["parts"]]
    assert parts[:6] == [
        {"type": "text", "content": "be kind"},
        {"type": "text", "content": "hello"},
        {"type": "text", "content": "see"},
        {"type": "image", "mime_type": "image/png", "characters": 9022},
        {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
        {"type": "input_file"},
    ]
    assert parts[6:13] == [
        {"type": "reasoning", "content": "think"},
        {"type": "tool_call", "id": "c1", "name": "shell", "arguments": {"cmd": ["ls"]}},
        {"type": "tool_call_response", "id": "c1", "response": "a.txt"},
        {"type": "tool_call", "id": "c2", "name": "apply_patch", "arguments": "*** Begin"},
        {"type": "tool_call_response", "id": "c2", "response": "ok\n[input_image]"},
        {"type": "tool_call", "id": "c3", "name": "local_shell", "arguments": {"type": "exec", "command": ["pwd"]}},
        {"type": "server_tool_call", "id": "ws", "name": "web_search", "server_tool_call": {"type": "web_search", "action": {"type": "search", "query": "q"}}},
    ]  # fmt: skip
    assert parts[13:] == [
        {"type": "text", "content": "done"},
        {"type": "refusal", "content": "no"},
        {"type": "compaction"},
    ]
    assert OMITTED not in found


def test_answer_becomes_one_message_with_its_finish_reason() -> None:
    incomplete = {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}  # fmt: skip
    for items, terminal, finish in (
        (ITEMS[-2:-1], COMPLETED, "stop"),
        (ITEMS[5:6], COMPLETED, "tool_call"),
        (ITEMS[-2:-1], incomplete, "length"),
        (ITEMS[-2:-1], {"type": "response.failed"}, "error"),
        (ITEMS[-2:-1], {}, "error"),
        ([], COMPLETED, "stop"),
    ):
        [message] = read(answer_attributes(items, terminal), OUTPUT)
        assert (message["role"], message["finish_reason"]) == ("assistant", finish)
        assert len(message["parts"]) == sum(len(each.get("content", "a")) for each in items)
    assert answer_attributes([], {}) == {}


def test_text_is_bounded_and_the_newest_stays() -> None:
    long = "x" * (MAX_PART + 7)
    items = [{"role": "user", "content": f"{number} {long}"} for number in range(40)]
    found = request_attributes({"instructions": "y" * 100_000, "input": items})
    messages = read(found, INPUT)
    assert found[OMITTED] == 40 - len(messages) > 0
    assert messages[-1]["parts"][0]["content"].startswith("39 x")
    assert messages[-1]["parts"][0]["content"].endswith(" [10 more characters]")
    assert MAX_INPUT - 2 * MAX_PART < len(str(found[INPUT])) <= MAX_INPUT
    assert len(str(found[INSTRUCTIONS])) <= MAX_INSTRUCTIONS
    assert read(found, INSTRUCTIONS)[0]["content"].endswith("more characters]")
    calls = [ITEMS[5] | {"arguments": json.dumps({"text": long})} for _ in range(9)]
    answer = answer_attributes(calls, COMPLETED)
    [message] = read(answer, OUTPUT)
    assert message["parts"][-1]["arguments"].endswith("more characters]")
    assert len(str(answer[OUTPUT])) <= MAX_OUTPUT + 100
    assert answer["codex_shim.output_parts_omitted"] == 9 - len(message["parts"])


def test_any_json_has_messages_of_the_schema() -> None:
    deep: Any = "x"
    for _ in range(248):
        deep = [deep]
    odd: list[Any] = [
        None, 3, "text", [], {}, {"type": 3}, {"type": "function_call"}, {"type": "function_call", "name": "f", "arguments": "{"},
        {"type": "function_call", "name": "f", "action": deep}, {"type": "function_call", "name": "f", "action": [[deep] * 9] * 9},
        {"type": "function_call", "name": "f", "arguments": '{"a":' * 400 + "1" + "}" * 400},
        {"type": "web_search_call", "action": "z" * 9000}, {"type": "x_output", "output": {"a": 1}},
        {"type": "message", "content": [None, 3, "plain", {"type": "input_text"}]}, {"type": "reasoning", "content": "t"},
    ]  # fmt: skip
    whole: list[Any] = [odd, {}, None, 3, "plain"]
    for value in whole:
        found = request_attributes({"input": value, "instructions": value})
        for name in found:
            read(found, name)
    read(answer_attributes(odd, COMPLETED), OUTPUT)
