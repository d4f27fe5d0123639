"""Refusals in plain words, in Chinese and in other notations, and those that must not be repaired.

Each thread has at least two turns: what was learnt from a refusal holds for the next turn.
"""

# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tests.field.cases_found import CLAUDE, GENERIC
from tests.field.cases_found_more import APPLY_PATCH, PATCH
from tests.field.cases_requests import PNG, png
from tests.field.rig import (
    Body,
    Case,
    Refuses,
    call,
    chat_call,
    chat_stream,
    chat_text,
    error,
    message,
    messages_of,
    parts,
    picture,
    result,
    roles,
    tool,
    user,
)
from tests.support.upstream import Received

LONG = "Searches everything. " * 130
LONG_ID = "call_" + "x" * 80
PDF = {
    "type": "input_file",
    "filename": "a.pdf",
    "file_data": "data:application/pdf;base64,JVBERi0xLjc=",
}
NATIVE = {"model": "gpt-5.4", "provider": "openai-responses"}
PICTURE: tuple[dict[str, Any], ...] = ({"add": [picture(PNG + png())]}, {})


def text_of(value: Any) -> str:
    return orjson.dumps(value).decode()


def has_field(field: str) -> Callable[[Body, object], bool]:
    return lambda body, _: field in body


def has_picture(body: Body, _: object) -> bool:
    return bool(parts(body, "image_url") or parts(body, "image"))


def always(_body: Body, _: object) -> bool:
    return True


def repair_case(
    case: str, row: dict[str, Any], when: Callable[[Body, Any], bool], refusal: Any, **more: Any
) -> Case:
    """Two turns, of which the first one is refused once."""
    fields: dict[str, Any] = {"turns": ({}, {}), "refused": 1, "text": "ok", **more}
    status = fields.pop("status", 400)
    return Case(case, row, refuses=(Refuses(when, refusal, status),), **fields)


def final_refusal(case: str, refusal: Any, code: str, status: int = 400, **more: Any) -> Case:
    """A refusal after which nothing is sent again."""
    return Case(case, GENERIC, refuses=(Refuses(always, refusal, status),), refused=1, requests=1, code=code, **more)  # fmt: skip


def answered(case: str, answer: bytes, **more: Any) -> Case:
    return Case(case, GENERIC, answers=(answer,), **more)


def without_content(body: Body, _: object) -> bool:
    return any(one.get("content") is None for one in body["messages"])


def asks_for(effort: str) -> Callable[[Body, object], bool]:
    return lambda body, _: body.get("reasoning_effort") == effort


EFFORTS = {"model": "gpt-5.6-terra", "provider": "azure"}
STRONG: tuple[dict[str, Any], ...] = ({"reasoning": {"effort": "xhigh"}},) * 2
CALLED: tuple[dict[str, Any], ...] = ({"add": [user("a"), call(), result(), user("b")]}, {})
OLLAMA_LEVELS = (
    'think value "xhigh" is not supported for this model (use: low, medium, high)',
    'invalid reasoning value: \'xhigh\' (must be "high", "medium", "low", "none")',
    "Invalid reasoning effort 'xhigh'. This model accepts low | high.",
    "reasoning_effort xhigh exceeds the maximum 'high' of your model",
)
PICTURE_WORDS = {
    "r01": error("You uploaded an unsupported image. Please make sure your image is valid."),
    "r01-url": error("Error while downloading the image.", code="invalid_image_url"),
    "r01-fetch": error("Unable to fetch image from the given URL"),
    "r01-chinese": error("当前模型不支持图片输入"),
    "r01-chinese-damaged": error("图片输入格式/解析错误", code="1210"),
    "r01-pydantic": {
        "detail": [
            {"loc": ["body", "messages", 1, "content", 0, "image_url"], "msg": "Extra inputs are not permitted"}
        ]
    },
    "r01-serde": "messages[1].content: data did not match any variant of untagged enum MessageContent",
}  # fmt: skip
FIELD_WORDS = {
    "r06": "parallel tool calls are not supported",
    "r06-chinese": "不支持的参数：parallel_tool_calls",
    "r06-forbidden": "parallel_tool_calls: forbidden",
    "r06-property": "property 'parallel_tool_calls' is unsupported",
    "r06-name": 'Unknown name "parallel_tool_calls": Cannot find field.',
}


