"""Writes a conversation as a chat completions request. With `reader`, this module is a `ProtocolTranslator`.

Source: OpenAI API reference, "Create chat completion"; the differences between providers are in `Profile`. Never looks
at a provider's name, and sends an optional field only where the profile knows it. Invariants: equal conversations give
equal bytes; the messages are those of `chat.messages`; a history with calls declares tools, because Anthropic and
Bedrock behind a gateway refuse it otherwise; all tools have the same `strict`, because Cerebras refuses a mixture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import orjson

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.json_values import JsonDict, JsonObject
from addons.core.protocols.canonical.conversation import (
    Call,
    Conversation,
    Item,
    Reasoning,
    TextFormat,
    Tool,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import unwrap
from addons.core.protocols.canonical.turns import Exchange, group_turns
from addons.core.protocols.chat.messages import SEPARATOR, write_messages
from addons.core.protocols.chat.reader import ChatReader
from addons.core.protocols.request_body import finished_body
from addons.core.protocols.schemas.clean import (
    clean_answer,
    clean_schema,
    strict_schema,
    with_sent_names,
)
from addons.core.upstream.profile import Profile
from addons.core.upstream.target import Target

Fields = Iterator[tuple[str, object]]

SCHEMA_NOTE = "Answer with JSON only, no other text. It has to fit this JSON schema:\n"
STRICT_CLEANINGS = frozenset({"none", "basic"})
OBJECT_NOTE = "Answer with one JSON object only, no other text."
NO_CALL_NOTE = "Answer without calling a tool."
CALL_NOTE = "Answer by calling the tool {name}."
EARLIER_TOOL = "Stands for a tool of earlier turns. It cannot be called any more."
MAX_EARLIER_TOOLS = 100


def write_request(conversation: Conversation, target: Target) -> bytes | Problem:
    """Return the body of a request for a streamed answer."""
    conversation = with_sent_names(conversation)
    tools = _declared(conversation, target.profile)
    in_prompt = bool(tools) and not target.profile.format_with_tools
    format_note = _format_note(conversation.text_format, target.profile, in_prompt=in_prompt)
    notes = filter(None, (format_note, _choice_note(conversation, tools, target.profile)))
    messages = write_messages(conversation.items, target, SEPARATOR.join(notes))
    if not messages:
        message = f"The request for {target.slug} has no input: send at least one message."
        return Problem(400, INVALID_PROMPT, message, "invalid_request_error")
    body: dict[str, object] = {"model": target.model, "messages": messages}
    body.update(_tool_fields(conversation, tools, target.profile))
    if target.profile.needs_own_reasoning and _has_foreign_calls(conversation.items, target):
        body.update(_thinking_off(target.profile))
    else:
        body.update(_reasoning_fields(conversation, target.profile))
    body.update(_output_fields(conversation, target, in_prompt=in_prompt))
    body["stream"] = True
    if target.profile.stream_usage:
        body["stream_options"] = {"include_usage": True}
    return orjson.dumps(finished_body(body, target.extra_body, target.omitted), default=dict)


def reader(conversation: Conversation, target: Target) -> ChatReader:
    """Return a reader of the answer, streamed or sent as one document."""
    return ChatReader(conversation, target)


def _tool_fields(conversation: Conversation, tools: Sequence[Tool], profile: Profile) -> Fields:
    if not tools:
        return
    strict = _strict(tools, profile)
    yield "tools", [_tool(tool, profile, strict) for tool in tools]
    if choice := _choice(conversation, profile):
        yield "tool_choice", choice
    if conversation.tools and profile.parallel_tool_calls:
        single = conversation.parallel_tool_calls
        if single is not None:
            yield "parallel_tool_calls", single


def _declared(conversation: Conversation, profile: Profile) -> Sequence[Tool]:
    """Return the tools to declare: those of the client, or stand-ins for those that the history calls."""
    choice, tools = conversation.choice, conversation.tools
    if choice.mode == "named" and not (profile.tool_choice_named and profile.tool_choice_required):
        return [tool for tool in tools if tool.upstream_name == choice.upstream_name] or tools
    if tools:
        return tools
    called = [item.upstream_name for item in conversation.items if isinstance(item, Call)]
    return [_earlier_tool(name) for name in list(dict.fromkeys(called))[:MAX_EARLIER_TOOLS]]


def _earlier_tool(name: str) -> Tool:
    schema = {"type": "object", "properties": {}}
    return Tool(name, name, None, CallKind.FUNCTION, EARLIER_TOOL, schema)


def _choice(conversation: Conversation, profile: Profile) -> object:
    """Return the value of `tool_choice`; None for `auto`, which is the default."""
    mode = conversation.choice.mode
    if mode == "none" or not conversation.tools:
        return "none" if profile.tool_choice_none else None
    if mode == "auto" or not profile.tool_choice_required:
        return None
    if mode == "named" and profile.tool_choice_named:
        return {"type": "function", "function": {"name": conversation.choice.upstream_name}}
    return "required"


def _choice_note(conversation: Conversation, tools: Sequence[Tool], profile: Profile) -> str:
    """Return the choice of a tool as an instruction, if no field can carry it."""
    is_none = conversation.choice.mode == "none" or not conversation.tools
    if tools and is_none and not profile.tool_choice_none:
        return NO_CALL_NOTE
    if conversation.choice.mode != "named" or profile.tool_choice_required:
        return ""
    return CALL_NOTE.format(name=conversation.choice.upstream_name)


def _strict(tools: Sequence[Tool], profile: Profile) -> bool | None:
    """Return the one value of `strict` for all tools; None to leave it out. A custom tool's own schema is strict."""
    given = [tool.strict for tool in tools if tool.kind is not CallKind.CUSTOM]
    if not profile.strict_tools or not any(value is not None for value in given):
        return None
    return all(given) and all(_strict_form(tool.schema, profile) for tool in tools)


