from __future__ import annotations

import pytest

from addons.core.settings.row_schema import FieldProblem, RowFields, read_row, unknown_fields


@pytest.mark.parametrize(
    ("field", "spellings", "value"),
    [
        ("base_url", ["base_url", "baseUrl", "baseURL"], "https://a.example"),
        ("endpoint_url", ["endpoint_url", "endpointUrl", "endpointURL", "chat_completions_url", "chatCompletionsUrl"], "u"),
        ("base_url_append_v1", ["base_url_append_v1", "baseUrlAppendV1"], False),
        ("api_key_env", ["api_key_env", "apiKeyEnv", "apiKeyEnvironment"], "K"),
        ("api_key_file", ["api_key_file", "apiKeyFile"], "f"),
        ("auth_command", ["auth_command", "authCommand"], ("a",)),
        ("auth_args", ["auth_args", "authArgs"], ("a",)),
        ("extra_headers", ["extra_headers", "extraHeaders"], {"a": "b"}),
        ("env_http_headers", ["env_http_headers", "envHttpHeaders"], {"a": "B"}),
        ("extra_body_params", ["extra_body_params", "extraBodyParams", "extra_body", "extraBody"], {"a": 1}),
        ("display_name", ["display_name", "displayName", "name"], "N"),
        ("slug", ["slug", "id"], "s"),
        ("max_context_limit", ["max_context_limit", "maxContextLimit", "context_window"], 2048),
        ("max_output_tokens", ["max_output_tokens", "maxOutputTokens"], 9),
        ("no_image_support", ["no_image_support", "noImageSupport"], True),
        ("vision", ["vision"], "eyes"),
        ("model_verbosity", ["model_verbosity", "modelVerbosity"], "low"),
        ("thinking", ["thinking", "thinking_behavior", "thinkingBehavior", "thinkingMode"], "on"),
        ("allow_http", ["allow_http", "allowHttp"], True),
    ],
)  # fmt: skip
def test_every_spelling_is_read(field: str, spellings: list[str], value: object) -> None:
    for spelling in spellings:
        fields = read_row({"model": "m", spelling: value})
        assert isinstance(fields, RowFields), spelling
        assert getattr(fields, field) == value, spelling
        assert unknown_fields(fields) == ()


def test_missing_model_is_reported() -> None:
    assert read_row({}) == (FieldProblem("model", "it is required"),)


def test_key_is_never_shown() -> None:
    fields = read_row({"model": "m", "api_key": "hush", "auth_command": "hush", "x": 1})
    assert "hush" not in repr(fields)
    assert isinstance(fields, RowFields)
    assert unknown_fields(fields) == ("x",)
