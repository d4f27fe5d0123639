"""How providers and models differ from the reference of their protocol, as one table.

Never does: branch on a name outside the table. Invariant: the first rule that fits wins, the last rule of each
protocol fits everything. Sources, read in 2026-11: the API references of OpenAI, Anthropic, DeepSeek ("Thinking
mode"), Z.ai ("Thinking mode", "Function calling"), Moonshot ("Kimi API"), Google ("OpenAI compatibility"), Mistral
("Reasoning"), Groq ("Reasoning"), OpenRouter ("Reasoning tokens"), Alibaba ("OpenAI compatible"), vLLM ("Reasoning
outputs"), Ollama ("OpenAI compatibility").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from addons.core.target import Profile
from addons.core.translate.conversation import Dialects

LADDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
"""Every effort that Codex may ask for, weakest first."""


def _efforts(**given: str) -> Mapping[str, str]:
    return given


OPENAI_EFFORTS = _efforts(max="xhigh", ultra="xhigh")
CLASSIC_EFFORTS = _efforts(none="low", minimal="low", xhigh="high", max="high", ultra="high")
"""low, medium, high are all there is."""
NONE_TO_HIGH = _efforts(minimal="low", xhigh="high", max="high", ultra="high")
ANTHROPIC_EFFORTS = _efforts(none="low", minimal="low", xhigh="high", max="max", ultra="max")
DEEPSEEK_EFFORTS = _efforts(minimal="low", medium="high", xhigh="high", ultra="max")

DEFAULT = Profile(call_ids="openai")
"""A gateway that is not known may pass the turn on to OpenAI."""
MESSAGES_DEFAULT = Profile("messages", effort_style="none", structured_output="forced_tool")

_OPENAI = Profile("openai", cache_key_field="prompt_cache_key", call_ids="openai")
_OPENAI_REASONING = Profile(
    "openai-reasoning",
    call_ids="openai",
    system_role="developer",
    output_limit_field="max_completion_tokens",
    effort_style="reasoning_effort",
    efforts=OPENAI_EFFORTS,
    cache_key_field="prompt_cache_key",
    verbosity=True,
    sampling=False,
)
_OPENAI_O = Profile(
    "openai-o",
    call_ids="openai",
    system_role="developer",
    output_limit_field="max_completion_tokens",
    effort_style="reasoning_effort",
    efforts=CLASSIC_EFFORTS,
    cache_key_field="prompt_cache_key",
    parallel_tool_calls=False,
    sampling=False,
)
_DEEPSEEK = Profile(
    "deepseek",
    effort_style="thinking_switch",
    efforts=DEEPSEEK_EFFORTS,
    replay_field="reasoning_content",
    strict_tools=False,
    structured_output="json_object",
    parallel_tool_calls=False,
    tool_choice_required=False,
)
_ZAI = Profile(
    "zai",
    effort_style="thinking_switch",
    replay_field="reasoning_content",
    strict_tools=False,
    structured_output="json_object",
    parallel_tool_calls=False,
    tool_choice_required=False,
    empty_content="empty",
)
_KIMI = Profile(
    "kimi",
    replay_field="reasoning_content",
    strict_tools=False,
    schema_cleaning="basic",
    parallel_tool_calls=False,
    tool_choice_required=False,
    cache_key_field="prompt_cache_key",
)
_KIMI_SWITCH = Profile(
    "kimi-switch",
    effort_style="thinking_switch",
    replay_field="reasoning_content",
    strict_tools=False,
    schema_cleaning="basic",
    parallel_tool_calls=False,
    tool_choice_required=False,
    cache_key_field="prompt_cache_key",
    sampling=False,
)
_QWEN = Profile(
    "qwen",
    effort_style="enable_thinking",
    replay_field="reasoning_content",
    strict_tools=False,
    structured_output="json_object",
    tool_choice_required=False,
    empty_content="empty",
    leading_system_only=True,
)
_GEMINI = Profile(
    "gemini",
    effort_style="reasoning_effort",
    efforts=_efforts(xhigh="high", max="high", ultra="high"),
    schema_cleaning="gemini",
    strict_tools=False,
    parallel_tool_calls=False,
    empty_content="omit",
)
_MISTRAL = Profile(
    "mistral",
    call_ids="mistral",
    schema_cleaning="basic",
    strict_tools=False,
    stream_usage=False,
    empty_content="empty",
)
_MISTRAL_ADJUSTABLE = Profile(
    "mistral-adjustable",
    call_ids="mistral",
    effort_style="reasoning_effort",
    efforts=_efforts(minimal="none", low="none", medium="high", xhigh="high", max="high", ultra="high"),
    schema_cleaning="basic",
    strict_tools=False,
    stream_usage=False,
    empty_content="empty",
)  # fmt: skip
_GROQ = Profile("groq", output_limit_field="max_completion_tokens", strict_tools=False)
_GROQ_OSS = Profile(
    "groq-gpt-oss",
    output_limit_field="max_completion_tokens",
    effort_style="reasoning_effort",
    efforts=CLASSIC_EFFORTS,
    replay_field="reasoning",
    strict_tools=False,
)
_GROQ_QWEN = Profile(
    "groq-qwen3",
    output_limit_field="max_completion_tokens",
    effort_style="reasoning_effort",
    efforts={step: "none" if step == "none" else "default" for step in LADDER},
    strict_tools=False,
    structured_output="json_object",
)
_OPENROUTER = Profile(
    "openrouter",
    call_ids="openai",
    effort_style="reasoning_object",
    efforts=_efforts(max="xhigh", ultra="xhigh"),
    replay_field="reasoning_details",
    strict_tools=False,
    parallel_tool_calls=False,
)
_OLLAMA = Profile(
    "ollama",
    strict_tools=False,
    parallel_tool_calls=False,
    tool_choice_required=False,
    empty_content="empty",
)
_OLLAMA_THINKING = Profile(
    "ollama-thinking",
    effort_style="reasoning_effort",
    efforts=NONE_TO_HIGH,
    replay_field="reasoning",
    strict_tools=False,
    parallel_tool_calls=False,
    tool_choice_required=False,
    empty_content="empty",
)
_LOCAL = Profile("local", strict_tools=False, empty_content="empty")
_VLLM_OSS = Profile(
    "vllm-gpt-oss",
    effort_style="reasoning_effort",
    efforts=CLASSIC_EFFORTS,
    replay_field="reasoning",
    strict_tools=False,
)
_VLLM_THINKING = Profile(
    "vllm-thinking",
    effort_style="enable_thinking",
    replay_field="reasoning",
    strict_tools=False,
    leading_system_only=True,
    empty_content="empty",
)
_NIM = Profile(
    "nvidia-nim",
    schema_cleaning="basic",
    strict_tools=False,
    parallel_tool_calls=False,
    leading_system_only=True,
    empty_content="empty",
)
_XAI = Profile("xai", effort_style="reasoning_effort", efforts=CLASSIC_EFFORTS, strict_tools=False)
_CLAUDE_BUDGET = Profile(
    "claude-budget",
    effort_style="thinking_budget",
    structured_output="forced_tool",
    tool_images=True,
)
_CLAUDE_ADAPTIVE = Profile(
    "claude-adaptive",
    effort_style="adaptive_thinking",
    efforts=ANTHROPIC_EFFORTS,
    structured_output="native_messages",
    tool_images=True,
    sampling=False,
)
_CLAUDE_PLAIN = Profile("claude", structured_output="forced_tool", tool_images=True)
_OTHER_THINKING = Profile(
    "messages-compatible",
    effort_style="thinking_budget",
    structured_output="forced_tool",
    strict_tools=False,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table. `models` are patterns for the model's name in lower case, without its vendor prefix."""

    family: str
    models: tuple[str, ...]
    profile: Profile
    dialect: Dialects = Dialects.CHAT

    def fits(self, family: str, model: str, dialect: Dialects) -> bool:
        """Whether the rule is about this model."""
        return (
            dialect is self.dialect
            and fnmatchcase(family, self.family)
            and any(fnmatchcase(model, pattern) for pattern in self.models)
        )


