"""Credentials of a client are recognised by name or value; what Codex and the SDKs send is none."""

from __future__ import annotations

import pytest

from addons.core.headers import REDACTION_LABEL, TARGET_LABEL, upstream_headers, upstream_query
from addons.core.masking.credentials import (
    REDACTED,
    body_secrets,
    is_credential_value,
    redacted_path,
    redacted_request_headers,
    redacted_response_headers,
    take_credentials,
)
from addons.core.secrets import Secret

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
LISTED = [
    "openai-api-key", "anthropic-api-key", "x-auth-token", "x-litellm-key", "helicone-auth", "x-portkey-api-key",
    "ocp-apim-subscription-key", "Api_Key", "authorization", "cookie", "x-codex-shim-token", "x-api-key",
]  # fmt: skip
UNLISTED = [
    "x-goog-iam-authorization-token", "x-amz-security-token", "x-functions-key", "x-access-key", "accesskey", "x-pat",
    "x-jwt-assertion", "authentication", "x-csrf", "x-shared-secret", "x-user-pwd", "cf-access-client-secret",
    "x-openai-actor-authorization", "x-codex-key", "openai-session-token", "portkey.api.key",
]  # fmt: skip
KEY_VALUES = [
    "sk-abcdefgh12345678", "sk_live_abcdefgh1234", "or-sk-v1-0123456789abcdef", "ghp_abcdefghijklmnopqrst", "AKIAABCDEFGHIJKLMNOP",
    "AIzaSyA1234567890abcdefghijk", JWT, "Bearer anything-at-all", "basic dTpw", "Token abcdefgh",
    "https://user:password@example.com/", "0123456789abcdef0123456789abcdef", "QWxhZGRpbjpvcGVuIHNlc2FtZTEyMzQ=",
    "a=1; password=hunter2hunter2", "prefix sk-abcdefgh12345678 suffix",
]  # fmt: skip
SENT_BY_CODEX_AND_SDKS = {
    "accept": "text/event-stream",
    "anthropic-version": "2023-06-01",
    "idempotency-key": "stainless-node-retry-0f9b6c1e-aaaa-bbbb-cccc-0123456789ab",
    "openai-organization": "org-0123456789abcdefghijklmn",
    "originator": "codex_exec",
    "session_id": "00000000-0000-7000-8000-f4d79073bffa",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "user-agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.169.0)",
    "x-codex-turn-metadata": '{"thread_id":"0af7651916cd43dd8448eb211c80319c","sandbox":"none"}',
    "x-codex-turn-state": "gAAAAABn1234567890abcdefghijklmnopqrstuv",
    "x-codex-window-id": "00000000-0000-7000-8000-f4d79073bffa:0",
    "x-openai-internal-codex-responses-lite": "true",
    "x-stainless-retry-count": "0",
}


@pytest.mark.parametrize("name", [*LISTED, *UNLISTED])
def test_header_is_taken_by_its_name(name: str) -> None:
    taken = take_credentials(((name.encode(), b"v1"),), "/v1/responses")
    assert taken.headers == ((name.encode(), REDACTION_LABEL),)
    (secret,) = taken.credentials.values()
    assert secret.matches(Secret("v1"))
    assert upstream_headers(taken.headers) == ((b"accept-encoding", b"identity"),)


@pytest.mark.parametrize("value", KEY_VALUES)
def test_header_is_taken_by_its_value(value: str) -> None:
    taken = take_credentials(((b"x-nobody-listed-this", value.encode()),), "/")
    assert taken.headers == ((b"x-nobody-listed-this", REDACTION_LABEL),)


@pytest.mark.parametrize("name", ["sk-Row_Inline-9f3aQz", "x_sk-row_inline-9f3aqz"])
def test_key_in_the_place_of_a_name_is_taken(name: str) -> None:
    taken = take_credentials(((name.encode(), b"1"),), "/")
    assert taken.headers == ((TARGET_LABEL.encode(), REDACTION_LABEL),)
    assert any(secret.matches(Secret(name)) for secret in taken.credentials.values())


def test_headers_of_codex_and_the_sdks_stay_and_travel() -> None:
    headers = tuple((k.encode(), v.encode()) for k, v in SENT_BY_CODEX_AND_SDKS.items())
    taken = take_credentials(headers, "/v1/responses")
    assert (taken.headers, taken.credentials) == (headers, {})
    assert upstream_headers(headers)[:-1] == headers


@pytest.mark.parametrize(
    "name",
    ["x-codex-turn-state", "user-agent", "openai-organization", "session_id", "accept-language"],
)
@pytest.mark.parametrize(
    "value",
    [
        "sk-abcdefgh12345678", "Bearer abcdefgh", "codex_exec/0.171.0 sk-abcdefgh12345678", "x; token=abcdefgh1234",
        "https://user:password@example.com/",
    ],
)  # fmt: skip
def test_key_in_a_known_header_is_taken(name: str, value: str) -> None:
    taken = take_credentials(((name.encode(), value.encode()),), "/")
    assert taken.headers == ((name.encode(), REDACTION_LABEL),)


@pytest.mark.parametrize("name", ["x-session", "x-login", "x-pin", "x-pw", "X_Session_Id"])
def test_header_whose_name_stands_for_access_is_taken(name: str) -> None:
    taken = take_credentials(((name.encode(), b"12345"),), "/")
    assert taken.headers == ((name.encode(), REDACTION_LABEL),)


