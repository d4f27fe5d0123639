"""The rules that choose a model's profile, as one table.

Never branches on a name outside the table; the profiles are in `addons.core.settings.vendor_profiles`. Invariant: the
first rule that fits wins; without one, the protocol's default profile applies, so every model of every protocol has a
profile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from addons.core.settings.vendor_profiles import (
    AZURE,
    BEDROCK_OSS,
    CEREBRAS,
    CEREBRAS_OSS,
    CLAUDE_46,
    CLAUDE_ADAPTIVE,
    CLAUDE_BUDGET,
    CLAUDE_PLAIN,
    DEEPSEEK,
    GEMINI,
    GITHUB_REASONING,
    GROQ,
    GROQ_OSS,
    GROQ_QWEN,
    KIMI,
    KIMI_ALWAYS,
    KIMI_LEVELS,
    KIMI_SWITCH,
    LOCAL,
    MIMO,
    MINIMAX,
    MISTRAL,
    MISTRAL_ADJUSTABLE,
    NIM,
    OLLAMA,
    OLLAMA_THINKING,
    OPENAI,
    OPENAI_MAX,
    OPENAI_O,
    OPENAI_REASONING,
    OPENROUTER,
    OTHER_THINKING,
    QWEN,
    QWEN_CODER,
    SGLANG_THINKING,
    VLLM,
    VLLM_OSS,
    VLLM_THINKING,
    XAI,
    XAI_PLAIN,
    ZAI,
    ZAI_LEVELS,
)
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table. `models` are patterns for the model's name in lower case without its vendor prefix."""

    family: str
    models: tuple[str, ...]
    profile: Profile
    protocol: Protocol = Protocol.CHAT

    def fits(self, family: str, model: str, protocol: Protocol) -> bool:
        """Return whether the rule applies to this model."""
        return (
            protocol is self.protocol
            and fnmatchcase(family, self.family)
            and any(fnmatchcase(model, pattern) for pattern in self.models)
        )


_ANY = ("*",)
_O_SERIES = ("o1*", "o3*", "o4*")
_GPT_5 = ("gpt-5*", "codex-*")
_GPT_5_MAX = ("gpt-5.[6-9]*", "gpt-6*")
_THINKERS = ("qwen3*", "glm-4.5*", "glm-4.6*", "glm-4.7*", "glm-5*", "deepseek-v3.1*")
_OLD_CLAUDES = ("claude-2*", "claude-3-opus*", "claude-3-sonnet*", "claude-3-haiku*", "claude-3-5-*", "claude-instant*")  # fmt: skip
_BUDGET_CLAUDES = ("claude-3-7-*", "claude-opus-4-[015]*", "claude-opus-4-2025*", "claude-sonnet-4-[05]*", "claude-sonnet-4-2025*", "claude-haiku-4*", "claude-opus-4.[015]*", "claude-sonnet-4.[05]*", "claude-opus-4", "claude-sonnet-4")  # fmt: skip

