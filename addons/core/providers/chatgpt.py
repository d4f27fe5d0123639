"""The ChatGPT route: a turn goes to the account's own backend, and request and answer pass through unchanged.

Never translates, follows a redirect, refreshes a login or opens a file. Invariant: the upstream gets the client's body
as the same object, unless an alias renamed the model, the body holds reasoning of another upstream, or a message between
agents must become readable; every credential is bound to the one configured origin; an upstream's status changes only
where there is no answer to pass on.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

from addons.core.codex.login import Login, LoginMethod, LoginProblem, LoginSource
from addons.core.errors import Problem, error_reply, problem_of
from addons.core.headers import (
    Headers,
    bad_header,
    client_headers,
    upstream_headers,
    upstream_query,
)
from addons.core.limits import Limits
from addons.core.protocols.request_body import replace_model
from addons.core.protocols.responses.foreign_reasoning import (
    ReasoningRetry,
    RejectedReasoning,
    native_body,
)
from addons.core.protocols.responses.handover import in_plain_text
from addons.core.protocols.responses.observer import (
    FIRST_BYTES,
    has_no_body,
    may_have_no_body,
    native_answer,
    native_relay,
)
from addons.core.providers.chatgpt_problems import (
    bad_header_problem,
    changed_login_problem,
    html_reply,
    is_page,
    is_redirect,
    login_problem,
    redirect_problem,
    unknown_path_problem,
)
from addons.core.providers.chatgpt_socket import RefusedUpgrades, TurnTransport, changed
from addons.core.providers.client_login import completes, forbids, headers_with, is_for
from addons.core.providers.row_problems import empty_problem
from addons.core.routes import Route
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.settings.root import Transport
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Reply,
    Send,
    Step,
    UpstreamRequest,
)

DEFAULT_BASE_URL = "https://chatgpt.com/backend-api/codex"
BASE_URL_VARIABLE = "CODEX_SHIM_CHATGPT_BASE_URL"
API_BASE_URL = "https://api.openai.com/v1"
"""Where Codex sends turns when the user has logged in with an API key."""
FEDRAMP_API_BASE_URL = "https://gov.api.openai.com/v1"
"""Where Codex 0.171 sends turns with the API key of a FedRAMP project."""
API_BASE_URL_VARIABLE = "CODEX_SHIM_OPENAI_BASE_URL"
CHATGPT_METHODS = frozenset({LoginMethod.CHATGPT, LoginMethod.ACCESS_TOKEN})
API_METHODS = frozenset({LoginMethod.API_KEY})
PATHS = {
    "/v1/responses": "/responses",
    "/v1/responses/compact": "/responses/compact",
    "/responses": "/responses",
    "/responses/compact": "/responses/compact",
}
"""The client's path → the path after the base path."""

Credential = Literal["auth_json", "client"]

PLACEHOLDERS = tuple(
    Secret(f"Bearer {word}")
    for word in ("codex-shim", "dummy", "local", "none", "null", "placeholder", "sk-dummy", "test")
)
"""Values that users set where a client insists on a key. Never sent anywhere."""

_PATH = re.compile(r"(?:/[A-Za-z0-9._~%-]+)*")


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """The address of the backend. `path` begins with a slash and ends without one, or is empty."""

    origin: Origin
    path: str


def parse_base_url(text: str, variable: str = BASE_URL_VARIABLE) -> BaseUrl:
    """Return the address in an environment variable.

    Raises ValueError with a message for the user unless it is https or loopback, without user info, query and fragment.
    """
    if re.search(r"[\x00-\x20\x7f]", text) or "@" in text:
        msg = f"{variable} must be a plain URL without blanks, user name or password"
        raise ValueError(msg)
    try:
        origin, parts = Origin.of(text), urlsplit(text)
    except ValueError as error:
        msg = f"{variable}: {error}"
        raise ValueError(msg) from error
    if origin.scheme != "https" and not origin.is_loopback:
        msg = f"{variable} must be https, or http to this machine: your login would be sent unencrypted"
        raise ValueError(msg)
    path = parts.path.rstrip("/")
    if parts.query or parts.fragment or not _PATH.fullmatch(path):
        msg = f"{variable} must end after its path, like {DEFAULT_BASE_URL}"
        raise ValueError(msg)
    return BaseUrl(origin, path)


