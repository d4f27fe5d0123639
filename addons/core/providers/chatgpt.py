"""The ChatGPT route: a turn goes to the account's own backend as Codex wrote it, and comes back as it is.

Never does: translate, follow a redirect, refresh a login, open a file. Invariant: the body that goes upstream is the
object that came in unless an alias renamed the model or it holds reasoning that is known to be another upstream's; every
credential is bound to the one configured origin; and an upstream's status is changed only where there is no answer to
pass on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

from addons.core.credential import Origin, Secret, SecretHeader
from addons.core.errors import Problem, problem_of, told
from addons.core.headers import bad_header, client_headers, upstream_headers
from addons.core.limits import Limits
from addons.core.login import Login, LoginKind, LoginProblem, LoginSource
from addons.core.providers.chatgpt_problems import (
    bad_header_problem,
    html_reply,
    login_problem,
    redirect_problem,
    unknown_path_problem,
)
from addons.core.providers.passthrough import watching
from addons.core.routes import Route
from addons.core.translate.handover import native_body
from addons.core.translate.refused import Refused, SecondTry
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Relay,
    Reply,
    Send,
    Step,
    WireRequest,
)
from addons.core.wire.peek import with_model

DEFAULT_BASE_URL = "https://chatgpt.com/backend-api/codex"
BASE_URL_VARIABLE = "CODEX_SHIM_CHATGPT_BASE_URL"
PATHS = {
    "/v1/responses": "/responses",
    "/v1/responses/compact": "/responses/compact",
    "/responses": "/responses",
    "/responses/compact": "/responses/compact",
}
"""The client's path → what follows the base path."""

Credential = Literal["auth_json", "client"]

PLACEHOLDERS = tuple(
    Secret(f"Bearer {word}")
    for word in ("codex-shim", "dummy", "local", "none", "null", "placeholder", "sk-dummy", "test")
)
"""What users write where a client insists on a key. Never sent anywhere."""

_PATH = re.compile(r"(?:/[A-Za-z0-9._~%-]+)*")


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Where the backend is. `path` begins with a slash and ends without one, or is empty."""

    origin: Origin
    path: str


def parse_base_url(text: str) -> BaseUrl:
    """Read CODEX_SHIM_CHATGPT_BASE_URL.

    Raises ValueError, in words a user can act on: it must be https or loopback, without user info, query or fragment.
    """
    if re.search(r"[\x00-\x20\x7f]", text) or "@" in text:
        msg = f"{BASE_URL_VARIABLE} must be a plain URL without blanks, user name or password"
        raise ValueError(msg)
    try:
        origin, parts = Origin.of(text), urlsplit(text)
    except ValueError as error:
        msg = f"{BASE_URL_VARIABLE}: {error}"
        raise ValueError(msg) from error
    if origin.scheme != "https" and not origin.is_loopback:
        msg = f"{BASE_URL_VARIABLE} must be https, or http to this machine: your ChatGPT login would travel in clear"
        raise ValueError(msg)
    path = parts.path.rstrip("/")
    if parts.query or parts.fragment or not _PATH.fullmatch(path):
        msg = f"{BASE_URL_VARIABLE} must end after its path, like {DEFAULT_BASE_URL}"
        raise ValueError(msg)
    return BaseUrl(origin, path)


DEFAULT_BASE = parse_base_url(DEFAULT_BASE_URL)
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ChatGPT:
    """The route's settings and its source of logins. `plan` is the `PlanMaker` of its routes."""

    logins: LoginSource
    base: BaseUrl = DEFAULT_BASE
    credential: Credential = "auth_json"
    """Whose credential wins when both are there: the one in auth.json, or the one that the client sent."""
    placeholders: tuple[Secret, ...] = PLACEHOLDERS
    """Whole values of Authorization that are no credential; the local token belongs here as well."""
    limits: Limits = DEFAULT_LIMITS
    refused: Refused = field(default_factory=Refused)
    """Reasoning of other upstreams that the backend did not take."""

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        """Begin the plan of one turn."""
        return ChatGPTPlan(self, request, route.model)

    def client_credential(self, request: ClientRequest) -> tuple[SecretHeader, ...]:
        """The client's own login, as Codex sends it with requires_openai_auth; empty when it sent none.

        An SDK cannot be made without a key, so its bearer alone is a filler or belongs to someone else. Together
        with an account, or from Codex, it is a login.
        """
        bearer = request.credentials.get(b"authorization")
        account = request.credentials.get(b"chatgpt-account-id")
        if bearer is None or any(bearer.matches(filler) for filler in self.placeholders):
            return ()
        if account is None:
            return (self._bound(b"authorization", bearer),) if request.is_codex else ()
        return (
            self._bound(b"authorization", bearer),
            self._bound(b"chatgpt-account-id", account),
        )

    def login_credential(self, login: Login) -> tuple[SecretHeader, ...]:
        """The two headers of a login out of auth.json; one when it names no account."""
        bearer = SecretHeader(b"authorization", login.access_token, self.base.origin, b"Bearer ")
        if login.account_id is None:
            return (bearer,)
        return (bearer, self._bound(b"chatgpt-account-id", login.account_id))

    def _bound(self, name: bytes, secret: Secret) -> SecretHeader:
        return SecretHeader(name, secret, self.base.origin)


