"""Both tables of quirks: their number, their providers, and the source of each row."""

from __future__ import annotations

import re
from collections import Counter

from tests.quirks import chat_quirks, messages_quirks

QUIRKS = (*chat_quirks.QUIRKS, *messages_quirks.QUIRKS)
BY_PROVIDER = Counter(quirk.provider for quirk in QUIRKS)
PROVIDERS = (
    "OpenAI", "Azure", "DeepSeek", "Kimi", "GLM", "Qwen", "Mistral", "Groq", "OpenRouter", "Ollama", "vLLM",
    "LM Studio", "llama.cpp", "Gemini", "Anthropic", "Bedrock Anthropic",
)  # fmt: skip
SOURCE = re.compile(r"[\w.-]+/[\w.-]+#\d+|https://\S+|OpenAI API reference: .+")
"""An issue or pull request, a page, or a named part of a reference."""


def test_table_has_at_least_140_quirks() -> None:
    assert len(QUIRKS) >= 140


def test_each_known_provider_has_at_least_two_quirks() -> None:
    assert [provider for provider in PROVIDERS if BY_PROVIDER[provider] < 2] == []


def test_each_quirk_has_a_source_and_a_unique_name() -> None:
    assert [quirk.name for quirk in QUIRKS if not SOURCE.fullmatch(quirk.source)] == []
    named = Counter((quirk.provider, quirk.name) for quirk in QUIRKS)
    assert [name for name, count in named.items() if count > 1] == []
