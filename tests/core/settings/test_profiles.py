from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.settings.presets import PRESETS
from addons.core.settings.profiles import RULES, context_window_for, profile_for
from addons.core.settings.vendor_profiles import LADDER
from addons.core.upstream.protocol import Protocol

CHAT, MESSAGES, RESPONSES = Protocol.CHAT, Protocol.MESSAGES, Protocol.RESPONSES


@pytest.mark.parametrize(
    ("family", "model", "protocol", "name"),
    [
        ("openai", "gpt-4.1", CHAT, "openai"),
        ("openai", "gpt-5.2-mini", CHAT, "openai-reasoning"),
        ("openai", "o3", CHAT, "openai-o"),
        ("azure-openai", "my-deployment", CHAT, "azure"),
        ("azure-openai", "DeepSeek-V4-Pro", CHAT, "azure"),
        ("deepseek", "deepseek-reasoner", CHAT, "deepseek"),
        ("zai-coding-plan", "glm-5", CHAT, "zai"),
        ("kimi", "kimi-k2-thinking", CHAT, "kimi"),
        ("kimi", "kimi-k2.5", CHAT, "kimi-switch"),
        ("groq", "openai/gpt-oss-120b", CHAT, "groq-gpt-oss"),
        ("groq", "qwen/qwen3-32b", CHAT, "groq-qwen3"),
        ("groq", "llama-3.3-70b-versatile", CHAT, "groq"),
        ("openrouter", "anthropic/claude-sonnet-4.5", CHAT, "openrouter"),
        ("mistral", "mistral-small-latest", CHAT, "mistral-adjustable"),
        ("mistral", "magistral-medium-latest", CHAT, "mistral"),
        ("ollama", "qwen3:30b", CHAT, "ollama-thinking"),
        ("ollama", "llama3", CHAT, "ollama"),
        ("vllm", "Qwen/Qwen3-8B", CHAT, "vllm-thinking"),
        ("generic-chat-completion-api", "gpt-5", CHAT, "default"),
        ("anthropic", "claude-3-5-sonnet-latest", MESSAGES, "claude"),
        ("anthropic", "claude-3-7-sonnet-latest", MESSAGES, "claude-budget"),
        ("anthropic", "claude-sonnet-4-20250514", MESSAGES, "claude-budget"),
        ("anthropic", "claude-sonnet-4-5-20250929", MESSAGES, "claude-budget"),
        ("anthropic", "claude-opus-4-1", MESSAGES, "claude-budget"),
        ("anthropic", "claude-haiku-4-5", MESSAGES, "claude-budget"),
        ("anthropic", "claude-opus-4-6", MESSAGES, "claude-4.6"),
        ("anthropic", "claude-opus-4-7", MESSAGES, "claude-adaptive"),
        ("anthropic", "claude-sonnet-5", MESSAGES, "claude-adaptive"),
        ("anthropic", "glm-5", MESSAGES, "messages-compatible"),
        ("anthropic", "my-model", MESSAGES, "messages"),
        ("openai-responses", "gpt-5.5", RESPONSES, "default"),
    ],
)
def test_first_fitting_rule_gives_the_profile(
    family: str, model: str, protocol: Protocol, name: str
) -> None:
    assert profile_for(family, model, protocol).name == name
    assert profile_for(family, model.upper(), protocol).name == name


