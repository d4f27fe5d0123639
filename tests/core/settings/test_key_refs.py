from __future__ import annotations

import pytest

from addons.core.secrets import Secret, looks_secret
from addons.core.settings.key_refs import (
    EnvKey,
    InlineKey,
    SecretHeaderSpec,
    is_key,
)
from addons.core.upstream.api_keys import BEARER


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "x-api-key", "X_API_KEY", "api-key", "apikey", "Cookie", "x-auth-token",
        "X-Amz-Security-Token", "client-secret", "key", "access_token", "Ocp-Apim-Subscription-Key", "cf-aig-authorization",
        "sig", "X-Amz-Signature", "X-Amz-Credential", "password", " Key ", "Set-Cookie", "my-apikey-2", "my_api_key_2", "a-key-b",
    ],
)  # fmt: skip
def test_secret_header_name_is_recognized(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "HTTP-Referer",
        "X-Title",
        "anthropic-beta",
        "anthropic-version",
        "api-version",
        "user-agent",
        "keyboard",
        "monkey",
        "signal",
        "cookies",
    ],
)
def test_other_header_name_is_plain(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("text", "fits"),
    [("sk-1", True), ("", False), ("a b", False), ("a\nb", False), ("schlüssel", False)],
)
def test_key_is_visible_ascii(text: str, fits: bool) -> None:
    assert is_key(text) is fits


def test_inline_key_is_recognized() -> None:
    assert SecretHeaderSpec(BEARER, InlineKey(Secret("k")), "api_key").is_inline
    assert not SecretHeaderSpec(BEARER, EnvKey(("K",)), "api_key_env").is_inline
