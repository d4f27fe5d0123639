from __future__ import annotations

from dataclasses import dataclass, field

import orjson
import pytest
import zstandard

from addons.core.credential import Origin, Secret, SecretHeader
from addons.core.headers import Headers
from addons.core.limits import Limits
from addons.core.login import Login, LoginKind, LoginProblem
from addons.core.providers.chatgpt import (
    DEFAULT_BASE,
    PLACEHOLDERS,
    BaseUrl,
    ChatGPT,
    Credential,
    parse_base_url,
)
from addons.core.providers.passthrough import PassThrough
from addons.core.routes import Route
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
    Step,
    WireRequest,
)
from addons.core.wire.responses import Watcher

ORIGIN = Origin("https", "chatgpt.com", 443)
BODY = b'{"model":"gpt-x","input":[],"stream":true}'
CODEX: Headers = ((b"originator", b"codex_exec"), (b"content-type", b"application/json"))
SDK: Headers = ((b"user-agent", b"openai-python"), (b"content-type", b"application/json"))
FILE = Login(Secret("file-token"), Secret("file-account"))
NEWER = Login(Secret("newer-token"), Secret("file-account"))
OWN = {
    b"authorization": Secret("Bearer own-token"),
    b"chatgpt-account-id": Secret("own-account"),
}


def no_login(kind: LoginKind = LoginKind.MISSING) -> LoginProblem:
    return LoginProblem(kind, "There is no login. Type `codex login`.")


@dataclass
class Logins:
    """A login source that says what it is told to say."""

    now: Login | LoginProblem = FILE
    then: Login | LoginProblem = FILE
    rereads: list[int] = field(default_factory=list)

    def current(self) -> Login | LoginProblem:
        return self.now

    def reread(self) -> Login | LoginProblem:
        self.rereads.append(1)
        return self.then


def request(
    headers: Headers = CODEX,
    *,
    path: str = "/v1/responses",
    body: bytes = BODY,
    credentials: dict[bytes, Secret] | None = None,
    method: str = "POST",
) -> ClientRequest:
    return ClientRequest(method, path, headers, body, credentials or {})


def plan_of(
    asked: ClientRequest,
    logins: Logins | None = None,
    *,
    base: BaseUrl = DEFAULT_BASE,
    credential: Credential = "auth_json",
    model: str = "gpt-x",
) -> Plan:
    settings = ChatGPT(logins or Logins(), base, credential)
    route = Route("gpt-x", "GPT X", "chatgpt", model, {}, settings.plan)
    return route.make_plan(asked, route)


def wire(step: Step) -> WireRequest:
    assert isinstance(step, Send)
    return step.wire


def answer(step: Step) -> tuple[int, str, str]:
    """Status, code and message, out of the JSON body or the failed stream."""
    assert isinstance(step, Answer)
    head, body = step.reply.head, step.reply.body
    if head.header(b"content-type") == b"text/event-stream":
        failed = orjson.loads(body.split(b"data: ")[1])["response"]
        assert failed["status"] == "failed"
        return head.status, failed["error"]["code"], failed["error"]["message"]
    error = orjson.loads(body)["error"]
    return head.status, error["code"], error["message"]


def sent(secrets: tuple[SecretHeader, ...]) -> dict[bytes, bytes]:
    return {secret.name: secret.value_for(ORIGIN) for secret in secrets}


FROM_FILE = {b"authorization": b"Bearer file-token", b"chatgpt-account-id": b"file-account"}
FROM_CLIENT = {b"authorization": b"Bearer own-token", b"chatgpt-account-id": b"own-account"}


# --- start -----------------------------------------------------------------------------------------------------------


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


# --- whose credential ------------------------------------------------------------------------------------------------

BEARER_ONLY = {b"authorization": OWN[b"authorization"]}
DUMMY = {b"authorization": PLACEHOLDERS[0], b"chatgpt-account-id": OWN[b"chatgpt-account-id"]}
ACCOUNT_ONLY = {b"chatgpt-account-id": OWN[b"chatgpt-account-id"]}
NO_FILE, EXPIRED = no_login(), no_login(LoginKind.EXPIRED)
API_KEY, OFF = no_login(LoginKind.API_KEY_ONLY), no_login(LoginKind.DISABLED)
ONLY_BEARER = {b"authorization": b"Bearer own-token"}