# provider, profile → models that have it
NAMED = [
    ("openai azure-openai", CHAT, "openai-o", "o1 o1-mini o3-pro o4-mini"),
    ("openai azure-openai", CHAT, "openai-reasoning", "gpt-5 gpt-5.5 codex-mini-latest"),
    ("openai azure-openai", CHAT, "openai-max", "gpt-5.6-terra gpt-6 gpt-6.1-sol"),
    ("openai azure-openai", CHAT, "openai", "gpt-4o"),
    ("kimi kimi-coding", CHAT, "kimi-switch", "kimi-k2.5 kimi-k2.6 kimi-latest"),
    ("kimi kimi-coding", CHAT, "kimi-always", "kimi-k2.7-code kimi-k2.9-x"),
    ("kimi kimi-coding", CHAT, "kimi-levels", "kimi-k3 kimi-k3.1-pro kimi-k4"),
    ("kimi kimi-coding", CHAT, "kimi", "kimi-k2-0905 moonshot-v1"),
    ("zai zai-coding-plan", CHAT, "zai", "glm-4.6 glm-5 glm-5.2"),
    ("zai zai-coding-plan", CHAT, "zai-levels", "glm-5.3 glm-5.3-flash glm-6"),
    ("dashscope dashscope-coding", CHAT, "qwen", "qwen3-max qwen3.5-plus qwen-plus qwq-32b"),
    ("dashscope dashscope-coding", CHAT, "qwen-coder", "qwen3-coder-plus qwen3-coder-next"),
    ("dashscope dashscope-coding", CHAT, "default", "deepseek-v3 glm-5"),
    ("gemini", CHAT, "gemini", "gemini-3-pro"),
    ("mistral", CHAT, "mistral-adjustable", "mistral-small-latest mistral-small-2603 mistral-medium-3.5"),
    ("mistral", CHAT, "mistral", "mistral-small-2503 mistral-large-latest"),
    ("ollama ollama-cloud", CHAT, "ollama-thinking", "gpt-oss:20b qwen3 deepseek-r1:8b deepseek-v3.1 glm-4.6 kimi-k2"),
    ("vllm", CHAT, "vllm-gpt-oss", "gpt-oss-20b"),
    ("vllm", CHAT, "vllm-thinking", "qwen3-8b glm-4.5-air glm-4.6 glm-4.7 glm-5 deepseek-v3.1"),
    ("vllm", CHAT, "vllm", "llama-3"),
    ("lmstudio llamacpp", CHAT, "local", "llama-3"),
    ("nvidia-nim", CHAT, "nvidia-nim", "any"),
    ("xai", CHAT, "xai", "grok-3-mini grok-3-mini-fast grok-4.1"),
    ("xai", CHAT, "xai-plain", "grok-4.20-0309-reasoning grok-4.20"),
    ("sglang", CHAT, "vllm-gpt-oss", "gpt-oss-20b"),
    ("sglang", CHAT, "sglang-thinking", "qwen3-8b glm-4.7"),
    ("sglang", CHAT, "vllm", "llama-3"),
    ("cerebras", CHAT, "cerebras-gpt-oss", "gpt-oss-120b"),
    ("cerebras", CHAT, "cerebras", "qwen-3-coder-480b zai-glm-4.7"),
    ("minimax", CHAT, "minimax", "MiniMax-M2.7 MiniMax-M3"),
    ("mimo", CHAT, "mimo", "mimo-v2.5-pro"),
    ("bedrock", CHAT, "bedrock-gpt-oss", "openai.gpt-oss-120b-1:0 us.openai.gpt-oss-20b"),
    ("bedrock", CHAT, "default", "deepseek.v3-v1:0 qwen.qwen3-coder-480b"),
    ("github-models", CHAT, "github-models-reasoning", "openai/gpt-5 openai/o4-mini"),
    ("github-models", CHAT, "default", "openai/gpt-4.1 deepseek/deepseek-v3-0324"),
    ("xai together fireworks siliconflow litellm portkey opencode-zen", CHAT, "default", "grok-3 llama-3"),
    ("anthropic any", MESSAGES, "claude", "claude-2.1 claude-3-opus-1 claude-3-sonnet-1 claude-3-haiku-1 claude-3-5-haiku claude-instant-1"),
    ("anthropic any", MESSAGES, "claude-budget", "claude-3-7-sonnet claude-haiku-4-5 claude-opus-4 claude-sonnet-4"),
    ("anthropic any", MESSAGES, "claude-budget", "claude-opus-4-0 claude-opus-4-1 claude-opus-4-5 claude-opus-4-20250514"),
    ("anthropic any", MESSAGES, "claude-budget", "claude-sonnet-4-0 claude-sonnet-4-5 claude-sonnet-4-20250514"),
    ("anthropic any", MESSAGES, "claude-budget", "claude-opus-4.0 claude-opus-4.1 claude-opus-4.5 claude-sonnet-4.0 claude-sonnet-4.5"),
    ("vertex-anthropic", MESSAGES, "claude-budget", "claude-sonnet-4@20250514 claude-opus-4@20250514 claude-haiku-4-5@20251001"),
    ("vertex-anthropic", MESSAGES, "claude", "claude-3-5-haiku@20241022 claude-3-opus@20240229"),
    ("any", MESSAGES, "claude-budget", "us.anthropic.claude-sonnet-4-5-20250929-v1:0 bedrock/anthropic.claude-sonnet-4-20250514-v1:0"),
    ("any", MESSAGES, "claude-adaptive", "global.anthropic.claude-opus-4-8 apac.anthropic.claude-sonnet-5"),
    ("anthropic any", MESSAGES, "claude-4.6", "claude-opus-4-6 claude-sonnet-4-6 claude-opus-4.6"),
    ("anthropic any", MESSAGES, "claude-adaptive", "claude-opus-4-7 claude-sonnet-5 claude-opus-9"),
    ("anthropic any", MESSAGES, "messages-compatible", "deepseek-chat kimi-k2 glm-5 minimax-m2 qwen3-max"),
    ("anthropic any", MESSAGES, "messages", "llama-3"),
]  # fmt: skip


