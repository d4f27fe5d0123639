"""A row of models.json whose upstream speaks Responses itself: the turn goes through as the client wrote it.

Never does: translate, follow a redirect, send a credential of the client's. Invariant: the body that goes upstream is
the object that came in unless the row renames the model or adds to it, or it holds reasoning that is known to be another
upstream's; a refused key is never told to Codex as its own login; other clients get the upstream's answer as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import orjson

from addons.core.errors import Problem, told
from addons.core.headers import (
    HOP_BY_HOP,
    Headers,
    bad_header,
    canonical,
    client_headers,
    upstream_headers,
)
from addons.core.keys import KeyProblem, KeySource
from addons.core.limits import Limits
from addons.core.providers.byok_problems import (
    bad_header_problem,
    fault_problem,
    key_problem,
    redirect_problem,
)
from addons.core.providers.passthrough import watching
from addons.core.providers.tries import Tries
from addons.core.routes import Route
from addons.core.target import Target
from addons.core.translate.handover import native_body
from addons.core.translate.refused import Refused, SecondTry
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    Head,
    Plan,
    Relay,
    Reply,
    Send,
    Step,
    WireRequest,
)
from addons.core.upstream_errors import retry_after_of, upstream_problem
from addons.core.wire.peek import leading_model, peek_model, with_model

DEFAULT_LIMITS = Limits()
COMPACT = "/compact"
OURS = HOP_BY_HOP | {b"host", b"content-length", b"accept-encoding"}
"""What a row's extra headers may not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """One row. `plan` is the `PlanMaker` of its route."""

    target: Target
    key: KeySource
    clock: Callable[[], float]
    """Unix seconds."""
    limits: Limits = DEFAULT_LIMITS
    refused: Refused = field(default_factory=Refused)
    """Reasoning of other upstreams that this one did not take."""

    def plan(self, request: ClientRequest, route: Route) -> Plan:  # noqa: ARG002  the target knows its slug
        """Begin the plan of one turn."""
        return NativePlan(self, request)


class NativePlan:
    """The decisions of one turn."""

    _tries_left: Tries
    _wire: WireRequest

    def __init__(self, settings: Native, request: ClientRequest) -> None:
        self._settings = settings
        self._request = request
        self._second_try = SecondTry(settings.refused, request, settings.limits.body_bytes)

    def start(self) -> Step:
        """Send the turn, or answer why it cannot be sent."""
        wire = self._written()
        if isinstance(wire, Problem):
            return self._tell(wire)
        return self._sends(wire)

    def on_head(self, head: Head) -> Step:
        """Relay the answer. What Codex would take wrongly is read, and told in the form that it acts on rightly."""
        if HTTPStatus.MULTIPLE_CHOICES <= head.status < HTTPStatus.BAD_REQUEST:
            return self._tell(redirect_problem(self._settings.target, head))
        if again := self._tries_left.after_status(head.status, self._asked_wait(head)):
            return again
        if head.status == HTTPStatus.UNAUTHORIZED:
            self._settings.key.refused()
        is_read = _media_type(head) == b"text/html" or self._second_try.may_help(head, self._wire)
        if is_read or (head.status >= HTTPStatus.BAD_REQUEST and self._request.is_codex):
            return Collect(self._settings.limits.error_body_bytes)
        return Relay(
            Head(head.status, client_headers(head.headers)),
            watching(head, self._settings.limits.event_bytes),
        )

    def on_body(self, head: Head, body: bytes) -> Step:
        """Say what the refusal means; send once more what was refused for its reasoning."""
        if again := self._second_try.after(body, self._wire):
            return self._sends(again)
        if not self._request.is_codex and _media_type(head) != b"text/html":
            return Answer(Reply(Head(head.status, client_headers(head.headers)), body))
        failed = head.status >= HTTPStatus.BAD_REQUEST
        status = head.status if failed else HTTPStatus.BAD_GATEWAY
        wait = self._asked_wait(head)
        return self._tell(upstream_problem(self._settings.target, status, body, wait))

    def on_fault(self, fault: Fault) -> Step:
        """Try once more where the upstream cannot have begun to answer, else tell."""
        again = self._tries_left.after_fault(fault)
        return again or self._tell(fault_problem(self._settings.target, fault))

    def _sends(self, wire: WireRequest) -> Send:
        self._wire, self._tries_left = wire, Tries(wire)
        return Send(wire)

    def _written(self) -> WireRequest | Problem:
        target = self._settings.target
        key = self._settings.key.current()
        if isinstance(key, KeyProblem):
            return key_problem(key)
        headers = _headers(self._request.headers, target.headers)
        if (bad := bad_header(headers)) is not None:
            return bad_header_problem(target, bad)
        body = self._body()
        if isinstance(body, Problem):
            return body
        if target.extra_body:
            headers = tuple(one for one in headers if canonical(one[0]) != b"content-encoding")
        return WireRequest(target.origin, self._request.method, self._path(), headers, body, key)

    def _path(self) -> str:
        """The row's path; the client's query goes with it, a query of the row's own stays first."""
        path, mark, query = self._settings.target.path.partition("?")
        asked, _, more = self._request.path.partition("?")
        rest = COMPACT if asked.endswith(COMPACT) else ""
        return f"{path}{rest}{mark}{query}{('&' if mark else '?') + more if more else ''}"

    def _body(self) -> bytes | Problem:
        target, cap = self._settings.target, self._settings.limits.body_bytes
        encoding = self._request.header(b"content-encoding")
        refused = self._settings.refused.of(self._request)
        body = native_body(self._request, self._request.body, cap, refused)
        if isinstance(body, Problem):
            return body
        if not target.extra_body:
            known = leading_model(body, encoding) == target.model
            return body if known else with_model(body, encoding, target.model, cap)
        peek = peek_model(body, encoding, cap)
        if isinstance(peek, Problem):
            return peek
        return orjson.dumps(merged({**peek.payload, "model": target.model}, target.extra_body))

    def _asked_wait(self, head: Head) -> float | None:
        return retry_after_of(head.headers, self._settings.clock())

    def _tell(self, problem: Problem) -> Answer:
        return Answer(told(problem, to_codex=self._request.is_codex))


def merged(body: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Lay `over` on a body: nested objects are merged, all else is replaced."""
    result = dict(body)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def _headers(client: Headers, row: Headers) -> Headers:
    """What the client sent, minus what is its own affair, under what the row sets."""
    row = tuple(one for one in row if canonical(one[0]) not in OURS)
    set_by_row = {canonical(name) for name, _ in row}
    passed = upstream_headers(client)
    return (*(one for one in passed if canonical(one[0]) not in set_by_row), *row)


def _media_type(head: Head) -> bytes:
    return (head.header(b"content-type") or b"").partition(b";")[0].strip().lower()
