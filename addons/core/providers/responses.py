"""The plan of a turn for a row whose upstream uses the Responses API itself: the turn goes through unchanged.

Never translates, follows a redirect or sends a credential of the client. Invariant: the upstream gets the client's
body as the same object, unless the row renames the model, adds fields, or the body holds reasoning that is known to
belong to another upstream; a refused key is never reported to Codex as its own login; other clients get the
upstream's answer unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import orjson

from addons.core.errors import Problem, error_reply
from addons.core.headers import (
    HOP_BY_HOP,
    Headers,
    bad_header,
    canonical,
    client_headers,
    is_html,
    upstream_headers,
    upstream_query,
)
from addons.core.limits import Limits
from addons.core.masking.credentials import body_secrets
from addons.core.protocols.request_body import (
    finished_body,
    model_at_start,
    parse_body,
    replace_model,
)
from addons.core.protocols.responses.foreign_reasoning import (
    ReasoningRetry,
    RejectedReasoning,
    native_body,
)
from addons.core.protocols.responses.handover import unreadable_task
from addons.core.protocols.responses.observer import (
    FIRST_BYTES,
    StreamObserver,
    has_no_body,
    may_have_no_body,
    native_answer,
    native_relay,
    parsed_data,
)
from addons.core.protocols.responses.refused_pictures import accepted_payload, is_changed
from addons.core.providers.load_wait import LoadBound
from addons.core.providers.row_attempts import (
    LearningTarget,
    RowAttempts,
    TwoProtocolPlan,
    key_in_header,
    may_be_repaired,
)
from addons.core.providers.row_problems import (
    bad_header_problem,
    empty_problem,
    key_problem,
    redirect_problem,
)
from addons.core.routes import PlanMaker, Route, RouteRetries
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Reply,
    Step,
    Translator,
    UpstreamRequest,
)
from addons.core.upstream.api_keys import KeyProblem, KeySource
from addons.core.upstream.error_mapping import upstream_problem
from addons.core.upstream.repairs import REPAIRABLE
from addons.core.upstream.target import Target
from addons.core.upstream.traits import MemoryTraits, Traits, TraitsStore

DEFAULT_LIMITS = Limits()
COMPACT = "/compact"
RESERVED_HEADERS = HOP_BY_HOP | {b"host", b"content-length", b"accept-encoding"}
"""Headers that a row's extra headers must not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesProvider:
    """One row. `plan` is the `PlanMaker` of its route."""

    target: Target
    key: KeySource
    clock: Callable[[], float]
    """Unix seconds."""
    limits: Limits = DEFAULT_LIMITS
    refused: RejectedReasoning = field(default_factory=RejectedReasoning)
    """Reasoning of other upstreams that this one rejected."""
    store: TraitsStore = field(default_factory=MemoryTraits)
    """Traits of the target beyond its profile."""
    other: PlanMaker | None = None
    """Plans of the same row in the chat protocol, for a server whose Responses API knows only function tools."""
    retries: RouteRetries = field(default_factory=RouteRetries)
    load: LoadBound | None = None
    """How long turns wait for a model server on this machine; None for another upstream."""
    learning: LearningTarget = field(init=False)

    def __post_init__(self) -> None:
        """Join the target and what is known of it."""
        object.__setattr__(self, "learning", LearningTarget(self.target, self.store))

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        """Begin the plan of one turn."""
        plan = ResponsesPlan(self, request, route)
        return TwoProtocolPlan(plan, self.limits.error_body_bytes) if self.other else plan


class RowObserver(StreamObserver):
    """Observes the stream of a row. LiteLLM and vLLM end one with an error that is no event of the API, and no other end."""

    __slots__ = ("_error", "_target")

    def __init__(self, event_bytes: int, target: Target) -> None:
        super().__init__(event_bytes)
        self._target = target
        self._error: object = None

    def _note_untyped(self, block: bytes) -> None:
        # Many servers write the type last, behind a response whose `error` is null.
        if b'"error"' not in block:
            return
        value = parsed_data(block)
        if value.get("error") and "type" not in value:
            self._error = value

    def _problem(self, fault: Fault) -> Problem:
        if self._error and fault.kind is FaultKind.CUT:
            return upstream_problem(self._target, None, self._error)
        return super()._problem(fault)