@pytest.mark.parametrize(("families", "protocol", "name", "models"), NAMED)
def test_model_has_the_profile_of_its_kind(
    families: str, protocol: Protocol, name: str, models: str
) -> None:
    for family in families.split():
        for model in models.split():
            assert profile_for(family, model, protocol).name == name, (family, model)


@given(
    st.sampled_from([preset.name for preset in PRESETS]), st.text(), st.sampled_from(list(Protocol))
)
def test_every_model_has_a_profile(family: str, model: str, protocol: Protocol) -> None:
    assert profile_for(family, model, protocol).name


def test_every_rule_is_reachable_and_of_a_known_family() -> None:
    for at, rule in enumerate(RULES):
        earlier = RULES[:at]
        pattern = rule.models[0].replace("*", "").replace("[5-9]", "5").replace("[015]", "1")
        family = rule.family.replace("*", "x")
        assert not any(other.fits(family, pattern, rule.protocol) for other in earlier), rule
    families = {rule.family.rstrip("*") for rule in RULES}
    assert families <= {preset.name for preset in PRESETS} | {""}


def test_efforts_are_steps_of_the_ladder() -> None:
    assert all(effort in LADDER for rule in RULES for effort in rule.profile.efforts)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-sonnet-4-5", 200_000),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 200_000),
        ("moonshotai.kimi-k2.5", 256_000),
        ("anthropic/claude-opus-4-7", 200_000),
        ("gpt-5.2", 400_000),
        ("google/gemini-3-pro", 1_000_000),
        ("kimi-k2", 256_000),
        ("llama3", 128_000),
        ("gpt-4.1-mini", 1_000_000),
        ("gpt-6", 400_000),
        ("deepseek-chat", 128_000),
        ("glm-4.6", 200_000),
        ("glm-4.7", 200_000),
        ("glm-4.5", 128_000),
        ("glm-5", 200_000),
        ("qwen3-coder-plus", 256_000),
        ("qwen3-max", 128_000),
        ("grok-4.1", 256_000),
    ],
)
def test_context_window_is_known_by_name(model: str, tokens: int) -> None:
    assert context_window_for(model) == tokens


