"""Tools and output schemas that real servers refuse, over real sockets: the sent form is accepted, and calls come back."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from addons.core.upstream.protocol import Protocol
from tests.boundary.row_turns import (
    ANSWERS_BY_PROTOCOL,
    CODEX,
    START,
    UpstreamAnswers,
    ask,
    block,
    chunk,
    delta,
    line,
    message_end,
    says,
    sse,
    terminal,
)
from tests.strict import chat, messages

TEXT = {"type": "string"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "type beside anyOf": {
        "type": "object",
        "properties": {"$top": {"type": "string", "anyOf": [TEXT, {"type": "null"}]}},
    },
    "root union": {
        "type": "object",
        "anyOf": [{"properties": {"filename": TEXT}, "required": ["filename"]}, {"properties": {"$top": {}}}],
    },
    "odd keys": {
        "type": "object",
        "properties": {"$top": {"type": "integer"}, "filter[app]": TEXT, "x" * 80: {"items": [TEXT]}},
        "required": ["$top"],
    },
    "draft 4": {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "id": "urn:tool",
        "type": "object",
        "properties": {"$top": {"$ref": "#/definitions/Top of"}, "n": {"minimum": 0, "exclusiveMinimum": True}},
        "definitions": {"Top of": {"properties": {"next": {"$ref": "#/definitions/Top of"}}, "required": ["next"]}},
    },
    "odd forms": {"properties": {"$top": True, "a": {}, "b": {"type": "array"}, "c": {"enum": [1, "x", None]}}},
}  # fmt: skip
JUDGES = {Protocol.CHAT: chat.validate, Protocol.MESSAGES: messages.validate}


def calls(answers: UpstreamAnswers, *pieces: str) -> bytes:
    """A stream in which the tool is called with these pieces of arguments."""
    if answers.protocol is Protocol.CHAT:
        heads = [{"id": "call_1", "type": "function"}, *({} for _ in pieces[1:])]
        names = [{"name": "list"}, *({} for _ in pieces[1:])]
        chunks = [
            chunk({"tool_calls": [{"index": 0, **head, "function": {**name, "arguments": piece}}]})
            for head, name, piece in zip(heads, names, pieces, strict=True)
        ]
        return sse(*chunks, chunk(finish="tool_calls")) + b"data: [DONE]\n\n"
    parts = [delta(0, "input_json_delta", partial_json=piece) for piece in pieces]
    stop = {"type": "content_block_stop", "index": 0}
    return sse(
        START,
        block(0, "tool_use", id="toolu_1", name="list", input={}),
        *parts,
        stop,
        *message_end("tool_use"),
    )


def sent_schema(answers: UpstreamAnswers, request: dict[str, Any]) -> dict[str, Any]:
    (tool,) = request["tools"]
    schema = (
        tool["function"]["parameters"]
        if answers.protocol is Protocol.CHAT
        else tool["input_schema"]
    )
    assert isinstance(schema, dict)
    return schema


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("protocol", ANSWERS_BY_PROTOCOL)
async def test_tool_is_accepted_and_its_call_has_the_names_of_the_tool(
    protocol: str, name: str
) -> None:
    answers = ANSWERS_BY_PROTOCOL[protocol]
    tool = {"type": "function", "name": "list", "parameters": SCHEMAS[name]}
    async with line(answers, says(answers.text, answers.end)) as (c, up):
        assert terminal(await ask(c, CODEX, tools=[tool]))["type"] == "response.completed"
    first = orjson.loads(up.requests[0].body)
    assert JUDGES[answers.protocol](first) == []
    top = next(key for key in sent_schema(answers, first)["properties"] if "top" in key)

    async with line(answers, says(calls(answers, f'{{"{top[:2]}', f'{top[2:]}": ', "null}"))) as (
        c,
        up,
    ):
        response = terminal(await ask(c, CODEX, tools=[tool]))["response"]
    (call,) = response["output"]
    assert json.loads(call["arguments"]) == {"$top": None}

    history = [
        {"role": "user", "content": "hi"},
        call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "done"},
    ]
    async with line(answers, says(answers.text, answers.end)) as (c, up):
        await ask(c, CODEX, tools=[tool], input=history)
    later = orjson.loads(up.requests[0].body)
    assert JUDGES[answers.protocol](later) == []
    assert sent_schema(answers, later) == sent_schema(answers, first)
    assert "$top" not in json.dumps(later["messages"])
    assert top in json.dumps(later["messages"])


BOUNDED = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "minimum": 1, "maximum": 9},
        "s": {"type": "string", "minLength": 2},
        "l": {"type": "array", "items": TEXT, "minItems": 2},
    },
    "required": ["n", "s", "l"],
    "additionalProperties": False,
}
OUTPUTS = [
    BOUNDED,
    {**BOUNDED, "required": ["n"]},
    {"type": "object"},
    {**BOUNDED, "properties": {"$n": {}}},
]


@pytest.mark.parametrize("schema", OUTPUTS)
@pytest.mark.parametrize("protocol", ANSWERS_BY_PROTOCOL)
async def test_output_schema_is_accepted(protocol: str, schema: dict[str, Any]) -> None:
    answers = ANSWERS_BY_PROTOCOL[protocol]
    form = {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
    async with line(answers, says(answers.text, answers.end)) as (c, up):
        await ask(c, CODEX, text={"format": form})
    sent = orjson.loads(up.requests[0].body)
    assert JUDGES[answers.protocol](sent) == []
