"""One model of an upstream: where it is, how it is asked, and in what ways it differs from its dialect's reference.

Built once from a row of models.json, its provider's preset and its profile; frozen. Quirks are fields here, never an
`if` on a model's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from addons.core.credential import Origin
from addons.core.headers import Headers
from addons.core.translate.conversation import Dialects

EffortStyle = Literal[
    "none",  # the model has no such knob, or the provider refuses it
    "reasoning_effort",  # chat: {"reasoning_effort": "high"}
    "reasoning_object",  # OpenRouter: {"reasoning": {"effort": "high"}}
    "thinking_switch",  # Z.ai, Kimi, DeepSeek: {"thinking": {"type": "enabled" | "disabled"}}
    "enable_thinking",  # Qwen, vLLM: {"enable_thinking": true} or chat_template_kwargs
    "thinking_budget",  # messages: {"thinking": {"type": "enabled", "budget_tokens": n}}
    "adaptive_thinking",  # newer Anthropic models: {"thinking": {"type": "adaptive"}, "output_config": {"effort": …}}
]
ReplayField = Literal["", "reasoning_content", "reasoning", "reasoning_details"]
CallIds = Literal["any", "openai", "mistral"]
SchemaCleaning = Literal["none", "basic", "gemini"]
StructuredOutput = Literal["json_schema", "json_object", "forced_tool", "native_messages", "none"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How a provider or model differs. The defaults are those of the reference API of the dialect."""

    name: str = "default"
    system_role: Literal["system", "developer"] = "system"
    leading_system_only: bool = False
    """Later system messages become user messages: the chat template refuses them elsewhere."""
    output_limit_field: Literal["max_tokens", "max_completion_tokens", ""] = "max_tokens"
    effort_style: EffortStyle = "none"
    efforts: Mapping[str, str] = field(default_factory=dict)
    """The client's effort → the provider's word; an effort that is not named passes as it is."""
    replay_field: ReplayField = ""
    """Where reasoning of earlier turns goes back to the provider, if it must."""
    schema_cleaning: SchemaCleaning = "none"
    strict_tools: bool = True
    """Whether `strict` may be passed with a tool."""
    structured_output: StructuredOutput = "json_schema"
    parallel_tool_calls: bool = True
    """Whether the parameter may be sent."""
    tool_choice_required: bool = True
    """Whether `required` and named choices are known; else `auto` is sent."""
    stream_usage: bool = True
    """Whether `stream_options: {"include_usage": true}` may be sent."""
    cache_key_field: Literal["", "prompt_cache_key"] = ""
    verbosity: bool = False
    sampling: bool = True
    """Whether temperature and top_p may be sent."""
    empty_content: Literal["null", "empty", "omit"] = "null"
    """What an assistant message with tool calls and no text has for content."""
    call_ids: CallIds = "any"
    """What ids of calls the provider takes: all, those of at most 40 characters, those of nine letters and digits."""
    tool_images: bool = False
    """Whether a tool message may hold images itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one upstream."""

    slug: str
    display_name: str
    provider: str
    """As the row names it; shown to users."""
    model: str
    """What the upstream is asked for."""
    dialect: Dialects
    origin: Origin
    path: str
    """Path (and query) of the endpoint: `/v1/chat/completions`, `/v1/messages`, `/v1/responses`."""
    headers: Headers = ()
    """Plain extra headers. Those that look like keys are in the target's credential instead."""
    extra_body: Mapping[str, object] = field(default_factory=dict)
    """Laid over the translated body, nested objects merged."""
    profile: Profile = Profile()
    context_tokens: int = 128_000
    max_output_tokens: int | None = None
    images: bool = True

    @property
    def lineage(self) -> str:
        """Who may be given its reasoning back: the same dialect at the same upstream for the same model."""
        return f"{self.dialect}:{self.origin}:{self.model}"