def _strict_form(schema: JsonObject, profile: Profile) -> JsonDict | None:
    """Return the schema for grammar-based decoding; None if there is none, or if the server refused such schemas."""
    return strict_schema(schema) if profile.schema_cleaning in STRICT_CLEANINGS else None


def _tool(tool: Tool, profile: Profile, strict: bool | None) -> dict[str, object]:  # noqa: FBT001
    function: dict[str, object] = {"name": tool.upstream_name}
    if tool.description:
        function["description"] = tool.description
    strict_form = _strict_form(tool.schema, profile) if strict else None
    function["parameters"] = strict_form or clean_schema(tool.schema, profile.schema_cleaning)
    if strict is not None:
        function["strict"] = strict
    return {"type": "function", "function": function}


def _has_foreign_calls(items: Iterable[Item], target: Target) -> bool:
    """Return whether an answer with calls has no reasoning of this model, as after a change of the model."""
    for turn in group_turns(items):
        if not isinstance(turn, Exchange) or not turn.calls:
            continue
        blobs = (block.opaque for block in turn.blocks if isinstance(block, Reasoning))
        if not any(blob and unwrap(blob, target.reasoning_scope) is not None for blob in blobs):
            return True
    return False


def _thinking_off(profile: Profile) -> Fields:
    """Switch thinking off explicitly: without the field, these models think."""
    if profile.effort_style == "enable_thinking":
        yield "enable_thinking", False
    elif profile.effort_style == "template_switch":
        yield "chat_template_kwargs", _template_switch(is_on=False)
    elif profile.effort_style == "reasoning_object":
        yield "reasoning", {"effort": "none"}
    else:
        yield "thinking", {"type": "disabled"}


def _reasoning_fields(conversation: Conversation, profile: Profile) -> Fields:
    effort = conversation.effort
    if effort and conversation.tools and not profile.effort_with_tools:
        effort = "none"
    level = profile.efforts.get(effort, effort) if effort else None
    enabled = level != "none"
    match profile.effort_style:
        case "reasoning_effort" if level:
            yield "reasoning_effort", level
        case "reasoning_object" if level:
            yield "reasoning", {"effort": level}
        case "thinking_switch":
            # Enabled also if the client does not set an effort: a model that can reason should.
            yield "thinking", {"type": "enabled" if enabled else "disabled"}
            if level and enabled and profile.efforts:
                # A profile with a switch and effort names has levels as well (DeepSeek).
                yield "reasoning_effort", level
        case "enable_thinking":
            yield "enable_thinking", enabled
        case "template_switch":
            yield "chat_template_kwargs", _template_switch(is_on=enabled)


def _template_switch(*, is_on: bool) -> dict[str, bool]:
    """Return the variables of a chat template: Qwen and GLM read the first, DeepSeek and Granite the second."""
    return {"enable_thinking": is_on, "thinking": is_on}


def _output_fields(conversation: Conversation, target: Target, *, in_prompt: bool) -> Fields:
    profile, sampling = target.profile, conversation.sampling
    response_format = _response_format(conversation.text_format, profile)
    if response_format and not in_prompt:
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
    strict_form = _strict_form(text_format.schema, profile) if text_format.strict else None
    schema = strict_form or clean_answer(text_format.schema, profile.schema_cleaning)
    strict = {} if text_format.strict is None else {"strict": strict_form is not None}
    named = {"name": text_format.name or "answer"}
    return {
        "type": "json_schema",
        "json_schema": {**named, **described, "schema": schema, **strict},
    }


def _format_note(text_format: TextFormat | None, profile: Profile, *, in_prompt: bool) -> str:
    """Return the output format as an instruction, if no field can carry it. `json_object` needs the word JSON too."""
    if text_format is None:
        return ""
    if text_format.kind == "json_object":
        return OBJECT_NOTE
    if profile.structured_output == "json_schema" and not in_prompt:
        return ""
    return SCHEMA_NOTE + orjson.dumps(text_format.schema).decode()
