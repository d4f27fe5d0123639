from __future__ import annotations

from typing import Any

import pytest

from tests.strict.chat import validate

CALL = {"id": "a", "type": "function", "function": {"name": "read", "arguments": "{}"}}
SYSTEM = {"role": "system", "content": "be brief"}
HI = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}
ANSWER = {"role": "tool", "tool_call_id": "a", "content": "out"}
FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "a", "schema": {"type": "object", "additionalProperties": False}},
}
ASSISTANT = {"role": "assistant", "content": None, "tool_calls": [CALL]}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages or (HI,)), **fields}


def test_valid_request_is_accepted() -> None:
    assert validate(body(SYSTEM, HI, ASSISTANT, ANSWER, HI, tools=[TOOL], stream=True)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "m", "messages": []},
        {"messages": [HI]},
        body(_internal=1),
        body({**HI, "_id": 1}),
        body({"role": "user", "content": ""}),
        body({"role": "user", "content": []}),
        body({"role": "user", "content": [{"type": "text", "text": ""}]}),
        body({"role": "user", "content": [{"type": "input_text", "text": "x"}]}),
        body({"role": "user", "content": [{"type": "image_url", "image_url": "https://x"}]}),
        body({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:x"}}]}),
        body({"role": "assistant", "content": None}),
        body({"role": "assistant", "content": None, "tool_calls": []}),
        body({"role": "narrator", "content": "x"}),
        body(HI, ASSISTANT),
        body(HI, ASSISTANT, HI, ANSWER),
        body(HI, ANSWER),
        body(HI, ASSISTANT, ANSWER, ANSWER),
        body(HI, ASSISTANT, ANSWER, ASSISTANT, ANSWER),
        body(HI, {**ASSISTANT, "tool_calls": [{**CALL, "id": ""}]}, ANSWER),
        body(HI, {**ASSISTANT, "tool_calls": [{**CALL, "function": {"name": "read", "arguments": "{"}}]}, ANSWER),
        body(tools=[]),
        body(tools=[TOOL, TOOL]),
        body(tools=[{"type": "custom", "custom": {}}]),
        body(tools=[{"type": "function", "function": {"name": "a.b", "parameters": {"type": "object"}}}]),
        body(tools=[TOOL], tool_choice="any"),
        body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "write"}}),
        body(tool_choice="none"),
        body(parallel_tool_calls=True),
        body(stream_options={"include_usage": True}),
        body(max_tokens=1, max_completion_tokens=1),
        body(max_tokens=0),
        body(response_format={"type": "json_object"}),
        body(response_format={"type": "xml"}),
        body(HI, HI),
        body(SYSTEM, SYSTEM, HI),
        body(HI, SYSTEM),
        body(HI, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}),
        body(HI, ASSISTANT, ANSWER),
        body(tools=[TOOL, {"type": "function", "function": {"name": "b", "parameters": {"type": "object"}, "strict": True}}]),
    ],
)  # fmt: skip
def test_invalid_request_is_refused(wrong: dict[str, Any]) -> None:
    assert validate(wrong)


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ("user_after_tool", body(HI, ASSISTANT, ANSWER, HI, tools=[TOOL])),
        ("format_with_tools", body(tools=[TOOL], response_format=FORMAT)),
        (
            "tool_choice_named",
            body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "read"}}),
        ),
    ],
)
def test_what_only_some_servers_refuse(rule: str, refused: dict[str, Any]) -> None:
    assert validate(refused) == []
    flags: dict[str, Any] = {rule: False}
    assert validate(refused, **flags)
