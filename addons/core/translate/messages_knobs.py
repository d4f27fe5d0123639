"""What a messages request asks for beside its messages: tools, tool choice, thinking, structured output, limits.

Source: Anthropic API reference, "Messages", "Extended thinking" (what may not go together), "Adaptive thinking",
"Structured outputs". Never reads a model's name. Invariant: no two fields that the API refuses together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from addons.core.target import Target
from addons.core.translate.conversation import Call, Conversation, Tool
from addons.core.translate.messages_blocks import THINKING

Fields = dict[str, Any]

DEFAULT_MAX_TOKENS = 32_000
LEAST_BUDGET = 1_024
BUDGETS = {
    "minimal": LEAST_BUDGET,
    "low": 4_096,
    "medium": 10_240,
    "high": 20_480,
    "xhigh": 28_672,
    "max": 28_672,
    "ultra": 28_672,
}
"""Effort → tokens for thinking."""
USUAL_EFFORT = "medium"

FORMAT_TOOL = "structured_answer"
FORMAT_DESCRIPTION = (
    "Gives the final answer in the form that is asked for. Call it once, when the answer is ready."
)
ANSWER_IN_JSON = "Answer with one JSON object and nothing else: no prose, no code fence."
ANSWER_IN_SCHEMA = ANSWER_IN_JSON + " It must match this JSON schema:\n{schema}"
ANSWER_BY_TOOL = "Give the final answer by calling {name}, not as text."
GONE_TOOL: Fields = {
    "name": "unavailable",
    "description": "Stands for the tools of earlier turns. It cannot be called any more.",
    "input_schema": {"type": "object", "properties": {}},
}
COMBINED = ("oneOf", "anyOf", "allOf")
"""Refused at the top of an input schema."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """Fields of the body, and what only words can ask for."""

    fields: Fields = field(default_factory=dict)
    instruction: str = ""


def format_tool(conversation: Conversation, target: Target) -> str:
    """The name of the tool through which a structured answer comes; empty when it comes as text."""
    wanted = conversation.text_format
    if (
        wanted is None
        or wanted.kind != "json_schema"
        or target.profile.structured_output != "forced_tool"
        or wanted.schema.get("type") != "object"
    ):
        return ""
    name = FORMAT_TOOL
    while conversation.tool(name):
        name += "_"
    return name


def tools_of(conversation: Conversation, target: Target) -> list[Fields]:
    """The tools, in their order; a history with calls needs at least one."""
    tools = [_tool(tool) for tool in conversation.tools]
    wanted = conversation.text_format
    if wanted and (name := format_tool(conversation, target)):
        description = f"{FORMAT_DESCRIPTION} {wanted.description}".strip()
        form = {"name": name, "description": description, "input_schema": dict(wanted.schema)}
        tools.append(form)
    return tools or ([GONE_TOOL] if _has_calls(conversation) else [])


def knobs(conversation: Conversation, target: Target, messages: Sequence[Fields]) -> Knobs:
    """Everything else of the body."""
    limit = _limit(conversation, target)
    thinking = _thinking(conversation, target, messages, limit)
    native, instruction = _format(conversation, target)
    config = {**_effort(conversation, target), **native}
    fields = {
        "max_tokens": limit,
        **thinking,
        **({"output_config": config} if config else {}),
        **_choice(conversation, target, forced_allowed=not thinking),
        **({} if thinking else _sampling(conversation, target)),
    }
    return Knobs(fields, instruction)


def _tool(tool: Tool) -> Fields:
    schema = {"type": "object", **tool.schema}
    schema["type"] = "object"
    schema.setdefault("properties", {})
    refused = {key: schema.pop(key) for key in COMBINED if key in schema}
    told = f"The arguments must also match: {orjson.dumps(refused).decode()}" if refused else ""
    description = "\n\n".join(text for text in (tool.description, told) if text)
    named = {"name": tool.wire_name, **({"description": description} if description else {})}
    return {**named, "input_schema": schema}


def _has_calls(conversation: Conversation) -> bool:
    return any(isinstance(item, Call) for item in conversation.items)


def _limit(conversation: Conversation, target: Target) -> int:
    most = target.max_output_tokens or DEFAULT_MAX_TOKENS
    asked = conversation.sampling.max_output_tokens
    if asked is None:
        return most
    return min(asked, target.max_output_tokens) if target.max_output_tokens else asked


def _thinking(
    conversation: Conversation, target: Target, messages: Sequence[Fields], limit: int
) -> Fields:
    style = target.profile.effort_style
    if style == "adaptive_thinking":
        # Without `display` the newest models think unseen; some of them refuse not to think.
        return {"thinking": {"type": "adaptive", "display": "summarized"}}
    effort = _word(conversation, target)
    budget = min(BUDGETS.get(effort, BUDGETS[USUAL_EFFORT]), limit // 2)
    off = effort == "none" or budget < LEAST_BUDGET or _unsigned(messages)
    if style != "thinking_budget" or off or _choice_wins(conversation, target):
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _word(conversation: Conversation, target: Target) -> str:
    effort = conversation.effort or USUAL_EFFORT
    return target.profile.efforts.get(effort, effort)


def _choice_wins(conversation: Conversation, target: Target) -> bool:
    """Whether a forced tool goes before thinking: always for an answer in a form, else unless thinking was asked."""
    if format_tool(conversation, target):
        return True
    forced = conversation.choice.mode in {"required", "named"}
    return forced and conversation.effort is None and target.profile.tool_choice_required


def _unsigned(messages: Sequence[Fields]) -> bool:
    """Whether the last answer called tools without thinking of this model: the API then refuses to think on."""
    said = (one["content"] for one in reversed(messages) if one["role"] == "assistant")
    last: list[Fields] = next(said, [])
    calls = any(block["type"] == "tool_use" for block in last)
    return calls and last[0]["type"] not in THINKING


def _effort(conversation: Conversation, target: Target) -> Fields:
    if target.profile.effort_style != "adaptive_thinking" or conversation.effort is None:
        return {}
    return {"effort": _word(conversation, target)}


def _format(conversation: Conversation, target: Target) -> tuple[Fields, str]:
    """Structured output: the native field, or an instruction in words."""
    wanted = conversation.text_format
    if wanted is None:
        return {}, ""
    if form := format_tool(conversation, target):
        return {}, ANSWER_BY_TOOL.format(name=form)
    if wanted.kind == "json_object":
        return {}, ANSWER_IN_JSON
    if target.profile.structured_output == "native_messages":
        return {"format": {"type": "json_schema", "schema": wanted.schema}}, ""
    return {}, ANSWER_IN_SCHEMA.format(schema=orjson.dumps(wanted.schema).decode())


def _choice(conversation: Conversation, target: Target, *, forced_allowed: bool) -> Fields:
    form = format_tool(conversation, target)
    if not conversation.tools and not form:
        return {"tool_choice": {"type": "none"}} if _has_calls(conversation) else {}
    choice = _forced(conversation, form) if forced_allowed else None
    if not form and not target.profile.tool_choice_required:
        choice = None
    if conversation.choice.mode == "none" and not form:
        return {"tool_choice": {"type": "none"}}
    single = conversation.parallel_tool_calls is False and target.profile.parallel_tool_calls
    if single:
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return {"tool_choice": choice} if choice else {}


def _forced(conversation: Conversation, form: str) -> Mapping[str, Any] | None:
    mode = conversation.choice.mode
    if form and (not conversation.tools or mode == "none"):
        return {"type": "tool", "name": form}
    if mode == "named":
        return {"type": "tool", "name": conversation.choice.wire_name}
    return {"type": "any"} if form or mode == "required" else None


def _sampling(conversation: Conversation, target: Target) -> Fields:
    """One of the two: newer models refuse both together. OpenAI's temperature goes up to 2, this one to 1."""
    asked = conversation.sampling
    if not target.profile.sampling:
        return {}
    if asked.temperature is not None:
        return {"temperature": min(asked.temperature, 1.0)}
    return {"top_p": asked.top_p} if asked.top_p is not None else {}