DEFAULT_BASE = parse_base_url(DEFAULT_BASE_URL)
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ChatGPTProvider:
    """The route's settings and its source of logins. `plan` is the `PlanMaker` of its routes."""

    logins: LoginSource
    base: BaseUrl = DEFAULT_BASE
    credential: Credential = "auth_json"
    """The credential to prefer when both exist: the one in auth.json, or the one that the client sent."""
    placeholders: tuple[Secret, ...] = PLACEHOLDERS
    """Values of Authorization that are not credentials. They include the local token."""
    limits: Limits = DEFAULT_LIMITS
    refused: RejectedReasoning = field(default_factory=RejectedReasoning)
    """Reasoning of other upstreams that the backend rejected."""
    methods: frozenset[LoginMethod] = CHATGPT_METHODS
    """The kinds of login that this route sends. An API key never goes to ChatGPT, nor a ChatGPT login to the API."""
    transport: Transport = "auto"
    refused_upgrades: RefusedUpgrades = field(default_factory=lambda: RefusedUpgrades(lambda: 0.0))
    plain_handover: bool = False
    key_base: Callable[[Login], BaseUrl] | None = None
    """Returns the address for an API key as the settings are now; None for `base`."""
    hold: Callable[[Login], float] = lambda _: 0.0
    """Returns after how many seconds a turn looks at a login again, because its account is not known yet; 0 to go on."""

    def base_for(self, login: Login | None) -> BaseUrl:
        """Return the address for this login; None for the client's own."""
        if login and self.key_base and login.method is LoginMethod.API_KEY:
            return self.key_base(login)
        if login is None or login.backend is None:
            return self.base
        return BaseUrl(login.backend, self.base.path)

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        """Begin the plan of one turn."""
        sent = in_plain_text(request, self.limits.body_bytes) if self.plain_handover else request
        return ChatGPTPlan(self, sent, route.model)

    def client_credential(self, request: ClientRequest) -> tuple[SecretHeader, ...]:
        """Return the client's own login, as Codex sends it with requires_openai_auth; empty when it sent none.

        An SDK requires a key, so its bearer alone is a placeholder or belongs to another service. Together with an
        account, or from Codex, it is a login, if it has the form of one for this route's service.
        """
        bearer = request.credentials.get(b"authorization")
        account = request.credentials.get(b"chatgpt-account-id")
        if bearer is None or any(bearer.matches(value) for value in self.placeholders):
            return ()
        is_chatgpt_route = LoginMethod.CHATGPT in self.methods
        if not is_for(bearer, chatgpt=is_chatgpt_route):
            return ()
        if account is None:
            return (self._bound(b"authorization", bearer),) if request.is_codex else ()
        if not is_chatgpt_route:
            return ()
        return (
            self._bound(b"authorization", bearer),
            self._bound(b"chatgpt-account-id", account),
        )

    def login_credential(self, login: Login) -> tuple[SecretHeader, ...]:
        """Return the two headers of a login in auth.json, or one when it has no account."""
        origin = self.base_for(login).origin
        bearer = SecretHeader(b"authorization", login.access_token, origin, b"Bearer ")
        if login.account_id is None:
            return (bearer,)
        return (bearer, SecretHeader(b"chatgpt-account-id", login.account_id, origin))

    def current_login(self) -> Login | LoginProblem:
        """Return the login in auth.json, or a problem when it is none for this route."""
        found = self.logins.current()
        if isinstance(found, Login) and found.method not in self.methods:
            return changed_login_problem(found)
        return found

    def _bound(self, name: bytes, secret: Secret) -> SecretHeader:
        return SecretHeader(name, secret, self.base.origin)


