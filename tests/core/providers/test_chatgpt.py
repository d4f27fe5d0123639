"""The request that the ChatGPT backend gets."""

from __future__ import annotations

import pytest
import zstandard

from addons.core.codex.login import Login
from addons.core.headers import Headers
from addons.core.providers.chatgpt import parse_base_url
from addons.core.secrets import Secret
from addons.core.turn import ClientRequest
from tests.core.providers.chatgpt_turns import (
    BODY,
    CODEX,
    FROM_FILE,
    ORIGIN,
    OWN,
    SDK,
    Logins,
    answer,
    plan_of,
    request,
    sent,
    sent_request,
)


def test_turn_goes_to_the_backend_unchanged() -> None:
    turn = request(method="POST")
    out = sent_request(plan_of(turn).start())
    assert (out.origin, out.method, out.path) == (ORIGIN, "POST", "/backend-api/codex/responses")
    assert out.body is turn.body
    assert out.headers == (*CODEX, (b"accept-encoding", b"identity"))
    assert sent(out.secrets) == FROM_FILE
    assert all(secret.bound_to == ORIGIN for secret in out.secrets)


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/v1/responses", "/backend-api/codex/responses"),
        (
            "/v1/responses?key=k&client_version=0.169.0",
            "/backend-api/codex/responses?client_version=0.169.0",
        ),
        ("/v1/responses/compact", "/backend-api/codex/responses/compact"),
        ("/responses", "/backend-api/codex/responses"),
        ("/responses/compact?x", "/backend-api/codex/responses/compact"),
    ],
)
def test_path_is_appended_to_the_base(path: str, upstream: str) -> None:
    assert sent_request(plan_of(request(path=path)).start()).path == upstream


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/v1/responses/", "/v1/responses/../x", "//v1/responses", "/v1/responses/x", ""],
)
@pytest.mark.parametrize("headers", [CODEX, SDK])
def test_other_paths_are_not_forwarded(path: str, headers: Headers) -> None:
    status, code, message = answer(plan_of(request(headers, path=path)).start())
    is_turn_of_codex = headers is CODEX and path.startswith("/v1/responses")
    assert (status, code) == (
        (200, "invalid_prompt") if is_turn_of_codex else (404, "unknown_path")
    )
    assert "base_url" in message


def test_redaction_labels_are_not_forwarded() -> None:
    labels = ((b"Authorization", b"[label]"), (b"ChatGPT-Account-ID", b"[label]"))
    out = sent_request(plan_of(request(CODEX + labels, credentials=OWN)).start())
    assert out.headers == (*CODEX, (b"accept-encoding", b"identity"))


def test_login_without_account_sends_no_account() -> None:
    out = sent_request(plan_of(request(), Logins(Login(Secret("t")))).start())
    assert sent(out.secrets) == {b"authorization": b"Bearer t"}


@pytest.mark.parametrize("encode", [bytes, zstandard.ZstdCompressor().compress])
def test_alias_changes_only_the_model(encode: object) -> None:
    assert callable(encode)
    body = encode(BODY)
    coded = body is not BODY and body != BODY
    headers = (*CODEX, (b"content-encoding", b"zstd")) if coded else CODEX
    out = sent_request(plan_of(request(headers, body=body), model="gpt-y").start())
    plain = zstandard.ZstdDecompressor().decompress(out.body) if coded else out.body
    assert plain == BODY.replace(b"gpt-x", b"gpt-y")


@pytest.mark.parametrize("body", [BODY, b'{"stream":true,"model":"gpt-x"}'])
def test_encoded_body_is_forwarded_unchanged(body: bytes) -> None:
    turn = request(
        (*CODEX, (b"content-encoding", b"zstd")), body=zstandard.ZstdCompressor().compress(body)
    )
    out = sent_request(plan_of(turn).start())
    assert out.body is turn.body
    assert (b"content-encoding", b"zstd") in out.headers


@pytest.mark.parametrize(("headers", "status"), [(CODEX, 200), (SDK, 400)])
def test_body_whose_model_cannot_be_replaced_is_rejected(headers: Headers, status: int) -> None:
    found = answer(plan_of(request(headers, body=b"{"), model="other").start())
    assert found[:2] == (status, "invalid_prompt")


@pytest.mark.parametrize(("headers", "status"), [(CODEX, 200), (SDK, 400)])
def test_header_with_a_control_character_is_rejected_by_name(headers: Headers, status: int) -> None:
    found = answer(plan_of(request((*headers, (b"x-stainless-odd", b"a\x00b")))).start())
    assert found[:2] == (status, "invalid_prompt")
    assert "x-stainless-odd" in found[2]


def test_other_base_changes_the_path_and_binds_the_login() -> None:
    base = parse_base_url("http://127.0.0.1:9/codex")
    out = sent_request(plan_of(request(), base=base).start())
    assert (out.origin, out.path) == (base.origin, "/codex/responses")
    assert {secret.bound_to for secret in out.secrets} == {base.origin}


def test_body_that_keeps_its_model_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*_: object) -> None:
        pytest.fail("the body was looked into")

    monkeypatch.setattr("addons.core.providers.chatgpt.replace_model", look)
    turn = ClientRequest(
        "POST", "/v1/responses", CODEX, b'{"input":[],"model":"gpt-x"}', model="gpt-x"
    )
    assert sent_request(plan_of(turn).start()).body is turn.body
