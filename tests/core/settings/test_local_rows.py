from __future__ import annotations

import orjson
import pytest

from addons.core.settings.local_rows import current_target, server_of, servers_of
from addons.core.settings.models_file import parse_models
from addons.core.settings.row import ModelRow
from addons.core.upstream.local.state import NO_FACTS, LocalFacts


def row(**fields: object) -> ModelRow:
    [found] = parse_models(orjson.dumps([{"model": "m", **fields}]), "models.json").rows
    return found


@pytest.mark.parametrize(
    ("provider", "base_url", "expected"),
    [
        ("ollama", None, "ollama"),
        ("openai-compatible", "http://localhost:11434/v1", "ollama"),
        ("llama.cpp", "http://127.0.0.1:9/v1", "llamacpp"),
        ("lmstudio", "http://[::1]:1234/v1", "lmstudio"),
        ("openai-compatible", "http://127.0.0.1:8080/v1", None),
        ("litellm", None, None),
        ("vllm", "https://gpu.example/v1", None),
        ("ollama-cloud", None, None),
        ("deepseek", None, None),
    ],
)
def test_only_a_known_program_on_this_machine_is_a_local_server(
    provider: str, base_url: str | None, expected: str | None
) -> None:
    found = server_of(row(provider=provider, **({"base_url": base_url} if base_url else {})))
    assert (found and found.kind) == expected


@pytest.mark.parametrize("host", ["192.168.1.5", "localhost.example", "127.0.0.1.example"])
def test_server_of_another_machine_is_not_asked_although_plain_http_is_allowed(host: str) -> None:
    found = row(provider="vllm", base_url=f"http://{host}:8000/v1", allow_http=True)
    assert found.target
    assert server_of(found) is None


def test_rows_of_one_server_are_asked_for_together() -> None:
    rows = [
        row(provider="ollama", model="a"),
        row(provider="ollama", model="b"),
        row(provider="ollama", model="off", enabled=False),
        row(provider="deepseek"),
    ]
    [(server, names)] = servers_of(rows).items()
    assert (server.kind, names) == ("ollama", frozenset({"a", "b"}))


@pytest.mark.parametrize(
    ("stated", "facts", "expected"),
    [
        (None, LocalFacts(context=8192, limit=32768), 8192),
        (None, LocalFacts(context=262144), 262144),
        (None, LocalFacts(limit=32768), 32768),
        (None, NO_FACTS, 128_000),
        (65536, LocalFacts(context=8192), 8192),
        (65536, LocalFacts(context=131072), 65536),
        (65536, LocalFacts(limit=32768), 32768),
    ],
)
def test_context_is_what_the_server_gives_and_at_most_what_the_row_states(
    stated: int | None, facts: LocalFacts, expected: int
) -> None:
    one = row(provider="ollama", **({"max_context_limit": stated} if stated else {}))
    assert one.target
    assert current_target(one, one.target, facts).context_tokens == expected


def test_pictures_are_sent_unless_the_server_says_that_the_model_cannot_see() -> None:
    one, blind = row(provider="ollama"), row(provider="ollama", no_image_support=True)
    assert one.target
    assert blind.target
    targets = [current_target(one, one.target, LocalFacts(images=it)) for it in (None, True, False)]
    assert [target.images for target in targets] == [True, True, False]
    assert targets[0] is one.target
    assert not current_target(blind, blind.target, LocalFacts(images=True)).images