class BackendPlan(ABC):
    """The decisions of one request to the backend: path, login and faults. A refused login is retried once."""

    def __init__(self, provider: ChatGPTProvider, request: ClientRequest) -> None:
        self._provider = provider
        self._request = request
        self._login: Login | None = None
        self._sent: UpstreamRequest | None = None
        self._passed: Headers = ()
        """The client's headers that are sent, without those of a login."""
        self._may_reread_login = True

    def start(self) -> Step:
        """Send the request, or answer with the reason why that is impossible."""
        after_base = self._after_base()
        if after_base is None:
            return self._answer_problem(unknown_path_problem(self._request))
        headers = upstream_headers(self._request.headers)
        bad = bad_header(headers)
        if bad is not None:
            return self._answer_problem(bad_header_problem(bad))
        secrets = self._secrets()
        if isinstance(secrets, LoginProblem):
            return self._answer_problem(login_problem(self._request, secrets))
        self._passed = headers
        headers = headers_with(headers, self._login)
        base, request = self._provider.base_for(self._login), self._request
        sent = UpstreamRequest(
            base.origin, request.method, base.path + after_base, headers, request.body, secrets
        )
        if self._login and (seconds := self._provider.hold(self._login)):
            # before the body is read: this is asked again and again
            return Send(sent, seconds, self.start)
        body = self._body()
        if isinstance(body, Problem):
            return self._answer_problem(body)
        self._sent = sent if body is request.body else replace(sent, body=body)
        return self._first_step(self._sent)

    def _first_step(self, sent: UpstreamRequest) -> Step:
        """Return the step that sends the request."""
        return Send(sent)

    def on_head(self, head: Head) -> Step:
        """Decide about the answer, unless it is a redirect or a refusal that a newer login may fix."""
        if head.status == HTTPStatus.UNAUTHORIZED:
            again = self._with_newer_login()
            if again is not None:
                return again
        if is_redirect(head):
            return self._answer_problem(redirect_problem(self._request, head, self._origin))
        return self._on_answer(head)

    def on_body(self, head: Head, body: bytes) -> Step:
        """Answer with the meaning of an HTML page."""
        if is_page(head):
            return Answer(html_reply(self._request, head, body, self._origin))
        return self._on_answer_body(head, body)

    def on_fault(self, fault: Fault) -> Step:
        """Answer with the fault."""
        return self._answer_problem(problem_of(fault))

    @abstractmethod
    def _path(self, path: str) -> str | None:
        """Return what follows the base path for this path of the client; None if it is not forwarded."""

    @abstractmethod
    def _body(self) -> bytes | Problem:
        """Return the body to send."""

    @abstractmethod
    def _on_answer(self, head: Head) -> Step:
        """Decide about the head of an answer. The body of an HTML page is collected."""

    @abstractmethod
    def _on_answer_body(self, head: Head, body: bytes) -> Step:
        """Decide about the body that `_on_answer` asked for, unless it is an HTML page."""

    @property
    def _origin(self) -> Origin:
        return self._provider.base_for(self._login).origin

    def _answer_problem(self, problem: Problem) -> Answer:
        return Answer(error_reply(problem, to_codex=self._request.expects_stream))

    def _after_base(self) -> str | None:
        """Return what follows the path of the base; None if this path of the client is not forwarded."""
        path, _, query = self._request.path.partition("?")
        if (rest := self._path(path)) is None:
            return None
        query = query and upstream_query(query)
        return f"{rest}{query and '?'}{query}"

    def _secrets(self) -> tuple[SecretHeader, ...] | LoginProblem:
        found, prefers_own = self._provider.current_login(), self._provider.credential == "client"
        if isinstance(found, Login) and not prefers_own and not found.lacks_account:
            self._login = found
            return self._provider.login_credential(found)
        own = self._provider.client_credential(self._request)
        if not isinstance(found, Login):
            return own if own and not forbids(found, own) else found
        if own and (prefers_own or completes(own, found)):
            return own
        self._login = found
        return self._provider.login_credential(found)

    def _with_newer_login(self) -> Send | None:
        used, sent = self._login, self._sent
        if used is None or sent is None or not self._may_reread_login:
            return None
        self._may_reread_login = False
        newer = self._provider.logins.reread()
        is_usable = isinstance(newer, Login) and newer.method in self._provider.methods
        if not isinstance(newer, Login) or not is_usable or newer.same_token(used):
            return None
        self._login, base = newer, self._provider.base_for(newer)
        self._sent = replace(
            sent,
            origin=base.origin,
            path=base.path + (self._after_base() or ""),
            headers=headers_with(self._passed, newer),
            secrets=self._provider.login_credential(newer),
        )
        return Send(self._sent)


class ChatGPTPlan(BackendPlan):
    """The decisions of one turn. Refused reasoning is retried once."""

    def __init__(self, provider: ChatGPTProvider, request: ClientRequest, model: str) -> None:
        super().__init__(provider, request)
        self._model = model
        self._reasoning_retry = ReasoningRetry(
            provider.refused, request, provider.limits.body_bytes
        )
        self._transport = TurnTransport(request, provider.transport, provider.refused_upgrades)

    def on_fault(self, fault: Fault) -> Step:
        """Send by HTTP what no WebSocket could be had for. Answer with any other fault."""
        sent = self._sent
        if fault.kind is FaultKind.UPGRADE and sent and sent.frame is not None:
            return self._noted(self._transport.without_socket(sent))
        return super().on_fault(fault)

    def _first_step(self, sent: UpstreamRequest) -> Step:
        return self._noted(self._transport.first_step(sent, self._provider.limits))

    def _noted(self, step: Send | Answer) -> Step:
        self._sent = step.request if isinstance(step, Send) else self._sent
        return step

    def _path(self, path: str) -> str | None:
        return PATHS.get(path)

    def _body(self) -> bytes | Problem:
        request, cap = self._request, self._provider.limits.body_bytes
        body = native_body(request, request.body, cap, self._provider.refused.digests_for(request))
        # a body of megabytes is not parsed again when no alias renamed the model
        if request.model == self._model or isinstance(body, Problem):
            return body
        return replace_model(body, request.header(b"content-encoding"), self._model, cap)

    def _on_answer(self, head: Head) -> Step:
        if has_no_body(head):
            return self._answer_empty(head)
        if may_have_no_body(head, self._request):
            return Collect(FIRST_BYTES)
        if is_page(head) or (self._sent and self._reasoning_retry.may_apply(head, self._sent)):
            return Collect(self._provider.limits.error_body_bytes)
        return native_relay(head, self._provider.limits.event_bytes)

    def _on_answer_body(self, head: Head, body: bytes) -> Step:
        if head.status < HTTPStatus.MULTIPLE_CHOICES:
            step = native_answer(head, body, self._provider.limits.event_bytes)
            return step or self._answer_empty(head)
        sent = None if self._transport.is_warm_up else self._sent
        if sent and (again := self._reasoning_retry.request_after(body, sent)):
            self._sent = changed(again)
            return Send(self._sent)
        return Answer(Reply(Head(head.status, client_headers(head.headers)), body))

    def _answer_empty(self, head: Head) -> Answer:
        return self._answer_problem(empty_problem(str(self._origin), head))
