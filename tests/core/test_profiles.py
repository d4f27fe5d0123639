from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.presets import PRESETS
from addons.core.profiles import LADDER, RULES, context_of, profile_of
from addons.core.translate.conversation import Dialects

CHAT, MESSAGES, RESPONSES = Dialects.CHAT, Dialects.MESSAGES, Dialects.RESPONSES


@pytest.mark.parametrize(
    ("family", "model", "dialect", "name"),
    [
        ("openai", "gpt-4.1", CHAT, "openai"),
        ("openai", "gpt-5.2-mini", CHAT, "openai-reasoning"),
        ("openai", "o3", CHAT, "openai-o"),
        ("azure-openai", "my-deployment", CHAT, "openai"),
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
        ("anthropic", "claude-opus-4-6", MESSAGES, "claude-adaptive"),
        ("anthropic", "claude-opus-4-7", MESSAGES, "claude-adaptive"),
        ("anthropic", "claude-sonnet-5", MESSAGES, "claude-adaptive"),
        ("anthropic", "glm-5", MESSAGES, "messages-compatible"),
        ("anthropic", "my-model", MESSAGES, "messages"),
        ("openai-responses", "gpt-5.5", RESPONSES, "default"),
    ],
)
def test_the_first_rule_that_fits_gives_the_profile(
    family: str, model: str, dialect: Dialects, name: str
) -> None:
    assert profile_of(family, model, dialect).name == name
    assert profile_of(family, model.upper(), dialect).name == name


# provider, profile → models that have it
NAMED = [
    ("openai azure-openai", CHAT, "openai-o", "o1 o1-mini o3-pro o4-mini"),
    ("openai azure-openai", CHAT, "openai-reasoning", "gpt-5 gpt-6 codex-mini-latest"),
    ("openai azure-openai", CHAT, "openai", "gpt-4o"),
    ("kimi kimi-coding", CHAT, "kimi-switch", "kimi-k2.5 kimi-k2.9-x kimi-k3 kimi-latest"),
    ("kimi kimi-coding", CHAT, "kimi", "kimi-k2-0905 moonshot-v1"),
    ("zai zai-coding-plan", CHAT, "zai", "glm-4.6"),
    ("dashscope", CHAT, "qwen", "qwen3-max qwen-plus qwq-32b"),
    ("dashscope", CHAT, "default", "deepseek-v3"),
    ("gemini", CHAT, "gemini", "gemini-3-pro"),
    ("mistral", CHAT, "mistral-adjustable", "mistral-small-latest mistral-small-2603 mistral-medium-3.5"),
    ("mistral", CHAT, "mistral", "mistral-small-2503 mistral-large-latest"),
    ("ollama", CHAT, "ollama-thinking", "gpt-oss:20b qwen3 deepseek-r1:8b deepseek-v3.1 glm-4.6 kimi-k2"),
    ("vllm", CHAT, "vllm-gpt-oss", "gpt-oss-20b"),
    ("vllm", CHAT, "vllm-thinking", "qwen3-8b glm-4.5-air glm-4.6 glm-4.7 glm-5 deepseek-v3.1"),
    ("vllm lmstudio llamacpp", CHAT, "local", "llama-3"),
    ("nvidia-nim", CHAT, "nvidia-nim", "any"),
    ("xai", CHAT, "xai", "grok-3-mini grok-3-mini-fast grok-4.1"),
    ("xai together fireworks cerebras minimax", CHAT, "default", "grok-3 llama-3"),
    ("anthropic any", MESSAGES, "claude", "claude-2.1 claude-3-opus-1 claude-3-sonnet-1 claude-3-haiku-1 claude-3-5-haiku claude-instant-1"),
    ("anthropic any", MESSAGES, "claude-budget", "claude-3-7-sonnet claude-haiku-4-5 claude-opus-4 claude-sonnet-4"),
    ("anthropic any", MESSAGES, "claude-budget", "claude-opus-4-0 claude-opus-4-1 claude-opus-4-5 claude-opus-4-20250514"),
    ("anthropic any", MESSAGES, "claude-budget", "claude-sonnet-4-0 claude-sonnet-4-5 claude-sonnet-4-20250514"),
    ("anthropic any", MESSAGES, "claude-budget", "claude-opus-4.0 claude-opus-4.1 claude-opus-4.5 claude-sonnet-4.0 claude-sonnet-4.5"),
    ("anthropic any", MESSAGES, "claude-adaptive", "claude-opus-4-6 claude-sonnet-4-6 claude-sonnet-5"),
    ("anthropic any", MESSAGES, "messages-compatible", "deepseek-chat kimi-k2 glm-5 minimax-m2 qwen3-max"),
    ("anthropic any", MESSAGES, "messages", "llama-3"),
]  # fmt: skip


@pytest.mark.parametrize(("families", "dialect", "name", "models"), NAMED)
def test_a_model_has_the_profile_of_its_kind(
    families: str, dialect: Dialects, name: str, models: str
) -> None:
    for family in families.split():
        for model in models.split():
            assert profile_of(family, model, dialect).name == name, (family, model)


@given(
    st.sampled_from([preset.name for preset in PRESETS]), st.text(), st.sampled_from(list(Dialects))
)
def test_every_model_has_a_profile(family: str, model: str, dialect: Dialects) -> None:
    assert profile_of(family, model, dialect).name


def test_every_rule_is_reached_and_of_a_known_family() -> None:
    for at, rule in enumerate(RULES):
        earlier = RULES[:at]
        pattern = rule.models[0].replace("*", "").replace("[5-9]", "5").replace("[015]", "1")
        family = rule.family.replace("*", "x")
        assert not any(other.fits(family, pattern, rule.dialect) for other in earlier), rule
    families = {rule.family.rstrip("*") for rule in RULES}
    assert families <= {preset.name for preset in PRESETS} | {""}


def test_efforts_are_steps_of_the_ladder() -> None:
    assert all(effort in LADDER for rule in RULES for effort in rule.profile.efforts)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-sonnet-4-5", 200_000),
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
def test_a_context_window_is_known_by_name(model: str, tokens: int) -> None:
    assert context_of(model) == tokens
