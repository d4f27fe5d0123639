"""The profiles of providers and models that differ from the reference API of their protocol.

`addons.core.settings.profiles` chooses one by name. Invariant: each value has a source. Sources, read in 2026-11: the
API references of OpenAI, Anthropic, DeepSeek ("Thinking mode"), Z.ai ("Thinking mode", "Function calling"), Moonshot
("Models overview"), Google ("OpenAI compatibility"), Mistral ("Reasoning"), Groq ("Reasoning"), Cerebras ("Chat
completions"), MiniMax ("OpenAI API"), Xiaomi MiMo ("First API call"), OpenRouter ("Reasoning tokens"), Alibaba ("OpenAI
compatible"), vLLM ("Reasoning outputs"), SGLang ("Reasoning parser"), Ollama ("OpenAI compatibility").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import OPENAI_COMPATIBLE

LADDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
"""Every effort that Codex may ask for, weakest first."""


def _efforts(**given: str) -> Mapping[str, str]:
    return given


OPENAI_EFFORTS = _efforts(max="xhigh", ultra="xhigh")
OPENAI_MAX_EFFORTS = _efforts(ultra="max")
"""GPT-5.6 and later: big-AGI#1159 asked every model of the API for every level, and dreb PR 481. Codex's own catalog (0.169)
has `max` for the same models."""
CLASSIC_EFFORTS = _efforts(none="low", minimal="low", xhigh="high", max="high", ultra="high")
"""For providers that take low, medium and high only."""
NONE_TO_HIGH = _efforts(minimal="low", xhigh="high", max="high", ultra="high")
ANTHROPIC_EFFORTS = _efforts(none="low", minimal="low", ultra="max")
"""Claude Opus 4.7, Sonnet 5 and newer: `xhigh` and `max` besides the classic levels. An unknown model gets all levels; a
refusal teaches which it takes."""
CLAUDE_46_EFFORTS = _efforts(none="low", minimal="low", xhigh="max", ultra="max")
"""Claude 4.6 has `max` and no `xhigh`. Codex's picker has `xhigh` for "the most"."""
LOW_HIGH_MAX = _efforts(none="low", minimal="low", medium="high", xhigh="max", ultra="max")
DEEPSEEK_EFFORTS = _efforts(minimal="low", medium="high", xhigh="high", ultra="max")

