"""Both tables of quirks together: how many, of whom, and where each was reported."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.quirks import chat_quirks, messages_quirks

QUIRKS = (*chat_quirks.QUIRKS, *messages_quirks.QUIRKS)
OF_PROVIDER = Counter(quirk.provider for quirk in QUIRKS)
PROVIDERS = (
    "OpenAI", "Azure", "DeepSeek", "Kimi", "GLM", "Qwen", "Mistral", "Groq", "OpenRouter", "Ollama", "vLLM",
    "LM Studio", "llama.cpp", "Gemini", "Anthropic", "Bedrock Anthropic",
)  # fmt: skip
SOURCE = re.compile(r"[\w.-]+/[\w.-]+#\d+|https://\S+|OpenAI API reference: .+")
"""An issue or pull request, a page, or a named part of a reference."""


def test_the_table_is_long() -> None:
    assert len(QUIRKS) >= 140


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_that_users_name_is_in_it_more_than_once(provider: str) -> None:
    assert OF_PROVIDER[provider] >= 2


def test_each_row_has_a_source_and_a_name_of_its_own() -> None:
    assert [quirk.name for quirk in QUIRKS if not SOURCE.fullmatch(quirk.source)] == []
    named = Counter((quirk.provider, quirk.name) for quirk in QUIRKS)
    assert [name for name, count in named.items() if count > 1] == []