CUSTOM_WORDS = {
    "r14-meta": error("`custom` tools are not supported on this endpoint", param="tools"),
    "r14-llamacpp": error("'type' of tool must be 'function'", code=400),
    "r14-command-code": error('Only `type:"function"` tools are supported on this endpoint. Built-in tools are not executed here.', param="tools.1.type"),
    "r14-gateway": error("Unsupported Responses tool type: 'custom'"),
    "r14-lmstudio": {
        "error": '[\n {"received": "custom", "code": "invalid_literal", "expected": "function", "path": [1, "type"], "message": "Invalid literal value"}\n]'
    },
    "r14-schema": error("'function' is a required property, expected an object - 'tools.1'"),
    "r14-pydantic": error("body.tools.1: Input tag 'custom' found using 'type' does not match any of the expected tags: 'function'"),
}  # fmt: skip
NATIVE_SERVER = {"model": "m", "provider": "openai-responses"}
PATCHED: tuple[dict[str, Any], ...] = ({"tools": [tool(), APPLY_PATCH]},) * 2


def custom_in_responses(body: Body, request: Received) -> bool:
    """A server whose Responses API knows only function tools."""
    return b"/responses" in request.line and any(one["type"] == "custom" for one in body["tools"])


def description_length(body: Body) -> int:
    return len(body["tools"][0]["function"]["description"])


def long_ids(body: Body, _: object) -> bool:
    return any(len(one.get("call_id", "")) > 64 for one in body["input"])


def kinds(body: Body) -> list[str]:
    return [
        part["type"]
        for one in body["input"]
        if isinstance(one.get("content"), list)
        for part in one["content"]
    ]