@pytest.mark.parametrize(
    "name", ["x-title", "referer", "x-debug", "sec-fetch-site", "content-length"]
)
def test_other_header_stays_in_the_flow_and_does_not_travel(name: str) -> None:
    headers = ((name.encode(), b"12"),)
    assert take_credentials(headers, "/").headers == headers
    assert upstream_headers(headers) == ((b"accept-encoding", b"identity"),)


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ("/v1/responses?key=abc", f"/v1/responses?key={TARGET_LABEL}"),
        ("/v1/responses?API_key=abc&beta=true", f"/v1/responses?API_key={TARGET_LABEL}&beta=true"),
        ("/?a=%73k-abcdefgh1234", f"/?a={TARGET_LABEL}"),
        ("/?sk-abcdefgh1234", f"/?{TARGET_LABEL}"),
        ("/v1/sk-abcdefgh12345/responses", f"/v1/{TARGET_LABEL}/responses"),
        ("/?a=x;token=y", "/?a=x;token=y"),
        ("/?code=x;token=y", f"/?code={TARGET_LABEL}"),
        ("/?access=1&pw=2&k=3&t=4&x-pin=5&pages=6&top_k=7", f"/?access={TARGET_LABEL}&pw={TARGET_LABEL}&k={TARGET_LABEL}&t={TARGET_LABEL}&x-pin={TARGET_LABEL}&pages=6&top_k={TARGET_LABEL}"),
        ("/v1/x%20sk-abcdefgh12345/responses", f"/v1/{TARGET_LABEL}/responses"),
        ("/?client_version=0.169.0&include=a,b", "/?client_version=0.169.0&include=a,b"),
        ("/api/turns?id=5f2a1c3e&since=7d&key=", "/api/turns?id=5f2a1c3e&since=7d&key="),
        ("/v1/responses?", "/v1/responses?"),
        ("", ""),
    ],
)  # fmt: skip
def test_target_keeps_a_label_in_place_of_a_credential(target: str, left: str) -> None:
    assert take_credentials((), target).target == left


def test_query_for_an_upstream_is_made_of_known_parameters() -> None:
    query = (
        "api-version=2025-04-01-preview&key=k&x=1&beta=true&stream=a b&include=kept-by-codex-shim"
    )
    assert upstream_query(query) == "api-version=2025-04-01-preview&beta=true"


def test_every_value_of_a_repeated_header_is_kept() -> None:
    headers = ((b"Authorization", b"Bearer first1"), (b"authorization", b"Bearer second2"))
    taken = take_credentials(headers, "/").credentials
    assert taken[b"authorization"].matches(Secret("Bearer second2"))
    assert any(secret.matches(Secret("Bearer first1")) for secret in taken.values())


def test_credentials_in_the_fields_of_a_row_are_found() -> None:
    fields = {
        "api_key": "abc",
        "user": "me",
        "nested": [{"x": "sk-abcdefgh12345678"}, 3],
        "n": None,
    }
    found = body_secrets(fields)
    assert [any(secret.matches(Secret(value)) for secret in found) for value in ("abc", "sk-abcdefgh12345678", "me")] == [True, True, False]  # fmt: skip


@pytest.mark.parametrize(
    "segment",
    [
        "responsessk-p-a8Hd2Lq7Zx1Vn5Tb",
        "xgsk_8Hd2Lq7Zx1Vn5Tb",
        "aAIzaSyA8Hd2Lq7Zx1Vn5Tb0kW",
        "x%73k-a8Hd2Lq7Zx1Vn5Tb",
    ],
)
def test_key_inside_a_word_of_the_path_is_taken(segment: str) -> None:
    taken = take_credentials((), f"/v1/{segment}/end")
    assert "8Hd2Lq7Zx1Vn5Tb" not in taken.target
    assert taken.target.endswith("/end")
    assert taken.credentials


@pytest.mark.parametrize(
    "segment",
    [
        "task-list-of-the-user",
        "task-internationalization",
        "disk-202611291234",
        "desk-gpt-5-codex-mini",
        "task-management-v2",
        "chatcmpl-model-2026",
    ],
)
def test_word_with_the_letters_of_a_key_stays(segment: str) -> None:
    assert take_credentials((), f"/v1/{segment}").target == f"/v1/{segment}"


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("2026-11-29.build-17.abc-def.ghi-jkl-mno", False),  # no run of 20 characters
        ("aVeryLongWordWithoutAnyDigitInIt", False),
        ("123456789012345678901234567890", False),
        ("Zq7LkWm38TbYqZq7LkWm38TbYq", True),
        ("Zq7LkWm38TbYqZq7LkWm38TbYq;", False),
        ("build.Zq7LkWm38TbYqZq7LkWm38.17", True),
    ],
)
def test_random_value_has_a_long_run_with_digits_and_letters(value: str, is_one: bool) -> None:
    assert is_credential_value(value) is is_one


def test_secrets_in_headers_and_urls_are_redacted() -> None:
    sent = ((b"accept", b"x"), (b"X-My-Token", b"t0p"))
    assert redacted_request_headers(sent, [b"authorization"]) == [
        ["accept", "x"],
        ["X-My-Token", REDACTED],
        ["authorization", REDACTED],
    ]
    came = ((b"Set-Cookie", b"s3ss"), (b"x-ratelimit-remaining-tokens", b"5"))
    assert redacted_response_headers(came) == [
        ["Set-Cookie", REDACTED],
        ["x-ratelimit-remaining-tokens", "5"],
    ]
    assert redacted_path("/v1/x?api-version=2&key=abc&b") == f"/v1/x?api-version=2&key={REDACTED}&b"
    assert redacted_path("/v1/x") == "/v1/x"
