from __future__ import annotations

import pytest

from addons.core.credential import Secret
from addons.core.key_places import BEARER, EnvKey, InlineKey, KeySlot, is_key, looks_secret


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "x-api-key", "X_API_KEY", "api-key", "apikey", "Cookie", "x-auth-token",
        "X-Amz-Security-Token", "client-secret", "key", "access_token", "Ocp-Apim-Subscription-Key", "cf-aig-authorization",
        "sig", "X-Amz-Signature", "X-Amz-Credential", "password", " Key ", "Set-Cookie", "my-apikey-2", "my_api_key_2", "a-key-b",
    ],
)  # fmt: skip
def test_a_name_that_stands_for_a_key_is_recognised(name: str) -> None:
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
def test_other_names_are_plain(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("text", "fits"),
    [("sk-1", True), ("", False), ("a b", False), ("a\nb", False), ("schlüssel", False)],
)
def test_a_key_is_visible_ascii(text: str, fits: bool) -> None:
    assert is_key(text) is fits


def test_a_slot_knows_whether_the_file_holds_its_key() -> None:
    assert KeySlot(BEARER, InlineKey(Secret("k")), "api_key").is_inline
    assert not KeySlot(BEARER, EnvKey(("K",)), "api_key_env").is_inline