@pytest.mark.parametrize(
    ("family", "model"),
    [
        ("mistral", "mistral-large-latest"),
        ("mistral", "mistral-small-latest"),
        ("nvidia-nim", "mistralai/devstral-2-123b-instruct-2512"),
        ("openrouter", "mistralai/codestral-2508"),
        ("llamacpp", "Devstral-Small-2-24B"),
        ("generic-chat-completion-api", "unsloth/Magistral-Small-2509"),
    ],
)
def test_mistral_model_takes_no_user_message_behind_a_tool_message(family: str, model: str) -> None:
    assert not profile_for(family, model, CHAT).user_after_tool


def test_other_models_take_a_user_message_behind_a_tool_message() -> None:
    assert profile_for("openrouter", "anthropic/claude-sonnet-4.5", CHAT).user_after_tool
    assert profile_for("generic-chat-completion-api", "any", CHAT).user_after_tool


@pytest.mark.parametrize(
    ("family", "model", "works"),
    [
        ("openai", "gpt-4.1", True),
        ("openai", "gpt-5.5", True),
        ("groq", "openai/gpt-oss-120b", False),
        ("groq", "llama-3.3-70b-versatile", False),
        ("gemini", "gemini-2.5-pro", False),
        ("generic-chat-completion-api", "any", False),
        ("azure-openai", "DeepSeek-V4-Pro", False),
    ],
)
def test_output_format_is_sent_with_tools_only_where_that_is_supported(
    family: str, model: str, works: bool
) -> None:
    assert profile_for(family, model, CHAT).format_with_tools is works


@pytest.mark.parametrize(
    ("family", "model"),
    [
        ("azure-openai", "DeepSeek-V4-Pro"),
        ("generic-chat-completion-api", "gpt-5"),
        ("openrouter", "any"),
        ("lmstudio", "any"),
    ],
)
def test_optional_fields_of_one_vendor_are_not_sent_to_others(family: str, model: str) -> None:
    profile = profile_for(family, model, CHAT)
    assert not profile.cache_key_field
    assert not profile.verbosity
    assert not profile.parallel_tool_calls


@pytest.mark.parametrize("family", ["lmstudio", "llamacpp", "generic-chat-completion-api"])
def test_tool_is_named_as_an_object_only_where_that_is_known(family: str) -> None:
    assert not profile_for(family, "any", CHAT).tool_choice_named


@pytest.mark.parametrize(
    ("model", "levels"),
    [
        ("claude-opus-4-6", {"low": "low", "high": "high", "xhigh": "max", "max": "max"}),
        ("claude-opus-4-7", {"low": "low", "high": "high", "xhigh": "xhigh", "max": "max"}),
        ("claude-opus-4-8", {"none": "low", "xhigh": "xhigh", "max": "max", "ultra": "max"}),
        ("claude-sonnet-5", {"minimal": "low", "xhigh": "xhigh", "max": "max"}),
        ("claude-of-another-year", {"medium": "medium", "xhigh": "xhigh", "max": "max"}),
    ],
)
def test_claude_gets_the_levels_that_it_has(model: str, levels: dict[str, str]) -> None:
    efforts = profile_for("anthropic", model, MESSAGES).efforts
    assert {level: efforts.get(level, level) for level in levels} == levels


@pytest.mark.parametrize("family", ["openai", "azure-openai"])
@pytest.mark.parametrize(
    ("model", "levels"),
    [
        ("gpt-5", {"xhigh": "xhigh", "max": "xhigh", "ultra": "xhigh"}),
        ("gpt-5.5", {"xhigh": "xhigh", "max": "xhigh", "ultra": "xhigh"}),
        ("gpt-5.6-terra", {"none": "none", "xhigh": "xhigh", "max": "max", "ultra": "max"}),
        ("gpt-6.1-sol", {"low": "low", "xhigh": "xhigh", "max": "max", "ultra": "max"}),
    ],
)
def test_gpt_gets_the_levels_that_it_has(family: str, model: str, levels: dict[str, str]) -> None:
    efforts = profile_for(family, model, CHAT).efforts
    assert {level: efforts.get(level, level) for level in levels} == levels