OPENAI = Profile("openai", cache_key_field="prompt_cache_key", call_ids="openai")
OPENAI_REASONING = Profile(
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
OPENAI_MAX = replace(OPENAI_REASONING, name="openai-max", efforts=OPENAI_MAX_EFFORTS)
OPENAI_O = Profile(
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
AZURE = replace(OPENAI_COMPATIBLE, name="azure")
"""A deployment whose name does not say that it is a model of OpenAI: it may be any model of the Foundry."""
DEEPSEEK = Profile(
    "deepseek",
    format_with_tools=False,
    effort_style="thinking_switch",
    efforts=DEEPSEEK_EFFORTS,
    replay_field="reasoning_content",
    strict_tools=False,
    structured_output="json_object",
    parallel_tool_calls=False,
    tool_choice_required=False,
    needs_own_reasoning=True,
)
ZAI = Profile(
    "zai",
    tool_choice_none=False,
    format_with_tools=False,
    effort_style="thinking_switch",
    replay_field="reasoning_content",
    strict_tools=False,
    structured_output="json_object",
    parallel_tool_calls=False,
    tool_choice_required=False,
    empty_content="empty",
)
ZAI_LEVELS = replace(ZAI, name="zai-levels", efforts=LOW_HIGH_MAX)
"""GLM-5.3 thinks always: `{"type": "disabled"}` is refused."""
KIMI = Profile(
    "kimi",
    format_with_tools=False,
    replay_field="reasoning_content",
    strict_tools=False,
    schema_cleaning="basic",
    parallel_tool_calls=False,
    tool_choice_required=False,
    cache_key_field="prompt_cache_key",
)
KIMI_SWITCH = Profile(
    "kimi-switch",
    format_with_tools=False,
    effort_style="thinking_switch",
    replay_field="reasoning_content",
    strict_tools=False,
    schema_cleaning="basic",
    parallel_tool_calls=False,
    tool_choice_required=False,
    cache_key_field="prompt_cache_key",
    sampling=False,
    needs_own_reasoning=True,
)
KIMI_ALWAYS = replace(
    KIMI_SWITCH, name="kimi-always", effort_style="none", needs_own_reasoning=False
)
"""Kimi K2.7 thinks always: `{"type": "disabled"}` is refused, and there are no levels."""
KIMI_LEVELS = replace(
    KIMI_ALWAYS,
    name="kimi-levels",
    effort_style="reasoning_effort",
    efforts=LOW_HIGH_MAX,
    output_limit_field="max_completion_tokens",
)
"""Kimi K3 thinks always, has levels, and does not know `thinking`."""
MIMO = Profile(
    "mimo",
    format_with_tools=False,
    output_limit_field="max_completion_tokens",
    effort_style="thinking_switch",
    replay_field="reasoning_content",
    strict_tools=False,
    structured_output="json_object",
    parallel_tool_calls=False,
    tool_choice_required=False,
    empty_content="empty",
    needs_own_reasoning=True,
)
MINIMAX = Profile(
    "minimax",
    format_with_tools=False,
    output_limit_field="max_completion_tokens",
    strict_tools=False,
    structured_output="none",
    parallel_tool_calls=False,
    tool_choice_required=False,
)
QWEN = Profile(
    "qwen",
    format_with_tools=False,
    effort_style="enable_thinking",
    replay_field="reasoning_content",
    strict_tools=False,
    structured_output="json_object",
    tool_choice_required=False,
    empty_content="empty",
)
QWEN_CODER = replace(QWEN, name="qwen-coder", effort_style="none")
GEMINI = Profile(
    "gemini",
    format_with_tools=False,
    effort_style="reasoning_effort",
    efforts=_efforts(xhigh="high", max="high", ultra="high"),
    schema_cleaning="gemini",
    strict_tools=False,
    parallel_tool_calls=False,
    empty_content="omit",
)
MISTRAL = Profile(
    "mistral",
    format_with_tools=False,
    user_after_tool=False,
    call_ids="mistral",
    schema_cleaning="basic",
    strict_tools=False,
    stream_usage=False,
    empty_content="empty",
)
MISTRAL_ADJUSTABLE = Profile(
    "mistral-adjustable",
    format_with_tools=False,
    user_after_tool=False,
    call_ids="mistral",
    effort_style="reasoning_effort",
    efforts=_efforts(minimal="none", low="none", medium="high", xhigh="high", max="high", ultra="high"),
    schema_cleaning="basic",
    strict_tools=False,
    stream_usage=False,
    empty_content="empty",
)  # fmt: skip
GROQ = Profile(
    "groq",
    format_with_tools=False,
    output_limit_field="max_completion_tokens",
    strict_tools=False,
)
GROQ_OSS = Profile(
    "groq-gpt-oss",
    format_with_tools=False,
    output_limit_field="max_completion_tokens",
    effort_style="reasoning_effort",
    efforts=CLASSIC_EFFORTS,
    replay_field="reasoning",
    strict_tools=False,
)
GROQ_QWEN = Profile(
    "groq-qwen3",
    format_with_tools=False,
    output_limit_field="max_completion_tokens",
    effort_style="reasoning_effort",
    efforts={step: "none" if step == "none" else "default" for step in LADDER},
    strict_tools=False,
    structured_output="json_object",
)
OPENROUTER = Profile(
    "openrouter",
    format_with_tools=False,
    call_ids="openai",
    effort_style="reasoning_object",
    efforts=_efforts(max="xhigh", ultra="xhigh"),
    replay_field="reasoning_details",
    strict_tools=False,
    parallel_tool_calls=False,
)
OLLAMA = Profile(
    "ollama",
    format_with_tools=False,
    strict_tools=False,
    parallel_tool_calls=False,
    tool_choice_required=False,
    empty_content="empty",
)
OLLAMA_THINKING = Profile(
    "ollama-thinking",
    format_with_tools=False,
    effort_style="reasoning_effort",
    efforts=NONE_TO_HIGH,
    replay_field="reasoning",
    strict_tools=False,
    parallel_tool_calls=False,
    tool_choice_required=False,
    empty_content="empty",
)
LOCAL = Profile(
    "local",
    format_with_tools=False,
    strict_tools=False,
    parallel_tool_calls=False,
    tool_choice_named=False,
    empty_content="empty",
)
VLLM = replace(LOCAL, name="vllm", parallel_tool_calls=True, tool_choice_named=True)
VLLM_OSS = Profile(
    "vllm-gpt-oss",
    format_with_tools=False,
    effort_style="reasoning_effort",
    efforts=CLASSIC_EFFORTS,
    replay_field="reasoning",
    strict_tools=False,
)
VLLM_THINKING = Profile(
    "vllm-thinking",
    format_with_tools=False,
    effort_style="template_switch",
    replay_field="reasoning",
    strict_tools=False,
    empty_content="empty",
)
SGLANG_THINKING = replace(VLLM_THINKING, name="sglang-thinking", replay_field="reasoning_content")
CEREBRAS = replace(OPENAI_COMPATIBLE, name="cerebras", output_limit_field="max_completion_tokens")
CEREBRAS_OSS = replace(
    CEREBRAS, name="cerebras-gpt-oss", effort_style="reasoning_effort", efforts=CLASSIC_EFFORTS
)
BEDROCK_OSS = replace(
    OPENAI_COMPATIBLE,
    name="bedrock-gpt-oss",
    output_limit_field="max_completion_tokens",
    effort_style="reasoning_effort",
    efforts=CLASSIC_EFFORTS,
)
GITHUB_REASONING = replace(
    OPENAI_COMPATIBLE,
    name="github-models-reasoning",
    output_limit_field="max_completion_tokens",
    sampling=False,
)
NIM = Profile(
    "nvidia-nim",
    format_with_tools=False,
    schema_cleaning="basic",
    strict_tools=False,
    parallel_tool_calls=False,
    empty_content="empty",
)
XAI = Profile("xai", effort_style="reasoning_effort", efforts=CLASSIC_EFFORTS, strict_tools=False)
XAI_PLAIN = replace(XAI, name="xai-plain", effort_style="none")
"""Grok 4.20 names its effort in the model's name and refuses the parameter."""
CLAUDE_BUDGET = Profile(
    "claude-budget",
    effort_style="thinking_budget",
    structured_output="forced_tool",
    tool_images=True,
)
CLAUDE_ADAPTIVE = Profile(
    "claude-adaptive",
    effort_style="adaptive_thinking",
    efforts=ANTHROPIC_EFFORTS,
    structured_output="native_messages",
    tool_images=True,
    sampling=False,
)
CLAUDE_46 = replace(CLAUDE_ADAPTIVE, name="claude-4.6", efforts=CLAUDE_46_EFFORTS)
CLAUDE_PLAIN = Profile("claude", structured_output="forced_tool", tool_images=True)
OTHER_THINKING = Profile(
    "messages-compatible",
    effort_style="thinking_budget",
    structured_output="forced_tool",
    strict_tools=False,
    needs_own_reasoning=True,
)
