from __future__ import annotations

from collections import Counter

import pytest

from addons.core.endpoints import Rules, Versioning, composed
from addons.core.key_places import API_KEY, BEARER, X_API_KEY
from addons.core.presets import BY_WORD, NOT_OURS, PRESETS, Preset, family_of, preset_of
from addons.core.translate.conversation import Dialects

NAMED = (
    "openai anthropic generic-chat-completion-api openai-responses ollama deepseek openrouter zai zai-coding-plan "
    "nvidia-nim nim kimi moonshot gemini lmstudio vllm groq mistral azure-openai"
)


@pytest.mark.parametrize("word", NAMED.split())
def test_each_word_that_users_write_is_known(word: str) -> None:
    assert word in BY_WORD
    assert preset_of(f" {word.upper()} ") is BY_WORD[word]


def test_a_word_stands_for_one_preset() -> None:
    words = Counter(word for preset in PRESETS for word in preset.words)
    assert {word for word, count in words.items() if count > 1 or word != word.lower()} == set()
    assert not NOT_OURS & words.keys()


@pytest.mark.parametrize("preset", [p for p in PRESETS if p.base_url], ids=lambda p: p.name)
def test_each_address_is_one_that_a_row_could_have(preset: Preset) -> None:
    versioning = Versioning(preset.version_segment)
    path = composed(preset.base_url, preset.dialect, versioning, Rules()).path
    assert path.count("/v1/") <= 1


def test_a_word_of_nobody_is_a_chat_endpoint() -> None:
    preset = preset_of("my-gateway")
    assert (preset.dialect, preset.auth, preset.base_url) == (Dialects.CHAT, BEARER, "")


def test_only_who_runs_on_this_machine_or_says_no_address_needs_no_key() -> None:
    free = {preset.name for preset in PRESETS if not preset.needs_key}
    assert free == {"generic-chat-completion-api", "ollama", "lmstudio", "vllm", "llamacpp"}


@pytest.mark.parametrize(
    ("host", "family"),
    [
        ("api.openai.com", "openai"),
        ("api.anthropic.com", "anthropic"),
        ("ollama.com", "ollama"),
        ("openrouter.ai", "openrouter"),
        ("api.z.ai", "zai"),
        ("open.bigmodel.cn", "zai"),
        ("integrate.api.nvidia.com", "nvidia-nim"),
        ("api.moonshot.ai", "kimi"),
        ("api.moonshot.cn", "kimi"),
        ("api.kimi.com", "kimi-coding"),
        ("generativelanguage.googleapis.com", "gemini"),
        ("api.groq.com", "groq"),
        ("api.mistral.ai", "mistral"),
        ("dashscope.aliyuncs.com", "dashscope"),
        ("dashscope-intl.aliyuncs.com", "dashscope"),
        ("api.x.ai", "xai"),
        ("api.together.xyz", "together"),
        ("api.together.ai", "together"),
        ("api.fireworks.ai", "fireworks"),
        ("api.cerebras.ai", "cerebras"),
        ("api.minimax.io", "minimax"),
        ("api.minimaxi.com", "minimax"),
        ("mine.services.ai.azure.com", "azure-openai"),
        ("mine.cognitiveservices.azure.com", "azure-openai"),
    ],
)
def test_a_provider_is_known_by_its_host(host: str, family: str) -> None:
    assert family_of("my-gateway", host) == family


@pytest.mark.parametrize(
    ("word", "dialect"),
    [
        ("anthropic", Dialects.MESSAGES),
        ("claude", Dialects.MESSAGES),
        ("openai-responses", Dialects.RESPONSES),
        ("responses", Dialects.RESPONSES),
        ("openai", Dialects.CHAT),
    ],
)
def test_a_word_names_the_protocol(word: str, dialect: Dialects) -> None:
    assert preset_of(word).dialect is dialect


@pytest.mark.parametrize("word", ["chatgpt", "cursor", "cursor-agent", "cursor-agent-cli", "cursor-cli", "cursor-acp", "cursor-agent-grpc"])  # fmt: skip
def test_words_of_earlier_shims_are_not_ours(word: str) -> None:
    assert word in NOT_OURS


def test_keys_travel_as_each_protocol_wants_them() -> None:
    forms = {preset.name: preset.auth for preset in PRESETS if preset.auth is not BEARER}
    assert forms == {"anthropic": X_API_KEY, "azure-openai": API_KEY}


@pytest.mark.parametrize(
    ("word", "host", "family"),
    [
        ("deepseek", "gateway.example", "deepseek"),
        ("generic-chat-completion-api", "api.deepseek.com", "deepseek"),
        ("my-gateway", "mine.openai.azure.com", "azure-openai"),
        ("generic", "notdeepseek.com", "generic-chat-completion-api"),
        ("generic", "evil-api.deepseek.com.example", "generic-chat-completion-api"),
    ],
)
def test_habits_are_those_of_the_word_else_of_the_host(word: str, host: str, family: str) -> None:
    assert family_of(word, host) == family
