"""An independent judge of chat completions requests: `validate` names everything that strict APIs refuse.

Source: OpenAI API reference, "Create chat completion", and the refusals of stricter servers (DeepSeek, Kimi, vLLM,
Mistral, Gemini) that the rows of `tests/quirks` name. It shares no code with the shim.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import pairwise
from typing import Any

from tests.strict.schemas import TOOL_JUDGES, draft_2020, gemini_tool, openai_strict

FIELDS = {
    "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options",
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "response_format", "verbosity",
    "reasoning_effort", "reasoning", "thinking", "enable_thinking", "prompt_cache_key", "stop",
    "seed", "user", "n", "metadata", "store", "service_tier", "chat_template_kwargs",
}  # fmt: skip
MESSAGE_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {
        "role", "content", "name", "refusal", "tool_calls",
        "reasoning_content", "reasoning", "reasoning_details",
    },
    "tool": {"role", "content", "tool_call_id"},
}  # fmt: skip
PART_FIELDS = {"text": {"type", "text"}, "image_url": {"type", "image_url"}}
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def validate(
    body: dict[str, Any],
    call_ids: str = r".+",
    *,
    user_after_tool: bool = True,
    format_with_tools: bool = True,
    tool_choice_named: bool = True,
) -> list[str]:
    """Return the faults of a body; empty if a strict upstream accepts it.

    `call_ids` is the pattern of its ids. The flags say what some servers accept: a user message directly behind a tool
    message (not Mistral), an output format beside tools (not Groq and Gemini), a named tool (not LM Studio).
    """
    faults = [f"unknown parameter: {key}" for key in body if key not in FIELDS]
    if not (isinstance(body.get("model"), str) and body["model"]):
        faults.append("model is missing")
    messages = body.get("messages")
    if not (isinstance(messages, list) and messages):
        return [*faults, "messages is empty"]
    for place, message in enumerate(messages):
        faults += [f"messages[{place}]: {fault}" for fault in _message(message)]
    faults += _order(messages, user_after_tool=user_after_tool)
    faults += _pairs(messages)
    faults += _ids(messages, call_ids)
    faults += _tools(body)
    if not format_with_tools and "response_format" in body and "tools" in body:
        faults.append("json mode cannot be combined with tool/function calling")
    if not tool_choice_named and isinstance(body.get("tool_choice"), dict):
        faults.append("Invalid tool_choice type: 'object'")
    return [*faults, *_rest(body)]


def _order(messages: list[dict[str, Any]], *, user_after_tool: bool) -> list[str]:
    """Return what chat templates and Mistral refuse.

    Sources: "System message must be at the beginning" (Qwen3.5; ggml-org/llama.cpp#20733), MiniMax 2013 for a second
    system message (CodexPlusPlus#267), "Conversation roles must alternate user and assistant roles except for tool calls
    and results" (Devstral; eclipse-peon-ai#75), "Unexpected role 'user' after role 'tool'" (zed-industries/zed#37021).
    """
    roles = [str(message.get("role")) for message in messages]
    faults = [
        f"messages[{place}]: System message must be at the beginning."
        for place, role in enumerate(roles)
        if place and role in {"system", "developer"}
    ]
    for place, (before, role) in enumerate(pairwise(roles), 1):
        if before == role == "user" or before == role == "assistant":
            faults.append(f"messages[{place}]: Conversation roles must alternate")
        if (before, role) == ("tool", "user") and not user_after_tool:
            faults.append(f"messages[{place}]: Unexpected role 'user' after role 'tool'")
    return faults


def _message(message: dict[str, Any]) -> list[str]:
    role = message.get("role")
    if role not in MESSAGE_FIELDS:
        return [f"role {role!r} is not known"]
    faults = [f"unknown field: {key}" for key in message if key not in MESSAGE_FIELDS[role]]
    calls = message.get("tool_calls")
    if role == "assistant" and calls is not None:
        faults += _calls(calls)
    if role == "assistant" and calls:
        if message.get("content") not in (None, "") and not isinstance(message["content"], str):
            faults.append("content of an assistant message has to be a string")
        return faults
    return faults + _content(message.get("content"), role)


def _content(content: object, role: str) -> list[str]:
    if isinstance(content, str):
        return [] if content else ["content is empty"]
    if role in {"assistant", "system", "developer"} or not isinstance(content, list) or not content:
        return ["content has to be a string or a list of parts"]
    return [fault for part in content for fault in _part(part)]


def _part(part: dict[str, Any]) -> list[str]:
    kind = part.get("type")
    if kind not in PART_FIELDS:
        return [f"part type {kind!r} is not known"]
    faults = [f"unknown part field: {key}" for key in part if key not in PART_FIELDS[kind]]
    if kind == "text" and not (isinstance(part.get("text"), str) and part["text"]):
        faults.append("text is empty")
    if kind == "image_url":
        image = part.get("image_url")
        if not isinstance(image, dict) or set(image) - {"url", "detail"}:
            return [*faults, "image_url has to be an object with url and detail"]
        if not str(image.get("url", "")).startswith(("data:image/", "https://", "http://")):
            faults.append("image_url.url is no URL of an image")
        if image.get("detail", "auto") not in {"auto", "low", "high"}:
            faults.append(f"detail {image['detail']!r} is not known")
    return faults


def _calls(calls: object) -> list[str]:
    if not isinstance(calls, list) or not calls:
        return ["tool_calls is empty"]
    faults = []
    for call in calls:
        if (
            set(call) - {"id", "type", "function", "extra_content"}
            or call.get("type") != "function"
        ):
            faults.append("a tool call has id, type and function")
        function = call.get("function", {})
        if set(function) != {"name", "arguments"} or not NAME.fullmatch(str(function.get("name"))):
            faults.append("a function has a legal name and arguments")
        if not (isinstance(call.get("id"), str) and call["id"]):
            faults.append("a tool call needs an id")
        if not _is_object(function.get("arguments")):
            faults.append("arguments are no JSON text of an object")
    return faults


def _ids(messages: list[dict[str, Any]], form: str) -> list[str]:
    found = [call.get("id") for message in messages for call in message.get("tool_calls") or ()]
    return [f"id {one!r} is not allowed" for one in found if not re.fullmatch(form, str(one))]


def _is_object(text: object) -> bool:
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except json.JSONDecodeError:
        return False


def _pairs(messages: list[dict[str, Any]]) -> list[str]:
    """Return the calls that are not directly followed by exactly one tool message each."""
    faults: list[str] = []
    waiting: list[str] = []
    seen: set[str] = set()
    for place, message in enumerate(messages):
        if message.get("role") == "tool":
            call_id = str(message.get("tool_call_id"))
            if call_id in waiting:
                waiting.remove(call_id)
            else:
                faults.append(f"messages[{place}]: tool message answers no call before it")
            continue
        faults += [f"messages[{place}]: tool call {one} has no tool message" for one in waiting]
        waiting = [str(call.get("id")) for call in message.get("tool_calls") or ()]
        faults += [f"messages[{place}]: id {one} comes twice" for one in waiting if one in seen]
        seen.update(waiting)
    return faults + [f"tool call {one} has no tool message" for one in waiting]


def _tools(body: dict[str, Any]) -> list[str]:
    tools = body.get("tools")
    if tools is None:
        only = ("tool_choice", "parallel_tool_calls")
        faults = [f"{key} is only allowed with tools" for key in only if key in body]
        if any(message.get("tool_calls") for message in body["messages"]):
            # Bedrock and Anthropic behind a gateway: LiteLLM PR 31400.
            faults.append("tools= param is required when the messages have tool calls")
        return faults
    if not tools:
        return ["tools is empty"]
    names = [str(tool.get("function", {}).get("name")) for tool in tools]
    faults = [f"tool name {name!r} comes twice" for name in set(names) if names.count(name) > 1]
    for tool in tools:
        function = tool.get("function", {})
        if set(tool) != {"type", "function"} or tool["type"] != "function":
            faults.append("a tool has type and function")
        if set(function) - {"name", "description", "parameters", "strict"}:
            faults.append("a function has name, description, parameters and strict")
        if not NAME.fullmatch(str(function.get("name"))):
            faults.append(f"tool name {function.get('name')!r} is not legal")
        faults += _schema(function.get("parameters", {}), strict=function.get("strict") is True)
    if len({tool.get("function", {}).get("strict", False) for tool in tools}) > 1:
        # Cerebras: RooCodeInc/Roo-Code#10334
        faults.append("Tools with mixed values for 'strict' are not allowed")
    choice = body.get("tool_choice", "auto")
    named = choice["function"]["name"] if isinstance(choice, dict) else ""
    if (named and named not in names) or (not named and choice not in {"auto", "none", "required"}):
        faults.append(f"tool_choice {choice!r} is not known")
    return faults


def _schema(schema: dict[str, Any], *, strict: bool) -> tuple[str, ...]:
    """Return why no provider takes the schema of a tool: the one of Gemini has a form of its own."""
    return _judged(json.dumps(schema), strict)


@cache
def _judged(text: str, strict: bool) -> tuple[str, ...]:
    """Judge a schema once: most requests of a test have the same tools."""
    schema = json.loads(text)
    if strict:
        return tuple(openai_strict(schema))
    faults = [f"{name}: {fault}" for name, judge in TOOL_JUDGES.items() for fault in judge(schema)]
    return tuple(faults) if gemini_tool(schema) else ()


def _rest(body: dict[str, Any]) -> list[str]:
    faults = []
    if "stream_options" in body and body.get("stream") is not True:
        faults.append("stream_options is only allowed with stream")
    if "max_tokens" in body and "max_completion_tokens" in body:
        faults.append("max_tokens and max_completion_tokens exclude each other")
    faults += [
        f"{key} has to be above 0"
        for key in ("max_tokens", "max_completion_tokens")
        if key in body and not (isinstance(body[key], int) and body[key] > 0)
    ]
    form = body.get("response_format")
    if form and form.get("type") not in {"json_object", "json_schema", "text"}:
        faults.append("response_format is not known")
    if form and form.get("type") == "json_schema":
        sent = form.get("json_schema", {})
        schema, judge = sent.get("schema", {}), openai_strict if sent.get("strict") else draft_2020
        faults += judge(schema) if gemini_tool(schema) else []
    if (
        form
        and form["type"] == "json_object"
        and "json" not in json.dumps(body["messages"]).lower()
    ):
        faults.append("json_object needs the word json in the messages")
    return faults
