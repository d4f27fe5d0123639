"""The independent judge of messages requests: each row breaks one rule of the API."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from tests.strict.messages import validate

HI = {"type": "text", "text": "hi"}
TOOL = {"name": "read", "input_schema": {"type": "object"}}
USE = {"type": "tool_use", "id": "a", "name": "read", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": [HI]}
THINKING = {"type": "thinking", "thinking": "hm", "signature": "s"}
ENABLED = {"type": "enabled", "budget_tokens": 1024}
MARK = {"cache_control": {"type": "ephemeral"}}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "max_tokens": 4096,
        "messages": list(messages or (user(HI),)),
        **fields,
    }


def image(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


def test_valid_request_is_accepted() -> None:
    messages = user(HI), assistant(THINKING, USE), user(RESULT, HI)
    options = {"thinking": ENABLED, "system": [{**HI, **MARK}], "tool_choice": {"type": "auto"}}
    assert validate(body(*messages, tools=[TOOL], **options)) == []


def picture(width: int) -> dict[str, Any]:
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, 9)
    return image(type="base64", media_type="image/png", data=base64.b64encode(data).decode())


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "m", "max_tokens": 1, "messages": []},
        {"max_tokens": 1, "messages": [user(HI)]},
        body(max_tokens=0),
        body(max_completion_tokens=1),
        body(system=[{"type": "text", "text": " "}]),
        body(system=[USE]),
        body(assistant(HI), user(HI)),
        body(user(HI), user(HI)),
        body(user(HI), assistant(HI)),
        body(user()),
        body({**user(HI), "name": "x"}),
        body(user({**HI, "text": "\n"})),
        body(user({**HI, "id": "x"})),
        body(user({"type": "input_text", "text": "x"})),
        body(user(image(type="url", url="http://a.test"))),
        body(user(image(type="base64", media_type="image/bmp", data="AA=="))),
        body(user(image(type="base64", media_type="image/png", data="A"))),
        body(user(image(type="base64", media_type="image/jpeg", data="iVBORw0KGgo="))),
        body(user(*[picture(2001)] * 21)),
        body(user(picture(8001))),
        body(user(*[picture(9)] * 101)),
        body(user(HI), assistant(THINKING), user(HI)),
        body(user(HI), assistant({"type": "thinking", "thinking": "x"}, HI), user(HI)),
        body(user(HI), assistant(USE), user(HI), tools=[TOOL]),
        body(user(HI), assistant(USE), user(HI, RESULT), tools=[TOOL]),
        body(user(HI), assistant(USE), user(RESULT, RESULT), tools=[TOOL]),
        body(user(RESULT), tools=[TOOL]),
        body(user(HI), assistant(USE, USE), user(RESULT, RESULT), tools=[TOOL]),
        body(user(HI), assistant(USE), user(RESULT), assistant(USE), user(RESULT), tools=[TOOL]),
        body(user(HI), assistant(USE), user(RESULT)),
        body(user(HI), assistant({**USE, "id": "a.b"}), user({**RESULT, "tool_use_id": "a.b"}), tools=[TOOL]),
        body(user(HI), assistant({**USE, "input": "x"}), user(RESULT), tools=[TOOL]),
        body(tools=[]),
        body(tools=[TOOL, TOOL]),
        body(tools=[{**TOOL, "name": "a.b"}]),
        body(tools=[{**TOOL, "description": ""}]),
        body(tools=[{**TOOL, "parameters": {}}]),
        body(tools=[{"name": "read", "input_schema": {}}]),
        body(tools=[{"name": "read", "input_schema": {"type": "object", "anyOf": []}}]),
        body(tool_choice={"type": "none"}),
        body(tools=[TOOL], tool_choice={"type": "required"}),
        body(tools=[TOOL], tool_choice={"type": "tool", "name": "write"}),
        body(tools=[TOOL], tool_choice={"type": "none", "disable_parallel_tool_use": True}),
        body(tools=[TOOL], tool_choice={"type": "any"}, thinking=ENABLED),
        body(thinking={"type": "enabled", "budget_tokens": 1000}),
        body(thinking=ENABLED, max_tokens=1024),
        body(thinking=ENABLED, temperature=0.5),
        body(thinking=ENABLED, top_p=0.5),
        body(user(HI), assistant(USE), user(RESULT), tools=[TOOL], thinking=ENABLED),
        body(temperature=1.5),
        body(temperature=0.5, top_p=0.5),
        body(output_config={"effort": "ultra"}),
        body(user(*[{**HI, **MARK}] * 5)),
        body(user(HI), assistant({**THINKING, **MARK}, HI), user(HI)),
    ],
)  # fmt: skip
def test_invalid_request_is_refused(wrong: dict[str, Any]) -> None:
    assert validate(wrong)


def test_pictures_within_the_limits_are_accepted() -> None:
    assert validate(body(user(*[picture(2001)] * 20))) == []
    assert validate(body(user(*[picture(2000)] * 100))) == []
