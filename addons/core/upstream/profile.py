"""How one model differs from the reference API of its protocol, as data.

Never holds a rule about names: `addons.core.settings.profiles` chooses a profile. Invariant: each default is what the
reference API of the protocol takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

EffortStyle = Literal[
    "none",  # the model has no such parameter, or the provider refuses it
    "reasoning_effort",  # chat: {"reasoning_effort": "high"}
    "reasoning_object",  # OpenRouter: {"reasoning": {"effort": "high"}}
    "thinking_switch",  # Z.ai, Kimi, DeepSeek: {"thinking": {"type": "enabled" | "disabled"}}
    "enable_thinking",  # Qwen: {"enable_thinking": true}
    "template_switch",  # vLLM, SGLang: {"chat_template_kwargs": {"enable_thinking": true, "thinking": true}}
    "thinking_budget",  # messages: {"thinking": {"type": "enabled", "budget_tokens": n}}
    "adaptive_thinking",  # newer Anthropic models: {"thinking": {"type": "adaptive"}, "output_config": {"effort": …}}
]
ReplayField = Literal["", "reasoning_content", "reasoning", "reasoning_details"]
CallIds = Literal["any", "openai", "mistral", "verbatim"]
ToolNames = Literal["any", "word"]
SchemaCleaning = Literal[
    "none",  # only the root is made an object
    "basic",  # JSON Schema 2020-12 without unions next to types, unusual keys, and whatever single servers refuse
    "gemini",  # without references, and with `nullable`
    "subset",  # types, properties, items, anyOf and enums of strings; the rest in words
    "words",  # the types of the properties; the rest in words
]
StructuredOutput = Literal["json_schema", "json_object", "forced_tool", "native_messages", "none"]


@dataclass(frozen=True, slots=True)
class Profile:
    """The fields and forms that a provider or model accepts."""

    name: str = "default"
    system_role: Literal["system", "developer", "user"] = "system"
    """The role of the instructions. `user`: they are the beginning of the first user message."""
    user_after_tool: bool = True
    """Whether a user message may stand directly behind a tool message; else an assistant message is put between."""
    output_limit_field: Literal["max_tokens", "max_completion_tokens", ""] = "max_tokens"
    effort_style: EffortStyle = "none"
    efforts: Mapping[str, str] = field(default_factory=dict)
    """The client's effort → the provider's name for it. An effort without an entry is sent unchanged."""
    replay_field: ReplayField = ""
    """The field in which reasoning of earlier turns is returned to the provider; empty when it is not returned."""
    schema_cleaning: SchemaCleaning = "basic"
    strict_tools: bool = True
    """Whether `strict` may be sent with a tool."""
    structured_output: StructuredOutput = "json_schema"
    parallel_tool_calls: bool = True
    """Whether the parameter may be sent."""
    tool_choice_required: bool = True
    """Whether `required` and a named tool are accepted; else `auto` is sent."""
    tool_choice_none: bool = True
    """Whether `none` is accepted; else the prompt asks for an answer without a call."""
    tool_choice_named: bool = True
    """Whether an object that names a tool is accepted; else `required` is sent."""
    format_with_tools: bool = True
    """Whether a request with tools may have an output format; else the prompt describes the format."""
    effort_with_tools: bool = True
    """Whether a request with tools may have an effort; else the effort `none` is sent."""
    needs_own_reasoning: bool = False
    """Whether thinking is switched off for a history whose calls have no reasoning of this model."""
    stream_usage: bool = True
    """Whether `stream_options: {"include_usage": true}` may be sent."""
    cache_key_field: Literal["", "prompt_cache_key"] = ""
    verbosity: bool = False
    sampling: bool = True
    """Whether temperature and top_p may be sent."""
    empty_content: Literal["null", "empty", "omit", "text"] = "null"
    """The content of an assistant message that has tool calls and no text. `text`: that it calls tools, in words."""
    call_ids: CallIds = "any"
    """Which call ids the provider takes: all, those of at most 40 characters, those of nine letters and digits.

    `verbatim`: it gives ids of its own form, so every id is returned unchanged.
    """
    tool_names: ToolNames = "any"
    """Which names of tools the provider takes: all of `[A-Za-z0-9_-]`, or words that start with a letter."""
    max_tool_description: int = 0
    """Bytes of a tool's description; 0: any. A longer one stands whole in the instructions."""
    tool_images: bool = False
    """Whether a tool message may hold images itself."""


DEFAULT_PROFILE = Profile()
