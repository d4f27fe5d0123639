"""The target and keys of a row: address, protocol, key references, profile."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import pytest

from addons.core.secrets import Secret
from addons.core.settings.key_refs import (
    CommandKey,
    EnvKey,
    FileKey,
    InlineKey,
    SecretHeaderSpec,
)
from addons.core.settings.models_file import parse_models
from addons.core.settings.row import ModelRow
from addons.core.settings.row_resolver import resolve_row
from addons.core.settings.row_schema import FieldProblem, RowFields, read_row
from addons.core.settings.upstream_url import EndpointRules
from addons.core.upstream.api_keys import API_KEY, BEARER, X_API_KEY, AuthScheme
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target

GATEWAY = {"model": "m", "provider": "generic", "base_url": "https://a.example/v1"}


def row_of(fields: Mapping[str, object]) -> ModelRow:
    [row] = parse_models(orjson.dumps([fields]), "models.json").rows
    return row


def target_of(fields: Mapping[str, object]) -> Target:
    target = row_of(fields).target
    assert target
    return target


def keys_of(fields: Mapping[str, object]) -> list[object]:
    return [header.key for header in row_of(fields).keys]


@pytest.mark.parametrize(
    ("fields", "url", "protocol"),
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
def test_row_gives_one_endpoint(fields: Mapping[str, object], url: str, protocol: Protocol) -> None:
    target = target_of({"model": "m", **fields})
    assert (f"{target.origin}{target.path}", target.protocol) == (url, protocol)


@pytest.mark.parametrize(
    "word",
    ["chatgpt", "Cursor", "cursor-agent", "cursor-agent-cli", "cursor-cli", "cursor-acp", "cursor-agent-grpc"],
)  # fmt: skip
def test_login_provider_needs_no_row(word: str) -> None:
    row = row_of({**GATEWAY, "provider": word})
    assert row.target is None
    assert "models need no row: they come from your login" in row.unavailable_reason


@pytest.mark.parametrize("field", ["api_key", "apiKey", "bearerToken", "bearer_token"])
def test_inline_key_is_a_secret_with_the_auth_scheme_of_its_provider(field: str) -> None:
    [header] = row_of({**GATEWAY, field: " sk-1 "}).keys
    assert isinstance(header.key, InlineKey)
    assert header.key.secret.matches(Secret("sk-1"))
    assert header.scheme == BEARER
    [header] = row_of({"model": "m", "provider": "anthropic", field: "sk-1"}).keys
    assert header.scheme == X_API_KEY


@pytest.mark.parametrize(
    ("fields", "key"),
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
def test_first_named_key_is_taken(fields: Mapping[str, object], key: object) -> None:
    assert keys_of({**GATEWAY, **fields}) == [key]


def test_provider_variable_is_the_default_key() -> None:
    [header] = row_of({"model": "m", "provider": "deepseek"}).keys
    assert (header.key, header.required) == (EnvKey(("DEEPSEEK_API_KEY",)), True)
    assert keys_of(GATEWAY) == []


@pytest.mark.parametrize(
    ("base_url", "sent"),
    [
        ("https://gateway.example/v1", False),
        ("http://127.0.0.1:9/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://api.openai.com/v1", True),
    ],
)
def test_provider_variable_is_sent_only_to_the_provider(base_url: str, sent: bool) -> None:
    assert bool(keys_of({"model": "m", "provider": "openai", "base_url": base_url})) is sent


def test_headers_that_look_like_keys_are_secrets() -> None:
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
    assert token.scheme == AuthScheme(b"x-auth-token")
    assert token.required
    assert token.field == "extra_headers.X-Auth-Token"
    assert team == SecretHeaderSpec(
        AuthScheme(b"x-team"), EnvKey(("TEAM",)), "env_http_headers.X-Team", required=False
    )
    assert row.holds_key
    assert "hush" not in repr(row)


def test_extra_auth_header_replaces_the_key() -> None:
    fields = {**GATEWAY, "api_key": "a", "extra_headers": {"Authorization": "Basic b"}}
    [header] = row_of(fields).keys
    assert header.field == "extra_headers.Authorization"


def test_other_fields_are_in_the_target() -> None:
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


def test_row_can_be_disabled() -> None:
    row = row_of({**GATEWAY, "enabled": False})
    assert row.target
    assert '"enabled"' in row.unavailable_reason


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
def test_thinking_sets_the_effort_style(thinking: object, style: str) -> None:
    fields = {"model": "m", "provider": "deepseek", "thinking_behavior": thinking}
    assert target_of(fields).profile.effort_style == style


def test_unknown_word_gets_the_profile_of_its_host() -> None:
    target = target_of({"model": "m", "provider": "x", "base_url": "https://api.deepseek.com"})
    assert target.profile.name == "deepseek"


def test_fields_of_the_provider_stand_below_those_of_the_row() -> None:
    row = {"model": "claude-sonnet-5", "provider": "vertex", "base_url": "https://a.example/v1/x"}
    own = {"anthropic_version": "vertex-2023-10-16", "model": None}
    assert dict(target_of(row).extra_body) == own
    more = {"anthropic_version": "vertex-next", "metadata": {"user_id": "u"}}
    assert dict(target_of({**row, "extra_body_params": more}).extra_body) == {**own, **more}


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("claude-sonnet-4@20250514", "claude-sonnet-4@20250514"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("../../x", "..%2F..%2Fx"),
    ],
)
def test_model_in_a_path_is_one_segment(model: str, sent: str) -> None:
    row = {"model": model, "slug": "s", "provider": "vertex", "base_url": "https://a.example/v1/x"}
    path = f"/v1/x/publishers/anthropic/models/{sent}:streamRawPredict"
    assert target_of(row).path == path


@pytest.mark.parametrize(
    ("base_url", "sent"),
    [
        ("https://bedrock-runtime.us-west-2.amazonaws.com", True),
        ("https://bedrock-mantle.us-east-2.api.aws/v1", True),
        ("https://bedrock-runtime.evil.s3.amazonaws.com", False),
        ("https://gateway.example/v1", False),
    ],
)
def test_key_of_a_cloud_is_sent_only_to_its_own_service(base_url: str, *, sent: bool) -> None:
    row = {"model": "m", "provider": "bedrock", "base_url": base_url}
    assert bool(keys_of(row)) is sent


def test_token_of_a_command_goes_to_azure_as_a_bearer_token() -> None:
    url = "https://r.openai.azure.com/openai/v1"
    row = row_of({"model": "gpt-4.1", "provider": "generic", "base_url": url, "auth_command": "az"})
    assert [key.scheme for key in row.keys] == [BEARER]
    assert row.target
    assert (row.target.path, row.target.profile.name) == ("/openai/v1/chat/completions", "openai")


def test_gateway_of_mixed_protocols_gets_the_protocol_of_the_model() -> None:
    found = [
        target_of({"model": model, "provider": "opencode-zen"}).path
        for model in ("claude-opus-4-8", "gpt-5.5", "glm-5")
    ]
    assert found == ["/zen/v1/messages", "/zen/v1/responses", "/zen/v1/chat/completions"]


@pytest.mark.parametrize(
    ("provider", "base_url", "path", "protocol"),
    [
        ("minimax", "https://api.minimax.io/anthropic", "/anthropic/v1/messages", Protocol.MESSAGES),
        ("zai", "https://api.z.ai/api/anthropic/", "/api/anthropic/v1/messages", Protocol.MESSAGES),
        ("kimi", "https://api.moonshot.ai/anthropic/v1", "/anthropic/v1/messages", Protocol.MESSAGES),
        ("foundry", "https://r.services.ai.azure.com/anthropic", "/anthropic/v1/messages", Protocol.MESSAGES),
        ("generic", "https://g.example/v1/messages", "/v1/messages", Protocol.MESSAGES),
        ("generic", "https://g.example/v1/responses", "/v1/responses", Protocol.RESPONSES),
        ("generic", "https://g.example/my-anthropic", "/my-anthropic/v1/chat/completions", Protocol.CHAT),
        ("anthropic", "https://g.example/v1/responses", "/v1/responses/messages", Protocol.MESSAGES),
    ],
)  # fmt: skip
def test_end_of_an_address_names_the_protocol_of_a_chat_provider(
    provider: str, base_url: str, path: str, protocol: Protocol
) -> None:
    target = target_of({"model": "m", "provider": provider, "base_url": base_url})
    assert (target.path, target.protocol) == (path, protocol)


def test_key_stays_in_the_providers_header_at_an_address_of_another_protocol() -> None:
    schemes = [
        row_of({"model": "m", "provider": provider, "base_url": base_url, "api_key": "k" * 9}).keys[0].scheme
        for provider, base_url in (
            ("minimax", "https://api.minimax.io/anthropic"),
            ("foundry", "https://r.services.ai.azure.com/anthropic"),
        )
    ]  # fmt: skip
    assert schemes == [BEARER, API_KEY]


def test_endpoint_url_names_its_protocol() -> None:
    row = {"model": "m", "provider": "my-gateway", "endpoint_url": "https://g.example/v1/messages"}
    assert target_of(row).protocol is Protocol.MESSAGES


@pytest.mark.parametrize(
    ("fields", "trait", "field"),
    [
        ({"no_image_support": False}, "images", "no_image_support"),
        ({"noImageSupport": True}, "images", "no_image_support"),
        ({"vision": "eyes", "no_image_support": True}, "images", "vision"),
        ({"extra_body_params": {"reasoning_effort": "high"}}, "effort_style", "extra_body_params.reasoning_effort"),
        ({"extra_body_params": {"thinking": {"type": "disabled"}}}, "efforts", "extra_body_params.thinking"),
        ({"extra_body_params": {"max_tokens": 9000}}, "max_output_tokens", "extra_body_params.max_tokens"),
        ({"extra_body_params": {"max_tokens": None}}, "max_output_tokens", ""),
        ({"thinking": "off", "extra_body_params": {"reasoning": {}}}, "effort_style", "thinking"),
        ({}, "images", ""),
    ],
)  # fmt: skip
def test_setting_that_the_user_wrote_decides_its_trait(
    fields: dict[str, object], trait: str, field: str
) -> None:
    row = {"model": "m", "provider": "groq", **fields}
    assert target_of(row).row_fields.get(trait, "") == field


def test_row_whose_pictures_are_described_takes_none() -> None:
    row = row_of({"model": "m", "provider": "groq", "vision": "eyes"})
    assert row.target
    assert (row.vision, row.target.images) == ("eyes", False)
    fields = read_row({"model": "m", "provider": "groq", "vision": "eyes", "noImageSupport": False})
    assert isinstance(fields, RowFields)
    wrong = resolve_row(fields, "m", EndpointRules())
    assert isinstance(wrong, FieldProblem)
    assert wrong.field == "vision"
    assert '"no_image_support": false' in wrong.reason