@pytest.mark.parametrize(
    ("credential", "found", "headers", "own", "expected"),
    [
        ("auth_json", FILE, CODEX, {}, FROM_FILE),
        ("auth_json", FILE, CODEX, OWN, FROM_FILE),
        ("auth_json", NO_FILE, CODEX, OWN, FROM_CLIENT),
        ("auth_json", NO_FILE, SDK, OWN, FROM_CLIENT),
        ("auth_json", EXPIRED, CODEX, OWN, FROM_CLIENT),
        ("auth_json", NO_FILE, CODEX, BEARER_ONLY, ONLY_BEARER),
        ("auth_json", NO_FILE, SDK, BEARER_ONLY, None),
        ("auth_json", NO_FILE, CODEX, DUMMY, None),
        ("auth_json", NO_FILE, CODEX, ACCOUNT_ONLY, None),
        ("auth_json", NO_FILE, CODEX, {}, None),
        ("auth_json", API_KEY, CODEX, BEARER_ONLY, None),
        ("auth_json", API_KEY, CODEX, OWN, FROM_CLIENT),
        ("auth_json", OFF, CODEX, OWN, None),
        ("client", FILE, CODEX, OWN, FROM_CLIENT),
        ("client", FILE, CODEX, BEARER_ONLY, ONLY_BEARER),
        ("client", FILE, CODEX, {}, FROM_FILE),
        ("client", FILE, CODEX, DUMMY, FROM_FILE),
        ("client", FILE, SDK, BEARER_ONLY, FROM_FILE),
        ("client", NO_FILE, CODEX, OWN, FROM_CLIENT),
        ("client", NO_FILE, CODEX, {}, None),
        ("client", OFF, CODEX, OWN, None),
    ],
)
def test_which_credential_travels(
    credential: Credential,
    found: Login | LoginProblem,
    headers: Headers,
    own: dict[bytes, Secret],
    expected: dict[bytes, bytes] | None,
) -> None:
    step = plan_of(request(headers, credentials=own), Logins(found), credential=credential).start()
    assert (sent(step.wire.secrets) if isinstance(step, Send) else None) == expected


def test_the_local_token_is_never_taken_for_a_login() -> None:
    token = Secret("Bearer local-token")
    settings = ChatGPT(Logins(no_login()), placeholders=(*PLACEHOLDERS, token))
    assert settings.client_credential(request(credentials={b"authorization": token})) == ()


@pytest.mark.parametrize("kind", list(LoginKind))
def test_no_login_is_told_in_the_words_of_its_problem(kind: LoginKind) -> None:
    to_codex = answer(plan_of(request(CODEX), Logins(no_login(kind))).start())
    assert to_codex == (200, "invalid_prompt", no_login().message)
    to_sdk = answer(plan_of(request(SDK), Logins(no_login(kind))).start())
    assert to_sdk == (401, f"login_{kind}", no_login().message)


# --- 401 -------------------------------------------------------------------------------------------------------------

REFUSED = Head(401, ((b"content-type", b"application/json"),))


def test_a_refused_token_is_replaced_once_by_a_newer_one() -> None:
    logins = Logins(FILE, NEWER)
    plan = plan_of(request(), logins)
    first = wire(plan.start())
    second = wire(plan.on_head(REFUSED))
    assert sent(second.secrets) == {**FROM_FILE, b"authorization": b"Bearer newer-token"}
    assert (second.path, second.headers, second.body) == (first.path, first.headers, first.body)
    assert isinstance(plan.on_head(REFUSED), Relay)
    assert logins.rereads == [1]


@pytest.mark.parametrize("then", [FILE, no_login(), no_login(LoginKind.EXPIRED)])
def test_a_refusal_without_a_newer_token_is_passed_on(then: Login | LoginProblem) -> None:
    plan = plan_of(request(), Logins(FILE, then))
    plan.start()
    step = plan.on_head(REFUSED)
    assert isinstance(step, Relay)
    assert step.head.status == 401


def test_the_clients_own_refused_token_is_its_own_affair() -> None:
    logins = Logins(no_login(), NEWER)
    plan = plan_of(request(credentials=OWN), logins)
    plan.start()
    assert isinstance(plan.on_head(REFUSED), Relay)
    assert logins.rereads == []


