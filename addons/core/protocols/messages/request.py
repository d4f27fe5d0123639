"""Writes a conversation as an Anthropic messages request. With `reader`, this module is a `ProtocolTranslator`.

Source: Anthropic API reference, "Messages", "Extended thinking" (which fields exclude each other), "Adaptive thinking",
"Structured outputs". Never looks at a model's name: the differences are in its profile. Invariant: no two fields that
the API refuses together; the body of a history is a prefix of the body of its extension, apart from cache breakpoints
and the provisional blocks at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from itertools import takewhile
from typing import Any

import orjson

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.frozen import turn_value
from addons.core.protocols.canonical.conversation import Call, Conversation, System, Tool
from addons.core.protocols.canonical.turns import group_turns
from addons.core.protocols.messages.blocks import (
    THINKING_TYPES,
    Block,
    mark_for_caching,
    text_blocks,
    write_messages,
)
from addons.core.protocols.messages.reader import MessagesReader
from addons.core.protocols.request_body import finished_body
from addons.core.protocols.schemas.clean import (
    clean_schema,
    key_names,
    strict_schema,
    with_sent_names,
)
from addons.core.upstream.profile import Profile
from addons.core.upstream.target import Target

Fields = dict[str, Any]

DEFAULT_MAX_TOKENS = 32_000
MIN_BUDGET = 1_024
BUDGETS = {
    "minimal": MIN_BUDGET,
    "low": 4_096,
    "medium": 10_240,
    "high": 20_480,
    "xhigh": 28_672,
    "max": 28_672,
    "ultra": 28_672,
}
"""Effort → tokens for thinking."""
DEFAULT_EFFORT = "medium"

ANSWER_TOOL = "structured_answer"
FORMAT_DESCRIPTION = (
    "Gives the final answer in the form that is asked for. Call it once, when the answer is ready."
)
ANSWER_IN_JSON = "Answer with one JSON object and nothing else: no prose, no code fence."
ANSWER_IN_SCHEMA = ANSWER_IN_JSON + " It must match this JSON schema:\n{schema}"
ANSWER_BY_TOOL = "Give the final answer by calling {name}, not as text."
REMOVED_TOOL: Fields = {
    "name": "unavailable",
    "description": "Stands for the tools of earlier turns. It cannot be called any more.",
    "input_schema": {"type": "object", "properties": {}},
}
TOO_DEEP = "The request of {slug} holds JSON that is nested too deep or cannot be written ({why}). Start a new thread, or simplify the tools' schemas."


@turn_value(frozen=True, slots=True)
class BodyFields:
    """The body besides tools, system and messages."""

    fields: Fields = field(default_factory=dict)
    instruction: str = ""
    """The output format in words, if no field can request it."""


def write_request(conversation: Conversation, target: Target) -> bytes | Problem:
    """Return the body of a request for a streamed answer."""
    body = finished_body(_body(conversation, target), target.extra_body, target.omitted)
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        return Problem(400, INVALID_PROMPT, TOO_DEEP.format(slug=target.slug, why=error))


def reader(conversation: Conversation, target: Target) -> MessagesReader:
    """Return a reader of the answer, streamed or sent as one document."""
    return MessagesReader(conversation, target, answer_tool_name(conversation, target))


def _body(conversation: Conversation, target: Target) -> Fields:
    conversation = with_sent_names(conversation)
    leading = tuple(takewhile(lambda item: isinstance(item, System), conversation.items))
    written = write_messages(group_turns(conversation.items[len(leading) :]), target)
    options = body_fields(conversation, target, written.messages)
    tools, system, messages = mark_for_caching(
        _tools(conversation, target),
        [*_system(leading), *text_blocks(options.instruction)],
        written.messages,
        written.provisional,
    )
    return {
        "model": target.model,
        **({"tools": tools} if tools else {}),
        **({"system": system} if system else {}),
        "messages": messages,
        **options.fields,
        "stream": True,
    }


def _system(leading: tuple[object, ...]) -> Iterator[Block]:
    for item in leading:
        if isinstance(item, System):
            yield from text_blocks(item.text)


def answer_tool_name(conversation: Conversation, target: Target) -> str:
    """Return the name of the tool whose input is a structured answer; empty if the answer is text."""
    wanted = conversation.text_format
    if (
        wanted is None
        or wanted.kind != "json_schema"
        or target.profile.structured_output != "forced_tool"
        or wanted.schema.get("type") != "object"
        or key_names(wanted.schema)
    ):
        return ""
    name = ANSWER_TOOL
    while conversation.tool(name):
        name += "_"
    return name


def _tools(conversation: Conversation, target: Target) -> list[Fields]:
    """Return the tools in their order; a history with calls needs at least one."""
    tools = [_tool(tool, target.profile) for tool in conversation.tools]
    wanted = conversation.text_format
    if wanted and (name := answer_tool_name(conversation, target)):
        description = f"{FORMAT_DESCRIPTION} {wanted.description}".strip()
        tools.append(
            {
                "name": name,
                "description": description,
                "input_schema": _cleaned(wanted.schema, target.profile),
            }
        )
    return tools or ([REMOVED_TOOL] if _has_calls(conversation) else [])


def body_fields(
    conversation: Conversation, target: Target, messages: Sequence[Fields]
) -> BodyFields:
    """Return the fields besides tools, system and messages."""
    limit = _limit(conversation, target)
    thinking = _thinking(conversation, target, messages, limit)
    thinks = bool(thinking) and thinking["thinking"]["type"] != "disabled"
    native, instruction = _format(conversation, target)
    config = {**_effort(conversation, target), **native}
    fields = {
        "max_tokens": limit,
        **thinking,
        **({"output_config": config} if config else {}),
        **_choice(conversation, target, forced_allowed=not thinks),
        **({} if thinks else _sampling(conversation, target)),
    }
    return BodyFields(fields, instruction)


def _tool(tool: Tool, profile: Profile) -> Fields:
    described = {"description": tool.description} if tool.description else {}
    schema = _cleaned(tool.schema, profile)
    return {"name": tool.upstream_name, **described, "input_schema": schema}


def _cleaned(schema: Mapping[str, object], profile: Profile) -> Fields:
    return clean_schema(
        schema, "basic" if profile.schema_cleaning == "none" else profile.schema_cleaning
    )


def _has_calls(conversation: Conversation) -> bool:
    return any(isinstance(item, Call) for item in conversation.items)


def _limit(conversation: Conversation, target: Target) -> int:
    requested = conversation.sampling.max_output_tokens
    if requested is None:
        return target.max_output_tokens or DEFAULT_MAX_TOKENS
    return min(requested, target.max_output_tokens) if target.max_output_tokens else requested


def _thinking(
    conversation: Conversation, target: Target, messages: Sequence[Fields], limit: int
) -> Fields:
    style = target.profile.effort_style
    if style == "adaptive_thinking":
        # Without `display` the newest models hide their thinking; some refuse to disable it.
        return {"thinking": {"type": "adaptive", "display": "summarized"}}
    effort = _effort_level(conversation, target)
    budget = min(BUDGETS.get(effort, BUDGETS[DEFAULT_EFFORT]), limit // 2)
    off = effort == "none" or budget < MIN_BUDGET or _called_without_thinking(messages)
    off = off or _forced_tool_excludes_thinking(conversation, target)
    if target.profile.needs_own_reasoning and (off or _calls_without_thinking(messages)):
        # These models think unless the request disables it.
        return {"thinking": {"type": "disabled"}}
    if style != "thinking_budget" or off:
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _effort_level(conversation: Conversation, target: Target) -> str:
    effort = conversation.effort or DEFAULT_EFFORT
    return target.profile.efforts.get(effort, effort)


def _forced_tool_excludes_thinking(conversation: Conversation, target: Target) -> bool:
    """Return whether a forced tool takes precedence: always an answer tool, else if no effort was requested."""
    if answer_tool_name(conversation, target):
        return True
    forced = conversation.choice.mode in {"required", "named"}
    return forced and conversation.effort is None and target.profile.tool_choice_required


def _called_without_thinking(messages: Sequence[Fields]) -> bool:
    """Return whether the last answer called tools without thinking: the API then refuses to enable it."""
    answers = (one["content"] for one in reversed(messages) if one["role"] == "assistant")
    last: list[Fields] = next(answers, [])
    calls = any(block["type"] == "tool_use" for block in last)
    return calls and last[0]["type"] not in THINKING_TYPES


def _calls_without_thinking(messages: Sequence[Fields]) -> bool:
    """Return whether any answer called tools without thinking, as one of another model does."""
    return any(
        one["role"] == "assistant"
        and any(block["type"] == "tool_use" for block in one["content"])
        and one["content"][0]["type"] not in THINKING_TYPES
        for one in messages
    )


def _effort(conversation: Conversation, target: Target) -> Fields:
    if target.profile.effort_style != "adaptive_thinking" or conversation.effort is None:
        return {}
    return {"effort": _effort_level(conversation, target)}


def _format(conversation: Conversation, target: Target) -> tuple[Fields, str]:
    """Return the fields for structured output and the instruction for it; at most one is not empty."""
    wanted = conversation.text_format
    if wanted is None:
        return {}, ""
    if name := answer_tool_name(conversation, target):
        return {}, ANSWER_BY_TOOL.format(name=name)
    if wanted.kind == "json_object":
        return {}, ANSWER_IN_JSON
    if target.profile.structured_output == "native_messages":
        schema = strict_schema(wanted.schema, all_required=False)
        if schema is not None:
            return {"format": {"type": "json_schema", "schema": schema}}, ""
    return {}, ANSWER_IN_SCHEMA.format(schema=orjson.dumps(wanted.schema).decode())


def _choice(conversation: Conversation, target: Target, *, forced_allowed: bool) -> Fields:
    answer_tool = answer_tool_name(conversation, target)
    if not conversation.tools and not answer_tool:
        return {"tool_choice": {"type": "none"}} if _has_calls(conversation) else {}
    choice = _forced_choice(conversation, answer_tool) if forced_allowed else None
    if not answer_tool and not target.profile.tool_choice_required:
        choice = None
    if conversation.choice.mode == "none" and not answer_tool:
        return {"tool_choice": {"type": "none"}}
    single = conversation.parallel_tool_calls is False and target.profile.parallel_tool_calls
    if single:
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return {"tool_choice": choice} if choice else {}


def _forced_choice(conversation: Conversation, answer_tool: str) -> Mapping[str, Any] | None:
    mode = conversation.choice.mode
    if answer_tool and (not conversation.tools or mode == "none"):
        return {"type": "tool", "name": answer_tool}
    if mode == "named":
        return {"type": "tool", "name": conversation.choice.upstream_name}
    return {"type": "any"} if answer_tool or mode == "required" else None


def _sampling(conversation: Conversation, target: Target) -> Fields:
    """Return temperature or top_p: newer models refuse both. Anthropic's temperature ends at 1, OpenAI's at 2."""
    sampling = conversation.sampling
    if not target.profile.sampling:
        return {}
    if sampling.temperature is not None:
        return {"temperature": min(sampling.temperature, 1.0)}
    return {"top_p": sampling.top_p} if sampling.top_p is not None else {}
