"""The label of an upstream: description, provider at its own address, else address and protocol."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from addons.core.routes import Route, RouteTable, provider_name, route_label
from addons.core.settings.labels import RouteLabels, row_label
from addons.core.settings.row import ModelRow
from tests.core.settings.test_row_resolver import row_of
from tests.core.test_routes import no_plan

LOCAL = {"model": "m", "base_url": "http://127.0.0.1:18180/v1"}


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        (LOCAL, "127.0.0.1:18180 (chat)"),
        ({**LOCAL, "provider": "anthropic"}, "127.0.0.1:18180 (messages)"),
        ({**LOCAL, "description": "the server in the cellar"}, "the server in the cellar"),
        ({**LOCAL, "description": "two\nlines" + 99 * "!"}, "two?lines" + 71 * "!"),
        ({"model": "m", "base_url": "https://x.example/v1?api-version=1"}, "x.example (chat)"),
        ({"model": "m", "base_url": "https://api.deepseek.com"}, "DeepSeek"),
        ({"model": "m", "provider": "groq"}, "groq"),
        ({"model": "m", "provider": "openai-responses"}, "OpenAI"),
        ({"model": "m", "provider": "ollama"}, "Ollama"),
        ({"model": "m", "provider": "deepseek", "base_url": "https://deepseek.example"}, "deepseek.example (chat)"),
    ],
)  # fmt: skip
def test_label_says_who_answers(fields: Mapping[str, object], label: str) -> None:
    assert row_label(row_of(fields)) == label


def test_row_without_an_address_is_called_by_its_provider() -> None:
    assert row_label(ModelRow("s", "S", "chatgpt", "m")) == "ChatGPT"
    assert provider_name("demo") == "demo"


def route(slug: str, provider: str, model: str, label: str = "") -> Route:
    return Route(slug, slug, provider, model, {}, no_plan, label=label)


LABELS = RouteLabels(
    RouteTable.of(
        [
            route("a", "generic", "m", "the first"),
            route("b", "generic", "m", "the second"),
            route("c", "generic", "other", "the third"),
            route("d", "deepseek", "chat", "one server"),
            route("e", "chatgpt", "gpt"),
        ],
        {"short": "b"},
    )
)


def test_route_without_a_label_is_called_by_its_provider() -> None:
    assert route_label(route("a", "cursor", "m")) == "Cursor"
    assert route_label(route("a", "generic", "m", "mine")) == "mine"


@pytest.mark.parametrize(
    ("slug", "provider", "model", "label"),
    [
        ("b", "generic", "m", "the second"),
        ("short", "generic", "m", "the second"),
        ("b", "generic", "other", "the third"),
        ("e", "chatgpt", "gpt", "ChatGPT"),
        ("gone", "generic", "gone", "generic"),
        ("unknown", "", "", ""),
    ],
)
def test_turn_is_answered_by_its_route_or_by_the_fallback(
    slug: str, provider: str, model: str, label: str
) -> None:
    assert LABELS.of_turn(slug, provider, model) == label


def test_provider_with_several_upstreams_keeps_its_name() -> None:
    assert LABELS.of_provider("generic") == "generic"
    assert LABELS.of_provider("deepseek") == "one server"
    assert LABELS.of_provider("cursor") == "Cursor"
