"""Requests to the ChatGPT backend that are no turns: what is sent, and every answer as JSON."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from addons.core.codex.login import Login, LoginProblem
from addons.core.headers import Headers
from addons.core.protocols.responses.observer import PassThrough
from addons.core.providers.chatgpt import ChatGPTProvider, parse_base_url
from addons.core.providers.chatgpt_endpoints import FORWARDED, plan_endpoint
from addons.core.secrets import Secret
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Relay,
    Send,
    Summarizes,
    Translator,
)
from tests.core.providers.chatgpt_turns import (
    CODEX,
    FILE,
    FROM_FILE,
    NEWER,
    ORIGIN,
    OWN,
    SDK,
    Logins,
    answer,
    no_login,
    request,
    sent,
    sent_request,
)

BODY = b'{"id":"t","model":"gpt-5.5","input":[],"commands":{"search_query":[{"q":"x"}]}}'
METADATA = (b"x-codex-turn-metadata", b'{"thread_id":"thread-1"}')
JSON_HEAD = Head(200, ((b"content-type", b"application/json"), (b"connection", b"close")))
EACH_CLIENT = pytest.mark.parametrize("headers", [CODEX, SDK], ids=["codex", "sdk"])


def search(
    headers: Headers = CODEX, path: str = "/v1/alpha/search", body: bytes = BODY
) -> ClientRequest:
    return request((*headers, METADATA) if headers is CODEX else headers, path=path, body=body)


def plan_of(asked: ClientRequest, logins: Logins | None = None, base: str = "") -> Plan:
    provider = ChatGPTProvider(logins or Logins())
    return plan_endpoint(replace(provider, base=parse_base_url(base)) if base else provider, asked)


def translator_of(head: Head) -> Translator:
    plan = plan_of(search())
    plan.start()
    step = plan.on_head(head)
    assert isinstance(step, Relay)
    return step.translator


# The request ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FORWARDED)
@EACH_CLIENT
def test_request_goes_to_the_backend_unchanged(path: str, headers: Headers) -> None:
    asked = search(headers, f"/v1{path}")
    out = sent_request(plan_of(asked).start())
    assert (out.origin, out.method) == (ORIGIN, "POST")
    assert out.path == f"/backend-api/codex{path}"
    assert out.body is asked.body
    assert out.headers == (*asked.headers, (b"accept-encoding", b"identity"))
    assert sent(out.secrets) == FROM_FILE
    assert all(secret.bound_to == ORIGIN for secret in out.secrets)


@pytest.mark.parametrize("path", ["/alpha/search", "/v1/alpha/search?key=k&x=1"])
def test_base_url_is_followed_and_unknown_parameters_are_not(path: str) -> None:
    out = sent_request(plan_of(search(path=path), base="http://127.0.0.1:9/b").start())
    assert (str(out.origin), out.path) == ("http://127.0.0.1:9", "/b/alpha/search")


@pytest.mark.parametrize(
    "path",
    ["/v1/alpha/search/", "/v1/alpha/../responses", "/v1/responses", "/v1/images", "/v1/models"],
)
def test_other_paths_are_not_forwarded(path: str) -> None:
    assert answer(plan_of(search(path=path)).start())[:2] in {
        (404, "unknown_path"),
        (200, "invalid_prompt"),
    }


def test_credentials_of_the_client_are_not_forwarded() -> None:
    labels = ((b"Authorization", b"[label]"), (b"Cookie", b"[label]"))
    asked = request((*CODEX, *labels), path="/v1/alpha/search", credentials=OWN)
    out = sent_request(plan_of(asked).start())
    assert out.headers == (*CODEX, (b"accept-encoding", b"identity"))
    assert sent(out.secrets) == FROM_FILE


@pytest.mark.parametrize(
    ("body", "model"),
    [(BODY, "gpt-5.5"), (b'{"prompt":"a cat"}', ""), (b"", ""), (b"\xff", "")],
)
def test_record_names_endpoint_model_and_thread(body: bytes, model: str) -> None:
    asked = search(body=body)
    assert isinstance(plan_of(asked).start(), Send)
    notes = asked.notes
    assert (notes.slug, notes.route, notes.model) == ("alpha/search", "chatgpt", model)
    assert (notes.thread, notes.row) == ("thread-1", "")


# The login ------------------------------------------------------------------------------------------------


@EACH_CLIENT
def test_missing_login_is_a_401_with_the_next_command(headers: Headers) -> None:
    status, code, message = answer(plan_of(search(headers), Logins(no_login())).start())
    assert (status, code) == (401, "login_missing")
    assert "codex login" in message


@pytest.mark.parametrize(
    ("newer", "is_sent_again"),
    [(NEWER, True), (FILE, False), (no_login(), False)],
)
def test_refused_login_is_tried_once_with_a_newer_one(
    newer: Login | LoginProblem, is_sent_again: bool
) -> None:
    logins = Logins(then=newer)
    plan = plan_of(search(), logins)
    plan.start()
    again = plan.on_head(Head(401, JSON_HEAD.headers))
    assert isinstance(again, Send) is is_sent_again
    if isinstance(again, Send):
        assert sent(again.request.secrets)[b"authorization"] == b"Bearer newer-token"
        assert again.request.body is BODY
    assert isinstance(plan.on_head(Head(401, JSON_HEAD.headers)), Relay)
    assert len(logins.rereads) == 1


# The answer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 204, 304, 400, 401, 403, 404, 429, 500, 503])
def test_answer_keeps_its_status_and_headers(status: int) -> None:
    plan = plan_of(search(), Logins(no_login(), FILE) if status == 0 else None)
    plan.start()
    step = plan.on_head(Head(status, (*JSON_HEAD.headers, (b"retry-after", b"3"))))
    assert isinstance(step, Relay)
    assert step.head.status == status
    assert step.head.headers == (
        (b"content-type", b"application/json"),
        (b"retry-after", b"3"),
    )
    assert step.translator.feed(b"abc") == b"abc"
    assert step.translator.finish() == b""


def test_usage_of_an_image_is_recorded() -> None:
    translator = translator_of(JSON_HEAD)
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    translator.feed(orjson.dumps({"data": [{"b64_json": "AAAA"}], "usage": usage}))
    assert isinstance(translator, Summarizes)
    found = translator.summarize().usage
    assert found
    assert (found.input_tokens, found.output_tokens) == (3, 4)


def test_error_of_the_backend_is_recorded() -> None:
    translator = translator_of(Head(429, JSON_HEAD.headers))
    translator.feed(b'{"error":{"code":"usage_limit_reached","message":"m"}}')
    assert isinstance(translator, Summarizes)
    assert translator.summarize().error == "usage_limit_reached"


def test_event_stream_gets_an_event_only_after_a_fault() -> None:
    translator = translator_of(Head(200, ((b"content-type", b"text/event-stream"),)))
    assert (translator.terminal, translator.finish()) == (False, b"")
    failed = translator.fail(Fault(FaultKind.STALL, "300 s", ORIGIN))
    assert failed.startswith(b"event: error\n")
    assert b"upstream_stalled" in failed
    assert b"response.failed" not in failed


def test_body_of_unknown_format_gets_nothing() -> None:
    translator = translator_of(Head(200, ((b"content-type", b"image/png"),)))
    assert type(translator) is PassThrough


@EACH_CLIENT
@pytest.mark.parametrize(("status", "code"), [(200, 502), (403, 403), (503, 503)])
def test_html_page_is_a_json_error(headers: Headers, status: int, code: int) -> None:
    plan = plan_of(search(headers))
    plan.start()
    head = Head(status, ((b"content-type", b"text/html"), (b"cf-ray", b"8f0-FRA")))
    assert isinstance(plan.on_head(head), Collect)
    found = answer(plan.on_body(head, b"<html>Just a moment...</html>"))
    assert found[:2] == (code, "cloudflare_challenge")
    assert "8f0-FRA" in found[2]


@EACH_CLIENT
def test_redirect_is_not_followed(headers: Headers) -> None:
    plan = plan_of(search(headers))
    plan.start()
    status, code, message = answer(
        plan.on_head(Head(302, ((b"location", b"https://evil.example/x"),)))
    )
    assert (status, code) == (502, "upstream_redirect")
    assert "evil.example" in message


@EACH_CLIENT
@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.CONNECT, 502, "upstream_unreachable"),
        (FaultKind.RESET, 502, "upstream_closed"),
        (FaultKind.STALL, 504, "upstream_stalled"),
    ],
)
def test_fault_is_answered_and_nothing_is_sent_again(
    headers: Headers, kind: FaultKind, status: int, code: str
) -> None:
    plan = plan_of(search(headers))
    plan.start()
    step = plan.on_fault(Fault(kind, "detail", ORIGIN))
    assert isinstance(step, Answer)
    found = answer(step)
    assert found[:2] == (status, code)
    assert str(ORIGIN) in found[2]


def test_header_with_a_control_character_is_named() -> None:
    asked = request((*CODEX, (b"x-codex-odd", b"a\x00b")), path="/v1/alpha/search")
    assert answer(plan_of(asked).start())[:2] == (400, "invalid_prompt")


def test_login_without_an_account_sends_none() -> None:
    out = sent_request(plan_of(search(), Logins(Login(Secret("t")))).start())
    assert sent(out.secrets) == {b"authorization": b"Bearer t"}
