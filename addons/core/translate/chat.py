"""The chat completions dialect: a conversation → the request body, and the reader of its answer.

Source: OpenAI API reference, "Create chat completion"; what a provider takes or refuses is in its `Profile`. Never
looks at a provider's name. Invariant: equal conversations give equal bytes, and the messages of a history are a
prefix of those of its extension (as `grouping` says), so that what an upstream has cached is found again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from addons.core.errors import Problem
from addons.core.target import Profile, Target
from addons.core.translate.chat_messages import messages_of
from addons.core.translate.chat_schema import cleaned
from addons.core.translate.conversation import Conversation, TextFormat, Tool
from addons.core.wire.chat import ChatReader

Fields = Iterator[tuple[str, object]]

SCHEMA_NOTE = "Answer with JSON only, no other text. It has to fit this JSON schema:\n"
OBJECT_NOTE = "Answer with one JSON object only, no other text."


def write_request(conversation: Conversation, target: Target) -> bytes | Problem:
    """The body for a streamed answer."""
    note = _format_note(conversation.text_format, target.profile)
    messages = messages_of(conversation.items, target, note)
    if not messages:
        message = f"The request for {target.slug} has no input: send at least one message."
        return Problem(400, "invalid_prompt", message, "invalid_request_error")
    body: dict[str, object] = {"model": target.model, "messages": messages}
    body.update(_tools(conversation, target.profile))
    body.update(_thinking(conversation.effort, target.profile))
    body.update(_output(conversation, target))
    body["stream"] = True
    if target.profile.stream_usage:
        body["stream_options"] = {"include_usage": True}
    return orjson.dumps(merged(body, target.extra_body), default=dict)


def reader(conversation: Conversation, target: Target) -> ChatReader:
    """A reader of the answer, streamed or whole."""
    return ChatReader(conversation, target)


def merged(body: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Lay one object over another: objects inside are merged, all else is replaced."""
    result = dict(body)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def _tools(conversation: Conversation, profile: Profile) -> Fields:
    if not conversation.tools:
        return
    yield "tools", [_tool(tool, profile) for tool in conversation.tools]
    choice = conversation.choice
    if choice.mode == "none":
        yield "tool_choice", "none"
    elif choice.mode == "required" and profile.tool_choice_required:
        yield "tool_choice", "required"
    elif choice.mode == "named" and profile.tool_choice_required:
        yield "tool_choice", {"type": "function", "function": {"name": choice.wire_name}}
    if profile.parallel_tool_calls and conversation.parallel_tool_calls is not None:
        yield "parallel_tool_calls", conversation.parallel_tool_calls


def _tool(tool: Tool, profile: Profile) -> dict[str, object]:
    function: dict[str, object] = {"name": tool.wire_name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = cleaned(tool.schema, profile.schema_cleaning)
    if profile.strict_tools and tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _thinking(effort: str | None, profile: Profile) -> Fields:
    word = profile.efforts.get(effort, effort) if effort else None
    switch = word != "none"
    match profile.effort_style:
        case "reasoning_effort" if word:
            yield "reasoning_effort", word
        case "reasoning_object" if word:
            yield "reasoning", {"effort": word}
        case "thinking_switch":
            # Asked for also when the client is silent: models that can think should
            yield "thinking", {"type": "enabled" if switch else "disabled"}
            if word and switch and profile.efforts:
                # A switch with words of its own has steps as well (DeepSeek)
                yield "reasoning_effort", word
        case "enable_thinking":
            yield "enable_thinking", switch


def _output(conversation: Conversation, target: Target) -> Fields:
    profile, sampling = target.profile, conversation.sampling
    if response_format := _response_format(conversation.text_format, profile):
        yield "response_format", response_format
    if profile.verbosity and conversation.verbosity:
        yield "verbosity", conversation.verbosity
    limits = [limit for limit in (sampling.max_output_tokens, target.max_output_tokens) if limit]
    if profile.output_limit_field and limits:
        yield profile.output_limit_field, min(limits)
    if profile.sampling:
        for key, value in (("temperature", sampling.temperature), ("top_p", sampling.top_p)):
            if value is not None:
                yield key, value
    if profile.cache_key_field and conversation.cache_key:
        yield profile.cache_key_field, conversation.cache_key


def _response_format(text_format: TextFormat | None, profile: Profile) -> dict[str, object] | None:
    if text_format is None or profile.structured_output not in {"json_schema", "json_object"}:
        return None
    if text_format.kind == "json_object" or profile.structured_output == "json_object":
        return {"type": "json_object"}
    described = {"description": text_format.description} if text_format.description else {}
    strict = {} if text_format.strict is None else {"strict": text_format.strict}
    schema = cleaned(text_format.schema, profile.schema_cleaning)
    named = {"name": text_format.name or "answer"}
    return {
        "type": "json_schema",
        "json_schema": {**named, **described, "schema": schema, **strict},
    }


def _format_note(text_format: TextFormat | None, profile: Profile) -> str:
    """What the model must be told because no parameter can tell it. `json_object` needs the word JSON as well."""
    if text_format is None:
        return ""
    if text_format.kind == "json_object":
        return OBJECT_NOTE
    if profile.structured_output == "json_schema":
        return ""
    return SCHEMA_NOTE + orjson.dumps(text_format.schema).decode()