class ResponsesPlan:
    """The decisions of one turn."""

    def __init__(self, provider: ResponsesProvider, request: ClientRequest, route: Route) -> None:
        self._provider = provider
        self._request = request
        other = provider.other
        # a compaction is a request of the native API only
        is_turn = not request.path.partition("?")[0].endswith(COMPACT)
        make_other = (lambda: other(request, route)) if other and is_turn else None
        self.attempts = RowAttempts(
            provider.learning,
            provider.clock,
            request.notes,
            make_other,
            self._write,
            retries=provider.retries,
            load=provider.load,
        )
        self._reasoning_retry = ReasoningRetry(
            provider.refused, request, provider.limits.body_bytes
        )

    def start(self) -> Step:
        """Send the turn, or answer with the reason why that is impossible."""
        step = self.attempts.start()
        return self._answer_problem(step) if isinstance(step, Problem) else step

    def on_head(self, head: Head) -> Step:
        """Relay the answer. Read a refusal that Codex would misinterpret, to report it in a form that Codex handles."""
        if HTTPStatus.MULTIPLE_CHOICES <= head.status < HTTPStatus.BAD_REQUEST:
            return self._answer_problem(redirect_problem(self._provider.target, head))
        if has_no_body(head):
            return self._answer_empty(head)
        if HTTPStatus.OK <= head.status < HTTPStatus.MULTIPLE_CHOICES:
            self.attempts.accepted()
        # The body of an internal error may say how to repair the request.
        if head.status != HTTPStatus.INTERNAL_SERVER_ERROR and (
            again := self.attempts.after_status(head)
        ):
            return again
        if head.status == HTTPStatus.UNAUTHORIZED:
            self._provider.key.refused()
        is_read = is_html(head.headers) or head.status in REPAIRABLE
        if is_read or (head.status >= HTTPStatus.BAD_REQUEST and self._request.is_codex):
            return Collect(self._provider.limits.error_body_bytes)
        if may_have_no_body(head, self._request):
            return Collect(FIRST_BYTES)
        return native_relay(head, self._provider.limits.event_bytes, self._observer)

    def on_body(self, head: Head, body: bytes) -> Step:
        """Answer with the meaning of the refusal, or send again without what was refused."""
        if head.status < HTTPStatus.MULTIPLE_CHOICES and not is_html(head.headers):
            step = native_answer(head, body, self._provider.limits.event_bytes)
            return step or self._answer_empty(head)
        attempts = self.attempts
        without = may_be_repaired(head) and self._reasoning_retry.request_after(body, attempts.sent)
        if without:
            return attempts.send(without)
        if repaired := attempts.repaired(head, body):
            return repaired
        if head.status == HTTPStatus.INTERNAL_SERVER_ERROR and (
            again := self.attempts.after_status(head)
        ):
            return again
        return self.refused(head, body)

    def on_fault(self, fault: Fault) -> Step:
        """Retry where the upstream cannot have begun to answer, else answer with the fault."""
        again = self.attempts.after_fault(fault)
        return again or self._answer_problem(self.attempts.fault_problem(fault))

    def ended(self) -> None:
        """Stop counting the turn."""
        self.attempts.ended()

    def refused(self, head: Head, body: bytes) -> Answer:
        """Answer with the upstream's refusal itself, or with its meaning in a form that Codex handles."""
        if task := self._unreadable_task():
            return self._answer_problem(task)
        if not self._request.is_codex and not is_html(head.headers):
            return Answer(Reply(Head(head.status, client_headers(head.headers)), body))
        return self._answer_problem(self.attempts.problem(head, body))

    def _observer(self, event_bytes: int) -> Translator:
        return RowObserver(event_bytes, self._provider.target)

    def _answer_empty(self, head: Head) -> Answer:
        target = self._provider.target
        who = f"{target.provider} ({target.model} at {target.origin})"
        return self._answer_problem(empty_problem(who, head))

    def _write(self, traits: Traits, target: Target) -> UpstreamRequest | Problem:
        key = self._provider.key.current()
        if isinstance(key, KeyProblem):
            return key_problem(key)
        headers = _headers(self._request.headers, target.headers)
        if (bad := bad_header(headers)) is not None:
            return bad_header_problem(target, bad)
        body = self._body(traits, target)
        if isinstance(body, Problem):
            return body
        if _is_rewritten(traits, target):
            headers = tuple(one for one in headers if canonical(one[0]) != b"content-encoding")
        upstream_request = UpstreamRequest(
            target.origin,
            self._request.method,
            self._path(),
            headers,
            body,
            key,
            tuple(body_secrets(target.extra_body)),
        )
        return key_in_header(upstream_request, traits)

    def _path(self) -> str:
        """Return the row's path with the row's query first and the client's known parameters second."""
        path, mark, query = self._provider.target.path.partition("?")
        client_path, _, client_query = self._request.path.partition("?")
        more = upstream_query(client_query)
        rest = COMPACT if client_path.endswith(COMPACT) else ""
        return f"{path}{rest}{mark}{query}{('&' if mark else '?') + more if more else ''}"

    def _body(self, traits: Traits, target: Target) -> bytes | Problem:
        cap = self._provider.limits.body_bytes
        encoding = self._request.header(b"content-encoding")
        refused = self._provider.refused.digests_for(self._request)
        body = native_body(self._request, self._request.body, cap, refused)
        if isinstance(body, Problem):
            return body
        if not _is_rewritten(traits, target):
            known = model_at_start(body, encoding) == target.model
            return body if known else replace_model(body, encoding, target.model, cap)
        parsed = parse_body(body, encoding, cap)
        if isinstance(parsed, Problem):
            return parsed
        if not target.own_items and (task := unreadable_task(parsed.payload)):
            return task
        payload = accepted_payload(parsed.payload, target, traits.refused_items)
        payload = {**payload, "model": target.model}
        return orjson.dumps(finished_body(payload, target.extra_body, target.omitted))

    def _unreadable_task(self) -> Problem | None:
        encoding = self._request.header(b"content-encoding")
        parsed = parse_body(self._request.body, encoding, self._provider.limits.body_bytes)
        return None if isinstance(parsed, Problem) else unreadable_task(parsed.payload)

    def _answer_problem(self, problem: Problem) -> Answer:
        return Answer(error_reply(problem, to_codex=self._request.is_codex))


def _is_rewritten(traits: Traits, target: Target) -> bool:
    """Return whether more than the model changes in the body."""
    has_fields = bool(target.extra_body or target.omitted)
    return has_fields or is_changed(target, traits.refused_items)


def _headers(client: Headers, row: Headers) -> Headers:
    """Return the client's headers that may be forwarded, overridden by those of the row."""
    row = tuple(one for one in row if canonical(one[0]) not in RESERVED_HEADERS)
    set_by_row = {canonical(name) for name, _ in row}
    passed = upstream_headers(client)
    return (*(one for one in passed if canonical(one[0]) not in set_by_row), *row)