_ANY = ("*",)
_O_SERIES = ("o1*", "o3*", "o4*")
_GPT_5 = ("gpt-5*", "gpt-6*", "codex-*")
_THINKERS = ("qwen3*", "glm-4.5*", "glm-4.6*", "glm-4.7*", "glm-5*", "deepseek-v3.1*")
_OLD_CLAUDES = ("claude-2*", "claude-3-opus*", "claude-3-sonnet*", "claude-3-haiku*", "claude-3-5-*", "claude-instant*")  # fmt: skip
_BUDGET_CLAUDES = ("claude-3-7-*", "claude-opus-4-[015]*", "claude-opus-4-2025*", "claude-sonnet-4-[05]*", "claude-sonnet-4-2025*", "claude-haiku-4*", "claude-opus-4.[015]*", "claude-sonnet-4.[05]*", "claude-opus-4", "claude-sonnet-4")  # fmt: skip

RULES: tuple[Rule, ...] = (
    Rule("openai", _O_SERIES, _OPENAI_O),
    Rule("openai", _GPT_5, _OPENAI_REASONING),
    Rule("openai", _ANY, _OPENAI),
    Rule("azure-openai", _O_SERIES, _OPENAI_O),
    Rule("azure-openai", _GPT_5, _OPENAI_REASONING),
    Rule("azure-openai", _ANY, _OPENAI),
    Rule("deepseek", _ANY, _DEEPSEEK),
    Rule("zai*", _ANY, _ZAI),
    Rule("kimi*", ("kimi-k2.[5-9]*", "kimi-k[3-9]*", "kimi-latest*"), _KIMI_SWITCH),
    Rule("kimi*", _ANY, _KIMI),
    Rule("dashscope", ("qwen3*", "qwen-*", "qwq*"), _QWEN),
    Rule("gemini", _ANY, _GEMINI),
    Rule("mistral", ("mistral-small-latest", "mistral-small-26*", "mistral-medium-3.5*"), _MISTRAL_ADJUSTABLE),
    Rule("mistral", _ANY, _MISTRAL),
    Rule("groq", ("gpt-oss*",), _GROQ_OSS),
    Rule("groq", ("qwen3*",), _GROQ_QWEN),
    Rule("groq", _ANY, _GROQ),
    Rule("openrouter", _ANY, _OPENROUTER),
    Rule("ollama", ("gpt-oss*", "qwen3*", "deepseek-r1*", "deepseek-v3.1*", "glm-*", "kimi-k2*"), _OLLAMA_THINKING),
    Rule("ollama", _ANY, _OLLAMA),
    Rule("vllm", ("gpt-oss*",), _VLLM_OSS),
    Rule("vllm", _THINKERS, _VLLM_THINKING),
    Rule("vllm", _ANY, _LOCAL),
    Rule("lmstudio", _ANY, _LOCAL),
    Rule("llamacpp", _ANY, _LOCAL),
    Rule("nvidia-nim", _ANY, _NIM),
    Rule("xai", ("grok-3-mini*", "grok-4.*"), _XAI),
    Rule("*", _ANY, DEFAULT),
    Rule("*", _OLD_CLAUDES, _CLAUDE_PLAIN, Dialects.MESSAGES),
    Rule("*", _BUDGET_CLAUDES, _CLAUDE_BUDGET, Dialects.MESSAGES),
    Rule("*", ("claude-*",), _CLAUDE_ADAPTIVE, Dialects.MESSAGES),
    Rule("*", ("deepseek-*", "kimi-*", "glm-*", "minimax-*", "qwen3*"), _OTHER_THINKING, Dialects.MESSAGES),
    Rule("*", _ANY, MESSAGES_DEFAULT, Dialects.MESSAGES),
    Rule("*", _ANY, DEFAULT, Dialects.RESPONSES),
)  # fmt: skip


def profile_of(family: str, model: str, dialect: Dialects) -> Profile:
    """The profile of a model. `family` is what `presets.family_of` says."""
    name = model.lower().rpartition("/")[2]
    return next(rule.profile for rule in RULES if rule.fits(family, name, dialect))


CONTEXT_TOKENS: tuple[tuple[str, int], ...] = (
    ("claude-*", 200_000),
    ("gpt-4.1*", 1_000_000),
    ("gpt-5*", 400_000),
    ("gpt-6*", 400_000),
    ("gemini-*", 1_000_000),
    ("kimi-*", 256_000),
    ("deepseek-*", 128_000),
    ("glm-4.[67]*", 200_000),
    ("glm-5*", 200_000),
    ("qwen3-coder*", 256_000),
    ("grok-4*", 256_000),
)
"""Context windows by name, for rows that do not give theirs. The smallest that the name is sold with."""
DEFAULT_CONTEXT_TOKENS = 128_000


def context_of(model: str) -> int:
    """How many tokens a model takes, as far as its name tells."""
    name = model.lower().rpartition("/")[2]
    known = (tokens for pattern, tokens in CONTEXT_TOKENS if fnmatchcase(name, pattern))
    return next(known, DEFAULT_CONTEXT_TOKENS)