RULES: tuple[Rule, ...] = (
    Rule("openai", _O_SERIES, OPENAI_O),
    Rule("openai", _GPT_5_MAX, OPENAI_MAX),
    Rule("openai", _GPT_5, OPENAI_REASONING),
    Rule("openai", _ANY, OPENAI),
    Rule("azure-openai", _O_SERIES, OPENAI_O),
    Rule("azure-openai", _GPT_5_MAX, OPENAI_MAX),
    Rule("azure-openai", _GPT_5, OPENAI_REASONING),
    Rule("azure-openai", ("gpt-*", "chatgpt-*"), OPENAI),
    Rule("azure-openai", _ANY, AZURE),
    Rule("deepseek", _ANY, DEEPSEEK),
    Rule("zai*", ("glm-5.[3-9]*", "glm-[6-9]*"), ZAI_LEVELS),
    Rule("zai*", _ANY, ZAI),
    Rule("kimi*", ("kimi-k2.[7-9]*",), KIMI_ALWAYS),
    Rule("kimi*", ("kimi-k[3-9]*",), KIMI_LEVELS),
    Rule("kimi*", ("kimi-k2.[56]*", "kimi-latest*"), KIMI_SWITCH),
    Rule("kimi*", _ANY, KIMI),
    Rule("dashscope*", ("qwen3-coder*",), QWEN_CODER),
    Rule("dashscope*", ("qwen3*", "qwen-*", "qwq*"), QWEN),
    Rule("gemini", _ANY, GEMINI),
    Rule("mistral", ("mistral-small-latest", "mistral-small-26*", "mistral-medium-3.5*"), MISTRAL_ADJUSTABLE),
    Rule("mistral", _ANY, MISTRAL),
    Rule("groq", ("gpt-oss*",), GROQ_OSS),
    Rule("groq", ("qwen3*",), GROQ_QWEN),
    Rule("groq", _ANY, GROQ),
    Rule("openrouter", _ANY, OPENROUTER),
    Rule("ollama*", ("gpt-oss*", "qwen3*", "deepseek-r1*", "deepseek-v3.1*", "glm-*", "kimi-k2*"), OLLAMA_THINKING),
    Rule("ollama*", _ANY, OLLAMA),
    Rule("vllm", ("gpt-oss*",), VLLM_OSS),
    Rule("vllm", _THINKERS, VLLM_THINKING),
    Rule("vllm", _ANY, VLLM),
    Rule("sglang", ("gpt-oss*",), VLLM_OSS),
    Rule("sglang", _THINKERS, SGLANG_THINKING),
    Rule("sglang", _ANY, VLLM),
    Rule("lmstudio", _ANY, LOCAL),
    Rule("llamacpp", _ANY, LOCAL),
    Rule("nvidia-nim", _ANY, NIM),
    Rule("xai", ("grok-4.20*",), XAI_PLAIN),
    Rule("xai", ("grok-3-mini*", "grok-4.*"), XAI),
    Rule("mimo", _ANY, MIMO),
    Rule("minimax", _ANY, MINIMAX),
    Rule("cerebras", ("gpt-oss*",), CEREBRAS_OSS),
    Rule("cerebras", _ANY, CEREBRAS),
    Rule("bedrock", ("gpt-oss*",), BEDROCK_OSS),
    Rule("github-models", (*_O_SERIES, *_GPT_5, *_GPT_5_MAX), GITHUB_REASONING),
    Rule("*", _OLD_CLAUDES, CLAUDE_PLAIN, Protocol.MESSAGES),
    Rule("*", _BUDGET_CLAUDES, CLAUDE_BUDGET, Protocol.MESSAGES),
    Rule("*", ("claude-*-4-6*", "claude-*-4.6*"), CLAUDE_46, Protocol.MESSAGES),
    Rule("*", ("claude-*",), CLAUDE_ADAPTIVE, Protocol.MESSAGES),
    Rule("*", ("deepseek-*", "kimi-*", "glm-*", "minimax-*", "qwen3*"), OTHER_THINKING, Protocol.MESSAGES),
)  # fmt: skip


NO_USER_AFTER_TOOL = ("*mistral*", "*mixtral*", "*ministral*", "*devstral*", "*codestral*", "*magistral*", "*pixtral*", "*voxtral*")  # fmt: skip
"""Models whose template refuses a user message directly behind a tool message, at any provider."""


def profile_for(family: str, model: str, protocol: Protocol) -> Profile:
    """Return the profile of a model. `family` is the result of `presets.family_for`."""
    name = _bare_name(model)
    fitting = (rule.profile for rule in RULES if rule.fits(family, name, protocol))
    profile = next(fitting, protocol.spec.default_profile)
    if protocol is Protocol.CHAT and any(fnmatchcase(name, one) for one in NO_USER_AFTER_TOOL):
        return replace(profile, user_after_tool=False)
    return profile


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
"""Context windows by model name, for rows without one. Each is the smallest that is sold under that name."""
DEFAULT_CONTEXT_TOKENS = 128_000


def context_window_for(model: str) -> int:
    """Return how many tokens a model takes, by its name."""
    name = _bare_name(model)
    known = (tokens for pattern, tokens in CONTEXT_TOKENS if fnmatchcase(name, pattern))
    return next(known, DEFAULT_CONTEXT_TOKENS)


_BEDROCK_VENDOR = re.compile(
    r"(?:[a-z-]+\.)?(?:anthropic|deepseek|google|minimax|mistral|moonshotai|moonshot|openai|qwen|zai)\."
)
"""What stands before a model's name at Bedrock: `us.anthropic.claude-…`, `openai.gpt-oss-…`."""


def _bare_name(model: str) -> str:
    """Return a model's name in lower case, without its vendor prefix, with Vertex's `@` before a date as a hyphen."""
    name = model.lower().rpartition("/")[2].replace("@", "-")
    vendor = _BEDROCK_VENDOR.match(name)
    return name[vendor.end() :] if vendor else name