# --- heads -----------------------------------------------------------------------------------------------------------

SSE = (b"content-type", b"text/event-stream; charset=utf-8")
JSON = (b"content-type", b"application/json")


def on_head(head: Head, headers: Headers = CODEX, base: BaseUrl = DEFAULT_BASE) -> Step:
    plan = plan_of(request(headers), base=base)
    plan.start()
    return plan.on_head(head)


@pytest.mark.parametrize(
    ("status", "headers", "translator"),
    [
        (200, (SSE,), Watcher),
        (200, ((b"Content-Type", b"Text/Event-Stream"),), Watcher),
        (200, (SSE, (b"content-encoding", b"identity")), Watcher),
        (200, (SSE, (b"content-encoding", b"gzip")), PassThrough),
        (201, (SSE,), PassThrough),
        (200, (JSON,), PassThrough),
        (200, (), PassThrough),
        (400, (JSON,), PassThrough),
        (403, (SSE,), PassThrough),
        (429, (JSON, (b"retry-after", b"7")), PassThrough),
        (500, (JSON,), PassThrough),
        (503, ((b"content-type", b"text/plain"),), PassThrough),
        (204, ((b"content-type", b"text/html"),), PassThrough),
    ],
)
def test_an_answer_is_relayed_with_its_status_and_headers(
    status: int, headers: Headers, translator: type
) -> None:
    step = on_head(Head(status, headers))
    assert isinstance(step, Relay)
    assert step.head == Head(status, headers)
    assert isinstance(step.translator, translator)


def test_the_limits_headers_reach_the_client_and_the_framing_does_not() -> None:
    kept = (SSE, (b"x-codex-primary-used-percent", b"42"), (b"x-request-id", b"r"))
    framing = ((b"transfer-encoding", b"chunked"), (b"keep-alive", b"1"))
    step = on_head(Head(200, kept + framing))
    assert isinstance(step, Relay)
    assert step.head.headers == kept


def test_a_watched_stream_passes_and_is_closed_by_a_failure() -> None:
    step = on_head(Head(200, (SSE,)))
    assert isinstance(step, Relay)
    event = b'event: response.created\ndata: {"type":"response.created","response":{}}\n\n'
    assert step.translator.feed(event) == event
    assert not step.translator.terminal
    assert b"response.failed" in step.translator.finish()


def test_a_body_that_is_no_stream_passes_and_gets_nothing_added() -> None:
    step = on_head(Head(200, (JSON,)))
    assert isinstance(step, Relay)
    chunk = b'{"output":'
    assert step.translator.feed(chunk) is chunk
    assert not step.translator.terminal
    assert step.translator.finish() == b""
    assert step.translator.fail(Fault(FaultKind.CUT, "cut")) == b""


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
@pytest.mark.parametrize("headers", [CODEX, SDK])
def test_a_redirect_is_never_followed(status: int, headers: Headers) -> None:
    location = (b"location", b"https://evil.example:8443/steal?token=1#x")
    told_status, code, message = answer(on_head(Head(status, (location,)), headers))
    expected = (200, "invalid_prompt") if headers is CODEX else (502, "upstream_redirect")
    assert (told_status, code) == expected
    assert "evil.example" in message
    assert "steal" not in message
    assert f"HTTP {status}" in message
    assert "codex-shim doctor" in message


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ((b"location", b"/elsewhere"), "to chatgpt.com."),
        ((b"x", b"y"), "to chatgpt.com."),
        ((b"location", b"https://[bad/"), "an unreadable address"),
        ((b"location", b"https://a\x1b[2J.example/"), "an unreadable address"),
        ((b"location", b"https://user:secret@host.example/"), "to host.example."),
    ],
)
def test_a_redirects_target_is_named_by_its_host_alone(
    location: tuple[bytes, bytes], named: str
) -> None:
    message = answer(on_head(Head(302, (location,))))[2]
    assert named in message
    assert "secret" not in message


# --- HTML ------------------------------------------------------------------------------------------------------------

HTML = (b"content-type", b"text/html; charset=UTF-8")
RAY = (b"cf-ray", b"8a1b2c3d4e5f-FRA")


