"""What ChatGPT's backend is sent of a turn."""

from __future__ import annotations

import pytest
import zstandard

from addons.core.credential import Secret
from addons.core.headers import Headers
from addons.core.login import Login
from addons.core.providers.chatgpt import parse_base_url
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
    wire,
)


def test_a_turn_goes_to_the_backend_as_codex_wrote_it() -> None:
    asked = request(method="POST")
    out = wire(plan_of(asked).start())
    assert (out.origin, out.method, out.path) == (ORIGIN, "POST", "/backend-api/codex/responses")
    assert out.body is asked.body
    assert out.headers == (*CODEX, (b"accept-encoding", b"identity"))
    assert sent(out.secrets) == FROM_FILE
    assert all(secret.bound_to == ORIGIN for secret in out.secrets)


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/v1/responses", "/backend-api/codex/responses"),
        ("/v1/responses?a=1&b=%2F?", "/backend-api/codex/responses?a=1&b=%2F?"),
        ("/v1/responses/compact", "/backend-api/codex/responses/compact"),
        ("/responses", "/backend-api/codex/responses"),
        ("/responses/compact?x", "/backend-api/codex/responses/compact?x"),
    ],
)
def test_the_path_is_put_under_the_base(path: str, upstream: str) -> None:
    assert wire(plan_of(request(path=path)).start()).path == upstream


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/v1/responses/", "/v1/responses/../x", "//v1/responses", "/v1/responses/x", ""],
)
@pytest.mark.parametrize("headers", [CODEX, SDK])
def test_another_path_never_goes_there(path: str, headers: Headers) -> None:
    status, code, message = answer(plan_of(request(headers, path=path)).start())
    assert (status, code) == (
        (200, "invalid_prompt") if headers is CODEX else (404, "unknown_path")
    )
    assert "base_url" in message


def test_the_labels_of_the_clients_credentials_stay_behind() -> None:
    labels = ((b"Authorization", b"[label]"), (b"ChatGPT-Account-ID", b"[label]"))
    out = wire(plan_of(request(CODEX + labels, credentials=OWN)).start())
    assert out.headers == (*CODEX, (b"accept-encoding", b"identity"))


def test_a_login_without_account_sends_no_account() -> None:
    out = wire(plan_of(request(), Logins(Login(Secret("t")))).start())
    assert sent(out.secrets) == {b"authorization": b"Bearer t"}


@pytest.mark.parametrize("encode", [bytes, zstandard.ZstdCompressor().compress])
def test_an_alias_changes_the_model_and_nothing_else(encode: object) -> None:
    assert callable(encode)
    body = encode(BODY)
    coded = body is not BODY and body != BODY
    headers = (*CODEX, (b"content-encoding", b"zstd")) if coded else CODEX
    out = wire(plan_of(request(headers, body=body), model="gpt-y").start())
    plain = zstandard.ZstdDecompressor().decompress(out.body) if coded else out.body
    assert plain == BODY.replace(b"gpt-x", b"gpt-y")


@pytest.mark.parametrize("body", [BODY, b'{"stream":true,"model":"gpt-x"}'])
def test_an_encoded_body_goes_on_unchanged(body: bytes) -> None:
    asked = request(
        (*CODEX, (b"content-encoding", b"zstd")), body=zstandard.ZstdCompressor().compress(body)
    )
    out = wire(plan_of(asked).start())
    assert out.body is asked.body
    assert (b"content-encoding", b"zstd") in out.headers


@pytest.mark.parametrize(("headers", "status"), [(CODEX, 200), (SDK, 400)])
def test_a_body_that_cannot_be_renamed_is_refused(headers: Headers, status: int) -> None:
    found = answer(plan_of(request(headers, body=b"{"), model="other").start())
    assert found[:2] == (status, "invalid_prompt")


@pytest.mark.parametrize(("headers", "status"), [(CODEX, 200), (SDK, 400)])
def test_a_header_with_a_control_character_is_refused_by_name(
    headers: Headers, status: int
) -> None:
    found = answer(plan_of(request((*headers, (b"x-odd", b"a\x00b")))).start())
    assert found[:2] == (status, "invalid_prompt")
    assert "x-odd" in found[2]


def test_another_base_moves_the_path_and_binds_the_login_to_itself() -> None:
    base = parse_base_url("http://127.0.0.1:9/codex")
    out = wire(plan_of(request(), base=base).start())
    assert (out.origin, out.path) == (base.origin, "/codex/responses")
    assert {secret.bound_to for secret in out.secrets} == {base.origin}


def test_a_body_that_keeps_its_model_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*_: object) -> None:
        pytest.fail("the body was looked into")

    monkeypatch.setattr("addons.core.providers.chatgpt.with_model", look)
    asked = ClientRequest(
        "POST", "/v1/responses", CODEX, b'{"input":[],"model":"gpt-x"}', model="gpt-x"
    )
    assert wire(plan_of(asked).start()).body is asked.body