class ChatGPTPlan:
    """The decisions of one turn. A refused login, refused reasoning and a lost connection each get one more try."""

    def __init__(self, settings: ChatGPT, request: ClientRequest, model: str) -> None:
        self._settings = settings
        self._request = request
        self._model = model
        self._login: Login | None = None
        self._wire: WireRequest | None = None
        self._may_reread = True
        self._may_reconnect = True
        self._second_try = SecondTry(settings.refused, request, settings.limits.body_bytes)

    def start(self) -> Step:
        """Send the turn, or answer why it cannot be sent."""
        path = self._upstream_path()
        if path is None:
            return self._tell(unknown_path_problem(self._request))
        headers = upstream_headers(self._request.headers)
        bad = bad_header(headers)
        if bad is not None:
            return self._tell(bad_header_problem(bad))
        secrets = self._secrets()
        if isinstance(secrets, LoginProblem):
            return self._tell(login_problem(self._request, secrets))
        body = self._body()
        if isinstance(body, Problem):
            return self._tell(body)
        origin = self._settings.base.origin
        self._wire = WireRequest(origin, self._request.method, path, headers, body, secrets)
        return Send(self._wire)

    def on_head(self, head: Head) -> Step:
        """Relay the answer, unless it is a refusal that a newer login may heal, a redirect or an HTML page."""
        if head.status == HTTPStatus.UNAUTHORIZED:
            again = self._with_newer_login()
            if again is not None:
                return again
        if _is_redirect(head):
            return self._tell(redirect_problem(self._request, head, self._settings.base.origin))
        if _is_html(head) or (self._wire and self._second_try.may_help(head, self._wire)):
            return Collect(self._settings.limits.error_body_bytes)
        return Relay(
            Head(head.status, client_headers(head.headers)),
            watching(head, self._settings.limits.event_bytes),
        )

    def on_body(self, head: Head, body: bytes) -> Step:
        """Say what the HTML page means; send once more what was refused for its reasoning, else pass the refusal on."""
        if not _is_html(head):
            if self._wire and (again := self._second_try.after(body, self._wire)):
                self._wire = again
                return Send(again)
            return Answer(Reply(Head(head.status, client_headers(head.headers)), body))
        return Answer(html_reply(self._request, head, body, self._settings.base.origin))

    def on_fault(self, fault: Fault) -> Step:
        """Send once more when a kept connection ended before it answered: it was idle. Else tell the fault."""
        if fault.reused and fault.kind is FaultKind.RESET and self._wire and self._may_reconnect:
            self._may_reconnect = False
            return Send(self._wire)
        return self._tell(problem_of(fault))

    def _tell(self, problem: Problem) -> Answer:
        return Answer(told(problem, to_codex=self._request.is_codex))

    def _upstream_path(self) -> str | None:
        path, mark, query = self._request.path.partition("?")
        rest = PATHS.get(path)
        return None if rest is None else f"{self._settings.base.path}{rest}{mark}{query}"

    def _body(self) -> bytes | Problem:
        request, cap = self._request, self._settings.limits.body_bytes
        body = native_body(request, request.body, cap, self._settings.refused.of(request))
        # megabytes are not looked into again to learn that nothing is renamed
        if request.model == self._model or isinstance(body, Problem):
            return body
        return with_model(body, request.header(b"content-encoding"), self._model, cap)

    def _secrets(self) -> tuple[SecretHeader, ...] | LoginProblem:
        own = self._settings.client_credential(self._request)
        found = self._settings.logins.current()
        if isinstance(found, Login):
            if own and self._settings.credential == "client":
                return own
            self._login = found
            return self._settings.login_credential(found)
        return own if own and not _forbids(found, own) else found

    def _with_newer_login(self) -> Send | None:
        used, wire = self._login, self._wire
        if used is None or wire is None or not self._may_reread:
            return None
        self._may_reread = False
        newer = self._settings.logins.reread()
        if not isinstance(newer, Login) or newer.same_token(used):
            return None
        self._login = newer
        self._wire = replace(wire, secrets=self._settings.login_credential(newer))
        return Send(self._wire)


def _forbids(problem: LoginProblem, own: tuple[SecretHeader, ...]) -> bool:
    """Whether the client's own credential cannot stand in for auth.json.

    Switched off is off, and where no way leads out nothing goes. And a Codex whose auth.json holds an API key sends that key, without an account.
    """
    return problem.kind in {LoginKind.DISABLED, LoginKind.NO_WAY} or (
        problem.kind is LoginKind.API_KEY_ONLY and len(own) == 1
    )


def _is_redirect(head: Head) -> bool:
    redirects = HTTPStatus.MULTIPLE_CHOICES <= head.status < HTTPStatus.BAD_REQUEST
    return redirects and head.status != HTTPStatus.NOT_MODIFIED


def _is_html(head: Head) -> bool:
    answers = head.status == HTTPStatus.OK or head.status >= HTTPStatus.BAD_REQUEST
    return answers and _media_type(head) == b"text/html"


def _media_type(head: Head) -> bytes:
    return (head.header(b"content-type") or b"").partition(b";")[0].strip().lower()