@pytest.mark.parametrize(
    ("status", "headers", "body", "code"),
    [
        (403, (HTML, RAY), b"", "cloudflare_challenge"),
        (403, (HTML, (b"CF-Mitigated", b"challenge")), b"", "cloudflare_challenge"),
        (503, (HTML,), b"<title>Just a moment...</title>", "cloudflare_challenge"),
        (520, (HTML,), b"<h1>CloudFlare</h1>", "cloudflare_challenge"),
        (502, (HTML,), b"<h1>Bad gateway</h1>", "upstream_html"),
        (401, (HTML,), b"", "upstream_html"),
        (400, (HTML,), b"", "upstream_html"),
    ],
)
@pytest.mark.parametrize("client", [CODEX, SDK])
def test_an_html_error_becomes_json_with_the_same_status(
    status: int, headers: Headers, body: bytes, code: str, client: Headers
) -> None:
    plan = plan_of(request(client))
    plan.start()
    head = Head(status, (*headers, (b"retry-after", b"30"), (b"set-cookie", b"x")))
    assert plan.on_head(head) == Collect(Limits().error_body_bytes)
    step = plan.on_body(head, body)
    found = answer(step)
    assert found[:2] == (status, code)
    assert f"HTTP {status}" in found[2]
    assert "https://chatgpt.com in a browser" in found[2]
    assert isinstance(step, Answer)
    reply = step.reply.head
    assert reply.header(b"content-type") == b"application/json"
    assert reply.header(b"retry-after") == b"30"
    assert reply.header(b"set-cookie") is None
    if RAY in headers:
        assert reply.header(b"cf-ray") == RAY[1]
        assert RAY[1].decode() in found[2]


@pytest.mark.parametrize(("client", "status"), [(CODEX, 200), (SDK, 502)])
def test_an_html_page_in_the_place_of_an_answer_is_a_failure(client: Headers, status: int) -> None:
    plan = plan_of(request(client))
    plan.start()
    head = Head(200, (HTML,))
    assert isinstance(plan.on_head(head), Collect)
    assert answer(plan.on_body(head, b"<html>"))[:2] == (status, "upstream_html")


def test_an_odd_ray_or_retry_after_is_not_repeated() -> None:
    plan = plan_of(request())
    plan.start()
    head = Head(403, (HTML, (b"cf-ray", b"a\x1b[2Jb"), (b"retry-after", b"1\x00")))
    step = plan.on_body(head, b"")
    assert isinstance(step, Answer)
    assert step.reply.head.header(b"cf-ray") is None
    assert step.reply.head.header(b"retry-after") is None
    assert "cf-ray not given" in answer(step)[2]


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("client", [CODEX, SDK])
def test_a_fault_is_told(kind: FaultKind, client: Headers) -> None:
    plan = plan_of(request(client))
    plan.start()
    status, _, message = answer(plan.on_fault(Fault(kind, "the detail", ORIGIN)))
    assert status == 200 if client is CODEX else status >= 500
    assert message


def test_a_lost_connection_is_tried_once_more_with_the_same_request() -> None:
    plan = plan_of(request())
    first = wire(plan.start())
    reset = Fault(FaultKind.RESET, "closed", ORIGIN, reused=True)
    assert wire(plan.on_fault(reset)) is first
    status, code, message = answer(plan.on_fault(reset))
    assert (status, code) == (200, "upstream_closed")
    assert "https://chatgpt.com" in message


def test_a_lost_connection_after_a_newer_login_keeps_the_newer_login() -> None:
    plan = plan_of(request(), Logins(FILE, NEWER))
    plan.start()
    second = wire(plan.on_head(REFUSED))
    assert wire(plan.on_fault(Fault(FaultKind.RESET, "closed", ORIGIN, reused=True))) is second


# --- the base URL ----------------------------------------------------------------------------------------------------


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
def test_a_base_url_is_an_origin_and_a_path(text: str, expected: BaseUrl) -> None:
    assert parse_base_url(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
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
def test_a_bad_base_url_is_refused_in_clear_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_base_url(text)
    assert "CODEX_SHIM_CHATGPT_BASE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)


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


def test_304_is_an_answer_and_no_redirect() -> None:
    step = on_head(Head(304, ((b"etag", b'"a"'),)))
    assert isinstance(step, Relay)
    assert step.head == Head(304, ((b"etag", b'"a"'),))
