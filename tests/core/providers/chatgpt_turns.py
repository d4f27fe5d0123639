"""Turns of the ChatGPT route for tests of its plan: login, request and result."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from addons.core.codex.login import Login, LoginKind, LoginProblem, LoginSource
from addons.core.headers import Headers
from addons.core.providers.chatgpt import DEFAULT_BASE, BaseUrl, ChatGPTProvider, Credential
from addons.core.routes import Route
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.turn import Answer, ClientRequest, Plan, Send, Step, UpstreamRequest
from tests.fakes.account import fabricated_jwt

ORIGIN = Origin("https", "chatgpt.com", 443)
BODY = b'{"model":"gpt-x","input":[],"stream":true}'
CODEX: Headers = ((b"originator", b"codex_exec"), (b"content-type", b"application/json"))
SDK: Headers = ((b"user-agent", b"openai-python"), (b"content-type", b"application/json"))
FILE = Login(Secret("file-token"), Secret("file-account"))
NEWER = Login(Secret("newer-token"), Secret("file-account"))
OWN_TOKEN = f"Bearer {fabricated_jwt('own-account')}"
OWN = {
    b"authorization": Secret(OWN_TOKEN),
    b"chatgpt-account-id": Secret("own-account"),
}


def no_login(kind: LoginKind = LoginKind.MISSING) -> LoginProblem:
    return LoginProblem(kind, "There is no login. Type `codex login`.")


@dataclass
class Logins:
    """A login source with scripted results."""

    now: Login | LoginProblem = FILE
    then: Login | LoginProblem = FILE
    rereads: list[int] = field(default_factory=list)

    def current(self) -> Login | LoginProblem:
        return self.now

    @property
    def known(self) -> Login | None:
        return None

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
    turn: ClientRequest,
    logins: LoginSource | None = None,
    *,
    base: BaseUrl = DEFAULT_BASE,
    credential: Credential = "auth_json",
    model: str = "gpt-x",
) -> Plan:
    settings = ChatGPTProvider(logins or Logins(), base, credential)
    route = Route("gpt-x", "GPT X", "chatgpt", model, {}, settings.plan)
    return route.make_plan(turn, route)


def sent_request(step: Step) -> UpstreamRequest:
    assert isinstance(step, Send)
    return step.request


def answer(step: Step) -> tuple[int, str, str]:
    """Return status, code and message, from the JSON body or from the failed stream."""
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
