"""What a row's fields become: address, protocol, keys, quirks."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import pytest

from addons.core.credential import Secret
from addons.core.key_places import (
    BEARER,
    X_API_KEY,
    AuthForm,
    CommandKey,
    EnvKey,
    FileKey,
    InlineKey,
    KeySlot,
)
from addons.core.model_row import ModelRow
from addons.core.models_file import parse_models
from addons.core.target import Target
from addons.core.translate.conversation import Dialects

GATEWAY = {"model": "m", "provider": "generic", "base_url": "https://a.example/v1"}


def row_of(fields: Mapping[str, object]) -> ModelRow:
    [row] = parse_models(orjson.dumps([fields]), "models.json").rows
    return row


def target_of(fields: Mapping[str, object]) -> Target:
    target = row_of(fields).target
    assert target
    return target


def places(fields: Mapping[str, object]) -> list[object]:
    return [slot.place for slot in row_of(fields).keys]


@pytest.mark.parametrize(
    ("fields", "url", "dialect"),
    [
        ({"provider": "openai"}, "https://api.openai.com/v1/chat/completions", "chat"),
        ({"provider": "openai-responses"}, "https://api.openai.com/v1/responses", "responses"),
        ({"provider": "anthropic"}, "https://api.anthropic.com/v1/messages", "messages"),
        ({"provider": "Anthropic", "baseUrl": "https://g.example/anthropic"}, "https://g.example/anthropic/v1/messages", "messages"),
        ({"provider": "deepseek"}, "https://api.deepseek.com/v1/chat/completions", "chat"),
        ({"provider": "zai-coding-plan"}, "https://api.z.ai/api/coding/paas/v4/chat/completions", "chat"),
        ({"provider": "gemini"}, "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions", "chat"),
        ({"provider": "ollama"}, "http://127.0.0.1:11434/v1/chat/completions", "chat"),
        ({"provider": "anthropic", "base_url": "http://127.0.0.1:11434"}, "http://127.0.0.1:11434/v1/messages", "messages"),
        ({"provider": "openai", "base_url": "http://127.0.0.1:11434"}, "http://127.0.0.1:11434/v1/chat/completions", "chat"),
        ({"provider": "azure", "base_url": "https://r.openai.azure.com"}, "https://r.openai.azure.com/openai/v1/chat/completions", "chat"),
        ({"provider": "azure", "baseURL": "https://r.openai.azure.com/openai/deployments/d", "apiVersion": "2024-10-21"}, "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21", "chat"),
        ({"provider": "groq", "endpoint_url": "https://x.example/do"}, "https://x.example/do", "chat"),
        ({"provider": "groq", "chatCompletionsUrl": "https://x.example/do"}, "https://x.example/do", "chat"),
        ({"provider": "mine", "base_url": "https://x.example", "baseUrlAppendV1": False}, "https://x.example/chat/completions", "chat"),
        ({"provider": "mine", "base_url": "http://10.1.1.1", "allow_http": True}, "http://10.1.1.1/v1/chat/completions", "chat"),
    ],
)  # fmt: skip
def test_a_row_leads_to_one_address(
    fields: Mapping[str, object], url: str, dialect: Dialects
) -> None:
    target = target_of({"model": "m", **fields})
    assert (f"{target.origin}{target.path}", target.dialect) == (url, dialect)


@pytest.mark.parametrize("field", ["api_key", "apiKey", "bearerToken", "bearer_token"])
def test_a_key_in_the_row_is_a_secret_of_its_provider(field: str) -> None:
    [slot] = row_of({**GATEWAY, field: " sk-1 "}).keys
    assert isinstance(slot.place, InlineKey)
    assert slot.place.secret.matches(Secret("sk-1"))
    assert slot.form == BEARER
    [slot] = row_of({"model": "m", "provider": "anthropic", field: "sk-1"}).keys
    assert slot.form == X_API_KEY


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"api_key_env": "K"}, EnvKey(("K",))),
        ({"apiKeyEnvironment": "K"}, EnvKey(("K",))),
        ({"apiKeyFile": "~/k"}, FileKey("~/k")),
        ({"auth_command": "get", "auth_args": ["a b", "c"]}, CommandKey(("get", "a b", "c"), 300)),
        ({"authCommand": ["get", "x"], "authTtlSeconds": 9}, CommandKey(("get", "x"), 9)),
        ({"api_key_env": "K", "api_key_file": "f", "auth_command": "g"}, EnvKey(("K",))),
        ({"api_key_file": "f", "auth_command": "g"}, FileKey("f")),
        ({"api_key": "", "api_key_env": "K"}, EnvKey(("K",))),
    ],
)
def test_the_first_way_to_a_key_is_taken(fields: Mapping[str, object], place: object) -> None:
    assert places({**GATEWAY, **fields}) == [place]


def test_a_provider_has_its_own_variable() -> None:
    [slot] = row_of({"model": "m", "provider": "deepseek"}).keys
    assert (slot.place, slot.required) == (EnvKey(("DEEPSEEK_API_KEY",)), True)
    assert places(GATEWAY) == []


@pytest.mark.parametrize(
    ("base_url", "sent"),
    [
        ("https://gateway.example/v1", False),
        ("http://127.0.0.1:9/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://api.openai.com/v1", True),
    ],
)
def test_nobody_else_gets_the_key_that_a_variable_holds_for_a_provider(
    base_url: str, sent: bool
) -> None:
    assert bool(places({"model": "m", "provider": "openai", "base_url": base_url})) is sent


def test_headers_that_look_like_keys_are_secrets_and_others_are_not() -> None:
    row = row_of(
        {
            **GATEWAY,
            "extra_headers": {"X-Title": "t", "X-Auth-Token": "hush"},
            "env_http_headers": {"X-Team": "TEAM"},
        }
    )
    assert row.target
    assert row.target.headers == ((b"X-Title", b"t"),)
    token, team = row.keys
    assert token.form == AuthForm(b"x-auth-token")
    assert token.required
    assert token.field == "extra_headers.X-Auth-Token"
    assert team == KeySlot(
        AuthForm(b"x-team"), EnvKey(("TEAM",)), "env_http_headers.X-Team", required=False
    )
    assert row.holds_key
    assert "hush" not in repr(row)


def test_a_header_that_carries_the_key_takes_the_keys_place() -> None:
    fields = {**GATEWAY, "api_key": "a", "extra_headers": {"Authorization": "Basic b"}}
    [slot] = row_of(fields).keys
    assert slot.field == "extra_headers.Authorization"


def test_what_a_row_says_beside_is_in_its_target() -> None:
    row = row_of(
        {
            **GATEWAY,
            "displayName": "Mine",
            "maxContextLimit": 64_000,
            "max_output_tokens": 900,
            "noImageSupport": True,
            "extraBodyParams": {"a": {"b": 1}},
            "fallback": "other",
            "modelVerbosity": "high",
        }
    )
    target = row.target
    assert target
    assert (row.display_name, row.fallback, row.default_verbosity) == ("Mine", ("other",), "high")
    assert (target.context_tokens, target.max_output_tokens, target.images) == (64_000, 900, False)
    assert target.extra_body == {"a": {"b": 1}}
    assert target.profile.verbosity


def test_a_row_can_be_switched_off() -> None:
    row = row_of({**GATEWAY, "enabled": False})
    assert row.target
    assert '"enabled"' in row.hidden_because


@pytest.mark.parametrize(
    ("thinking", "style"),
    [
        (None, "thinking_switch"),
        (True, "thinking_switch"),
        ("enabled", "thinking_switch"),
        (False, "none"),
        ("disabled", "none"),
        ("off", "none"),
        ("reasoning_effort", "reasoning_effort"),
    ],
)
def test_thinking_can_be_switched_off_or_asked_for_otherwise(thinking: object, style: str) -> None:
    fields = {"model": "m", "provider": "deepseek", "thinking_behavior": thinking}
    assert target_of(fields).profile.effort_style == style


def test_a_gateway_that_is_a_provider_by_its_host_has_its_habits() -> None:
    target = target_of({"model": "m", "provider": "x", "base_url": "https://api.deepseek.com"})
    assert target.profile.name == "deepseek"
