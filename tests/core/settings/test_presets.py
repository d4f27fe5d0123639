from __future__ import annotations

from collections import Counter

import pytest

from addons.core.settings.presets import (
    BY_WORD,
    LOGIN_PROVIDERS,
    PORTKEY_KEY,
    PRESETS,
    Preset,
    family_for,
    is_host_of,
    preset_for,
)
from addons.core.settings.upstream_url import EndpointRules, Versioning, composed_endpoint
from addons.core.upstream.api_keys import API_KEY, BEARER, X_API_KEY, AuthScheme
from addons.core.upstream.protocol import Protocol

NAMED = (
    "openai anthropic generic-chat-completion-api openai-responses ollama deepseek openrouter zai zai-coding-plan "
    "nvidia-nim nim kimi moonshot gemini lmstudio vllm groq mistral azure-openai"
)


@pytest.mark.parametrize("word", NAMED.split())
def test_documented_provider_word_is_known(word: str) -> None:
    assert word in BY_WORD
    assert preset_for(f" {word.upper()} ") is BY_WORD[word]


def test_word_names_one_preset() -> None:
    words = Counter(word for preset in PRESETS for word in preset.words)
    assert {word for word, count in words.items() if count > 1 or word != word.lower()} == set()
    assert not LOGIN_PROVIDERS & words.keys()


@pytest.mark.parametrize("preset", [p for p in PRESETS if p.base_url], ids=lambda p: p.name)
def test_every_preset_address_is_a_valid_base_url(preset: Preset) -> None:
    versioning = Versioning(preset.version_segment)
    path = composed_endpoint(preset.base_url, preset.protocol, versioning, EndpointRules()).path
    assert path.count("/v1/") <= 1


def test_unknown_word_is_a_chat_endpoint() -> None:
    preset = preset_for("my-gateway")
    assert (preset.protocol, preset.auth, preset.base_url) == (Protocol.CHAT, BEARER, "")


def test_only_local_and_generic_presets_need_no_key() -> None:
    free = {preset.name for preset in PRESETS if not preset.needs_key}
    local = {"ollama", "lmstudio", "vllm", "sglang", "llamacpp", "litellm"}
    assert free == {"generic-chat-completion-api", *local, "vertex-anthropic"}


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
        ("coding.dashscope.aliyuncs.com", "dashscope-coding"),
        ("coding-intl.dashscope.aliyuncs.com", "dashscope-coding"),
        ("cn-hongkong.dashscope.aliyuncs.com", "dashscope"),
        ("ws-1.ap-southeast-1.maas.aliyuncs.com", "dashscope"),
        ("bedrock-runtime.us-west-2.amazonaws.com", "bedrock"),
        ("bedrock-mantle.eu-central-1.api.aws", "bedrock"),
        ("api.siliconflow.cn", "siliconflow"),
        ("api.xiaomimimo.com", "mimo"),
        ("opencode.ai", "opencode-zen"),
        ("models.github.ai", "github-models"),
        ("api.portkey.ai", "portkey"),
    ],
)
def test_provider_is_recognized_by_host(host: str, family: str) -> None:
    assert family_for("my-gateway", host) == family


@pytest.mark.parametrize(
    ("word", "protocol"),
    [
        ("anthropic", Protocol.MESSAGES),
        ("claude", Protocol.MESSAGES),
        ("openai-responses", Protocol.RESPONSES),
        ("responses", Protocol.RESPONSES),
        ("openai", Protocol.CHAT),
    ],
)
def test_word_selects_the_protocol(word: str, protocol: Protocol) -> None:
    assert preset_for(word).protocol is protocol


def test_key_header_of_each_preset() -> None:
    schemes = {preset.name: preset.auth for preset in PRESETS if preset.auth is not BEARER}
    assert schemes == {
        "anthropic": X_API_KEY,
        "azure-anthropic": X_API_KEY,
        "azure-openai": API_KEY,
        "deepseek-messages": X_API_KEY,
        "portkey": PORTKEY_KEY,
    }


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
def test_family_follows_the_word_else_the_host(word: str, host: str, family: str) -> None:
    assert family_for(word, host) == family


@pytest.mark.parametrize(
    ("word", "host"),
    [
        ("bedrock", "bedrock-runtime.evil.s3.amazonaws.com"),
        ("bedrock", "bucket.s3.amazonaws.com"),
        ("bedrock", "bedrock-runtime.us-west-2.amazonaws.com.example"),
        ("bedrock", "xbedrock-runtime.us-west-2.amazonaws.com"),
        ("bedrock", "amazonaws.com"),
        ("dashscope", "oss.aliyuncs.com"),
        ("azure-openai", "mine.azure.com"),
    ],
)
def test_host_of_another_customer_of_the_same_cloud_is_not_the_providers(
    word: str, host: str
) -> None:
    assert not is_host_of(preset_for(word), host)


@pytest.mark.parametrize(
    ("model", "protocol", "auth"),
    [
        ("claude-opus-4-8", Protocol.MESSAGES, X_API_KEY),
        ("opencode/Claude-Haiku-4-5", Protocol.MESSAGES, X_API_KEY),
        ("gpt-5.5", Protocol.RESPONSES, BEARER),
        ("kimi-k2.6", Protocol.CHAT, BEARER),
        ("grok-code", Protocol.CHAT, BEARER),
    ],
)
def test_gateway_of_mixed_protocols_chooses_by_model(
    model: str, protocol: Protocol, auth: AuthScheme
) -> None:
    preset = preset_for("opencode-zen").for_model(model)
    assert (preset.protocol, preset.auth, preset.name) == (protocol, auth, "opencode-zen")


def test_model_does_not_change_the_protocol_of_other_providers() -> None:
    for preset in PRESETS:
        if not preset.protocols:
            assert preset.for_model("claude-opus-4-8") == preset