CASES = [
    *(repair_case(case, GENERIC, has_picture, refusal, turns=PICTURE) for case, refusal in PICTURE_WORDS.items()),
    *(repair_case(case, NATIVE_SERVER, custom_in_responses, refusal, turns=PATCHED,
             sent=lambda bodies: all([one["function"]["name"] for one in body["tools"]] == ["shell", "apply_patch"] for body in bodies))
      for case, refusal in CUSTOM_WORDS.items()),
    repair_case("r14-hosted", NATIVE_SERVER, lambda body, request: b"/responses" in request.line and any(one["type"] != "function" for one in body["tools"]), CUSTOM_WORDS["r14-llamacpp"],
           turns=({"tools": [tool(), APPLY_PATCH, {"type": "web_search"}]},) * 2, refused=2),
    Case("r14-call", NATIVE_SERVER, PATCHED, (chat_call(text_of({"input": PATCH}), name="apply_patch"), chat_text("ok")), (Refuses(custom_in_responses, CUSTOM_WORDS["r14-meta"]),), refused=1, text="ok",
         sent=lambda bodies: PATCH in orjson.loads(messages_of(bodies[1], "assistant")[0]["tool_calls"][0]["function"]["arguments"])["input"]),
    Case("r02", GENERIC, ({"add": [message("user", PDF, {"type": "input_text", "text": "read"})]}, {}), text="ok",
         sent=lambda bodies: "a.pdf" in text_of(messages_of(bodies[1], "user")) and "read" in text_of(messages_of(bodies[1], "user"))),
    Case("r02-messages", CLAUDE, ({"add": [message("user", PDF)]}, {}), text="ok"),
    repair_case("r02-native", NATIVE, lambda body, _: "input_file" in kinds(body), error("file inputs are not supported by this model"), turns=({"add": [message("user", PDF)]}, {})),
    repair_case("r03", CLAUDE, lambda body, _: body.get("thinking", {}).get("type") == "adaptive",
           error("thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: 'disabled', 'enabled'"),
           sent=lambda bodies: all(one["thinking"]["type"] == "enabled" for one in bodies)),
    repair_case("r03-mandatory", {"model": "x/y", "provider": "openrouter"}, lambda body, _: body.get("reasoning", {}).get("effort") == "none",
           error("Reasoning is mandatory for this endpoint and cannot be disabled."), turns=({"reasoning": {"effort": "none"}},) * 2,
           sent=lambda bodies: all(one["reasoning"]["effort"] == "low" for one in bodies)),
    repair_case("r03-budget", {"model": "gemini-2.5-pro", "provider": "gemini"}, lambda body, _: body.get("reasoning_effort") == "none",
           error("Budget 0 is invalid. This model only works in thinking mode."), turns=({"reasoning": {"effort": "none"}},) * 2,
           sent=lambda bodies: all(one["reasoning_effort"] == "low" for one in bodies)),
    repair_case("r04", GENERIC, lambda body, _: body.get("max_tokens", 0) > 8192,
           {"message": "The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens value that is lower than 8192."},
           turns=({"max_output_tokens": 32000},) * 2, sent=lambda bodies: all(one["max_tokens"] == 8192 for one in bodies)),
    final_refusal("r04-overflow", error("The sum of prompt length (40000.0) and query length, max_new_tokens (1) should not exceed max_num_tokens (8192)"), "context_length_exceeded"),
    final_refusal("r04-fit", error("The request does not fit the 32768 token context"), "context_length_exceeded"),
    repair_case("r05", {"model": "gemma-3-27b-it", "provider": "gemini"}, lambda body, _: "system" in roles(body),
           error("Developer instruction is not enabled for models/gemma-3-27b-it"),
           sent=lambda bodies: all(roles(one)[0] == "user" and "You are Codex." in text_of(one["messages"][0]) for one in bodies)),
    *(repair_case(case, {"model": "gpt-4o", "provider": "openai"}, has_field("parallel_tool_calls"), error(refusal), sent=lambda bodies: all("tools" in one for one in bodies))
      for case, refusal in FIELD_WORDS.items()),
    repair_case("r06-options", {"model": "gpt-4o", "provider": "openai"}, has_field("stream_options"), error("stream options are disabled")),
    repair_case("r07", NATIVE, long_ids, error("Invalid 'input[1].call_id': string too long. Expected a string with maximum length 64, but got a string with length 85 instead.", param="input[1].call_id", code="string_above_max_length"),
           turns=({"add": [user("a"), call(LONG_ID), result(LONG_ID), user("b")]}, {}),
           sent=lambda bodies: len({one["call_id"] for one in bodies[0]["input"] if "call_id" in one}) == 1),
    repair_case("r07-reasoning", NATIVE, lambda body, _: any(one.get("id") == "rs_1" for one in body["input"]),
           error("Item 'rs_1' of type 'reasoning' was provided without its required following item.", param="input"),
           turns=({"add": [user("a"), {"type": "reasoning", "id": "rs_1", "summary": []}, user("b")]}, {})),
    repair_case("r07-step", NATIVE, lambda body, _: any(one.get("type") == "web_search_call" for one in body["input"]),
           error("Invalid value: 'other'. Supported values are: 'search', 'open_page', and 'find_in_page'.", param="input[1].action.type"),
           turns=({"add": [user("a"), {"type": "web_search_call", "status": "completed", "action": {"type": "other"}}, user("b")]}, {})),
    repair_case("r07-tools", NATIVE, lambda body, _: any(one["type"] == "web_search" for one in body["tools"]), error("'type' of tool must be 'function'"),
           turns=({"tools": [tool(), {"type": "web_search"}]},) * 2),
    repair_case("r10", {"model": "gpt-4o", "provider": "azure"}, lambda body, _: description_length(body) > 1024,
           error("Invalid 'tools[0].function.description': string too long. Expected a string with maximum length 1024, but got a string with length 2730 instead.", param="tools[0].function.description", code="string_above_max_length"),
           turns=({"tools": [tool(description=LONG)]},) * 2, sent=lambda bodies: all(LONG in one["messages"][0]["content"] for one in bodies)),
    Case("r10-glm", {"model": "glm-5.2", "provider": "zai"}, ({"add": [user("a"), call(), result(), user("b")], "tools": None}, {"tools": None}), text="ok",
         sent=lambda bodies: all(one["tools"] and "tool_choice" not in one for one in bodies)),
    final_refusal("r11", error("The response was filtered due to the prompt triggering content management policy. Parameter temperature is not supported.", code="content_filter"), "invalid_prompt", turns=({"temperature": 0.5},)),
    final_refusal("r11-money", error("Your credit balance is too low. Parallel tool calls are not available."), "insufficient_quota"),
    final_refusal("r11-key", error("API key not valid. Please pass a valid API key. Field tools is not supported."), "invalid_prompt"),
    final_refusal("r11-picture", error("Your image was rejected by our safety system.", code="content_policy_violation"), "invalid_prompt", turns=({"add": [picture(PNG + png())]},)),
    final_refusal("r11-tools", error("Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 150 instead.", param="tools", code="array_above_max_length"), "invalid_prompt"),
    repair_case("r12-zod", GENERIC, lambda body, _: "system" in roles(body), {"error": 'Invalid option: expected one of "user"|"assistant" at "params.messages[0].role"'},
           sent=lambda bodies: all("You are Codex." in text_of(one["messages"][0]) for one in bodies)),
    repair_case("r12-groq", GENERIC, lambda body, _: body.get("max_tokens", 0) > 8192,
           error("`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model"),
           turns=({"max_output_tokens": 32000},) * 2, sent=lambda bodies: all(one["max_tokens"] == 8192 for one in bodies)),
    repair_case("r12-nil", GENERIC, without_content, error("invalid message content type: <nil>"), turns=CALLED),
    repair_case("r12-empty", GENERIC, lambda body, _: any(not one.get("content") for one in body["messages"]), error("text content is empty"), turns=CALLED),
    repair_case("r12-missing", GENERIC, without_content, error("missing field `content` at line 1 column 400"), turns=CALLED),
    repair_case("r12-level", EFFORTS, asks_for("xhigh"), error('level "xhigh" not supported, valid levels: low, medium, high'), turns=STRONG, sent=lambda bodies: all(one["reasoning_effort"] == "high" for one in bodies)),
    repair_case("r12-values", EFFORTS, asks_for("xhigh"), error("reasoning_effort: ['low', 'high'] are the values this model takes"), turns=STRONG, sent=lambda bodies: all(one["reasoning_effort"] == "high" for one in bodies)),
    repair_case("r12-chinese", EFFORTS, asks_for("xhigh"), error("思考强度参数非法，可选值为low、high"), turns=STRONG, sent=lambda bodies: all(one["reasoning_effort"] == "high" for one in bodies)),
    repair_case("r12-type", {"model": "deepseek-chat", "provider": "deepseek"}, has_field("thinking"), error("Failed to deserialize: thinking: invalid type: map, expected a boolean")),
    repair_case("r12-adaptive", {"model": "claude-sonnet-4-5", "provider": "anthropic"}, lambda body, _: body.get("thinking", {}).get("type") == "enabled",
           error("thinking.type.enabled: this model takes only adaptive thinking"), sent=lambda bodies: all(one["thinking"]["type"] == "adaptive" for one in bodies)),
    repair_case("r12-japanese", GENERIC, has_picture, error("画像入力には対応していません"), turns=PICTURE),
    repair_case("r12-summary", NATIVE, lambda body, _: "summary" in body.get("reasoning", {}),
           error("Your organization must be verified to generate reasoning summaries.", param="reasoning.summary", code="unsupported_value"),
           sent=lambda bodies: all(one["reasoning"] == {"effort": "medium"} for one in bodies)),
    final_refusal("r12-rate", error("Request too large for model m on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your message size and try again."), "context_length_exceeded", 413,
          turns=({"add": [picture(PNG + png())]},)),
    repair_case("r13-by-name", {"model": "gpt-4o", "provider": "openai"}, has_field("parallel_tool_calls"), {"errors": {"parallel_tool_calls": ["is not allowed"]}}),
    *(repair_case(f"r13-ollama-{number}", EFFORTS, asks_for("xhigh"), error(refusal), turns=STRONG, sent=lambda bodies: all(one["reasoning_effort"] == "high" for one in bodies))
      for number, refusal in enumerate(OLLAMA_LEVELS)),
    repair_case("r13-modality", GENERIC, has_picture, error("This model only accepts text as input modality"), turns=PICTURE),
    repair_case("r13-spanish", GENERIC, has_picture, error("El modelo no admite imágenes"), turns=PICTURE),
    repair_case("r13-cache", CLAUDE, lambda body, _: "cache_control" in text_of(body["tools"]), error("tools.0.cache_control: Extra inputs are not permitted"),
           sent=lambda bodies: all("cache_control" in text_of(one["messages"]) for one in bodies)),
    answered("r12-copilot", chat_stream({"reasoning_text": "hm"}, {"content": "ok"}), text="ok", reasoning="hm"),
    answered("r12-bracket", chat_call('{"command":"ls"})'), calls=(("shell", {"command": "ls"}),)),
    Case("r09", {**GENERIC, "no_image_support": False}, PICTURE, refuses=(Refuses(has_picture, error("this model does not support image input")),), refused=2, requests=2,
         code="invalid_prompt", words=("no_image_support",)),
]  # fmt: skip
