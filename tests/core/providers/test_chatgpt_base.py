"""Valid and invalid addresses of the ChatGPT backend."""

from __future__ import annotations

import pytest

from addons.core.providers.chatgpt import BaseUrl, parse_base_url
from addons.core.secrets import Origin
from tests.core.providers.chatgpt_turns import ORIGIN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://chatgpt.com/backend-api/codex", BaseUrl(ORIGIN, "/backend-api/codex")),
        ("https://ChatGPT.com/backend-api/codex/", BaseUrl(ORIGIN, "/backend-api/codex")),
        ("https://proxy.example:8443", BaseUrl(Origin("https", "proxy.example", 8443), "")),
        ("http://127.0.0.1:9/x", BaseUrl(Origin("http", "127.0.0.1", 9), "/x")),
        ("http://localhost/", BaseUrl(Origin("http", "localhost", 80), "")),
        ("http://[::1]:9", BaseUrl(Origin("http", "::1", 9), "")),
    ],
)
def test_base_url_is_an_origin_and_a_path(text: str, expected: BaseUrl) -> None:
    assert parse_base_url(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://chatgpt.com/x", "must be https"),
        ("http://127.0.0.1.evil.example/x", "must be https"),
        ("ftp://chatgpt.com", "not an http or https URL"),
        ("chatgpt.com", "not an http or https URL"),
        ("", "not an http or https URL"),
        ("https://", "names no host"),
        ("https://chatgpt.com:99999", "Port out of range"),
        ("https://[bad/", "CODEX_SHIM_CHATGPT_BASE_URL"),
        ("https://ada:hunter2@chatgpt.com", "user name or password"),
        ("ftp://ada:hunter2@chatgpt.com", "user name or password"),
        ("https://chatgpt.com/x y", "without blanks"),
        ("https://chatgpt.com/x\r\ny", "without blanks"),
        ("https://chatgpt.com/x?y", "after its path"),
        ("https://chatgpt.com/x#y", "after its path"),
        ("https://chatgpt.com//x", "after its path"),
        ("https://chatgpt.com/é", "after its path"),
    ],
)
def test_invalid_base_url_is_rejected_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_base_url(text)
    assert "CODEX_SHIM_CHATGPT_BASE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)
