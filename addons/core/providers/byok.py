"""The plan of a turn that is translated: a row of models.json whose upstream speaks chat completions or messages.

Never does: read a file or a clock of its own, send a header of the client's, tell Codex that a provider's refused key
is its own login. Invariant: nothing reaches the client before the upstream's head is accepted; a key is bound to the
row's origin; a redirect is never followed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

import orjson

from addons.core.errors import JSON_HEADERS, SSE_HEADERS, Problem, problem_of
from addons.core.headers import HOP_BY_HOP, bad_header
from addons.core.keys import KeyProblem, KeySource
from addons.core.limits import Limits
from addons.core.memory import Memory
from addons.core.routes import Route
from addons.core.target import Target
from addons.core.translate.conversation import Conversation, Dialects
from addons.core.translate.dialect import Dialect
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.stream import StreamTranslator, whole
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Headers,
    Plan,
    Relay,
    Reply,
    Send,
    Step,
    WireRequest,
)
from addons.core.upstream_errors import retry_after_of, upstream_problem
from addons.core.wire.peek import peek_model
from addons.version import VERSION

Json = Mapping[str, object]
DEFAULT_LIMITS = Limits()
Reading = Callable[[Json, str], Conversation | Problem]

PAUSES: dict[int, tuple[float, ...]] = {
    408: (0.5,),
    409: (0.5,),
    500: (0.5, 1.0),
    502: (0.5, 1.0),
    503: (0.5, 1.0),
    504: (0.5, 1.0),
    529: (0.5, 1.0),
}
"""Status → the seconds before each further try. A 429 is told at once: the client knows how to wait, and shows it."""
LONGEST_SILENT_WAIT = 8.0
FAULT_PAUSES: dict[FaultKind, tuple[float, ...]] = {
    FaultKind.CONNECT: (0.5,),
    FaultKind.RESET: (0.5,),
}
OWN_HEADERS: Headers = (
    (b"content-type", b"application/json"),
    (b"accept", b"text/event-stream"),
    (b"user-agent", b"codex-shim/%s" % VERSION.encode()),
)
DIALECT_HEADERS: dict[Dialects, Headers] = {
    Dialects.MESSAGES: ((b"anthropic-version", b"2023-06-01"),),
}
REQUEST_IDS = (b"x-request-id", b"request-id")
ROUTE_HEADER = b"x-codex-shim-route"


@dataclass(frozen=True, slots=True, kw_only=True)
class Byok:
    """One row: its target and what its turns need. `plan` is the `PlanMaker` of its route."""

    target: Target
    key: KeySource
    dialect: Dialect
    read: Reading
    """`addons.core.translate.reading.read_request`."""
    ids: Callable[[], str]
    """Makes the part of a response's id that is its own."""
    clock: Callable[[], float]
    """Unix seconds."""
    memory: Memory = field(default_factory=Memory)
    limits: Limits = DEFAULT_LIMITS

    def plan(self, request: ClientRequest, route: Route) -> Plan:  # noqa: ARG002  the target knows its slug
        """Begin the plan of one turn."""
        return ByokPlan(self, request)

    def told_of(self, fault: Fault) -> Problem:
        """What a fault on the way to this target is told as."""
        problem = problem_of(fault)
        target = self.target
        return replace(
            problem, message=f"{target.slug} ({target.provider} {target.model}): {problem.message}"
        )

    def wire_headers(self) -> Headers:
        """All that is sent beside the key. The row's own win over ours, save what frames or belongs to a hop."""
        own = {
            name.lower(): (name, value)
            for name, value in self.target.headers
            if name.lower() not in HOP_BY_HOP | {b"host", b"content-length"}
        }
        ours = (*OWN_HEADERS, *DIALECT_HEADERS.get(self.target.dialect, ()))
        kept = (one for one in ours if one[0] not in own)
        # Closing events of ours cannot be put into a compressed stream, and no reader inflates one.
        own.pop(b"accept-encoding", None)
        return (*kept, *own.values(), (b"accept-encoding", b"identity"))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the client asked for."""

    payload: Json
    """As it came: what the response repeats and the memory keeps."""
    conversation: Conversation
    streams: bool


class ByokPlan:
    """The decisions of one turn."""

    def __init__(self, settings: Byok, request: ClientRequest) -> None:
        self._settings = settings
        self._request = request
        self._asked: _Asked | None = None
        self._wire: WireRequest | None = None
        self._tries = 0

    def start(self) -> Step:
        """Translate and send, or answer why that cannot be."""
        asked = self._read()
        if isinstance(asked, Problem):
            return self._tell(asked)
        self._asked = asked
        wire = self._written(asked.conversation)
        if isinstance(wire, Problem):
            return self._tell(wire)
        self._wire = wire
        return Send(wire)

    def on_head(self, head: Head) -> Step:
        """Begin the answer, try again where that may help, or read what the refusal says."""
        if HTTPStatus.OK <= head.status < HTTPStatus.MULTIPLE_CHOICES:
            return self._begin(head)
        if HTTPStatus.MULTIPLE_CHOICES <= head.status < HTTPStatus.BAD_REQUEST:
            return self._tell(_redirect(self._settings.target, head))
        if again := self._again(PAUSES.get(head.status, ()), self._asked_wait(head) or 0.0):
            return again
        if head.status == HTTPStatus.UNAUTHORIZED:
            self._settings.key.refused()
        return Collect(self._settings.limits.error_body_bytes)

    def on_body(self, head: Head, body: bytes) -> Step:
        """Give the whole answer, or say what the refusal means."""
        if head.status < HTTPStatus.MULTIPLE_CHOICES and not _is_html(head):
            return self._whole(head, body)
        wait = self._asked_wait(head)
        status = head.status if head.status >= HTTPStatus.BAD_REQUEST else HTTPStatus.BAD_GATEWAY
        problem = upstream_problem(self._settings.target, status, body, wait)
        return self._tell(problem, (*_wait_header(wait), *_request_id(head)))

    def on_fault(self, fault: Fault) -> Step:
        """Try once more where the upstream cannot have begun to answer, else tell."""
        pauses = (0.0,) if fault.reused and fault.kind is FaultKind.RESET else ()
        again = self._again(pauses or FAULT_PAUSES.get(fault.kind, ()), 0.0)
        return again or self._tell(self._settings.told_of(fault))

    def _read(self) -> _Asked | Problem:
        settings, request = self._settings, self._request
        encoding = request.header(b"content-encoding")
        peek = peek_model(request.body, encoding, settings.limits.body_bytes)
        if isinstance(peek, Problem):
            return peek
        payload = settings.memory.resolve(peek.payload)
        if isinstance(payload, Problem):
            return payload
        conversation = settings.read(payload, settings.target.lineage)
        if isinstance(conversation, Problem):
            return conversation
        return _Asked(peek.payload, conversation, peek.stream)

    def _written(self, conversation: Conversation) -> WireRequest | Problem:
        settings, target = self._settings, self._settings.target
        key = settings.key.current()
        if isinstance(key, KeyProblem):
            return Problem(401, "invalid_prompt", key.message, "authentication_error")
        headers = settings.wire_headers()
        if (bad := bad_header(headers)) is not None:
            return _bad_header(target, bad)
        body = settings.dialect.write_request(conversation, target)
        if isinstance(body, Problem):
            return body
        return WireRequest(target.origin, "POST", target.path, headers, body, key)

    def _again(self, pauses: tuple[float, ...], asked: float) -> Send | None:
        if self._wire is None or self._tries >= len(pauses) or asked > LONGEST_SILENT_WAIT:
            return None
        pause = max(pauses[self._tries], asked)
        self._tries += 1
        return Send(self._wire, pause)

    def _begin(self, head: Head) -> Step:
        assert self._asked is not None  # noqa: S101  an answer follows what was sent
        limits = self._settings.limits
        if (head.header(b"content-encoding") or b"identity").strip().lower() != b"identity":
            return self._tell(_encoded(self._settings.target))
        if _is_html(head):
            return Collect(limits.error_body_bytes)
        if not self._asked.streams:
            return Collect(limits.event_bytes)
        emitter = self._emitter()
        reader = self._settings.dialect.reader(self._asked.conversation, self._settings.target)
        translator = StreamTranslator(reader, emitter, self._remember)
        headers = (*SSE_HEADERS, *self._route(), *_request_id(head))
        return Relay(Head(HTTPStatus.OK, headers), translator, emitter.open())

    def _whole(self, head: Head, body: bytes) -> Step:
        assert self._asked is not None  # noqa: S101  an answer follows what was sent
        emitter = self._emitter()
        reader = self._settings.dialect.reader(self._asked.conversation, self._settings.target)
        problem = whole(reader, emitter, body)
        if problem:
            return self._tell(problem, _request_id(head))
        self._remember(emitter.response)
        headers = (*JSON_HEADERS, *self._route(), *_request_id(head))
        return Answer(Reply(Head(HTTPStatus.OK, headers), orjson.dumps(emitter.response)))

    def _emitter(self) -> Emitter:
        settings, asked = self._settings, self._asked
        return Emitter(
            f"resp_{settings.ids()}",
            int(settings.clock()),
            settings.target.slug,
            asked.payload if asked else {},
            Client.CODEX if self._request.is_codex else Client.OTHER,
        )

    def _remember(self, response: Json) -> None:
        if self._asked and response.get("status") != "failed":
            self._settings.memory.keep(self._asked.payload, response)

    def _route(self) -> Headers:
        target = self._settings.target
        words = ascii(f"{target.slug} -> {target.provider}/{target.model}")[1:-1]
        return ((ROUTE_HEADER, words.encode()),)

    def _asked_wait(self, head: Head) -> float | None:
        return retry_after_of(head.headers, self._settings.clock())

    def _tell(self, problem: Problem, headers: Headers = ()) -> Answer:
        if not self._request.is_codex:
            reply = problem.reply()
            head = Head(reply.head.status, (*reply.head.headers, *self._route(), *headers))
            return Answer(Reply(head, reply.body))
        emitter = self._emitter()
        stream = emitter.open() + emitter.fail(problem)
        return Answer(Reply(Head(HTTPStatus.OK, (*SSE_HEADERS, *self._route())), stream))


def _is_html(head: Head) -> bool:
    return (head.header(b"content-type") or b"").strip().lower().startswith(b"text/html")


def _request_id(head: Head) -> Headers:
    for name in REQUEST_IDS:
        value = head.header(name)
        if value and bad_header(((name, value),)) is None:
            return ((b"x-request-id", value),)
    return ()


def _wait_header(seconds: float | None) -> Headers:
    return () if seconds is None else ((b"retry-after", b"%d" % -(-seconds // 1)),)


def _redirect(target: Target, head: Head) -> Problem:
    return Problem(
        502,
        "invalid_prompt",
        f"{target.provider} ({target.model} at {target.origin}) answered HTTP {head.status}, a redirect. codex-shim "
        f"never follows one with your key. Correct base_url of {target.slug} in models.json.",
        "upstream_redirect",
    )


def _encoded(target: Target) -> Problem:
    return Problem(
        502,
        "upstream_protocol",
        f"{target.provider} ({target.model} at {target.origin}) compressed its answer, which was not asked for. "
        "Switch compression off there, or on the proxy before it.",
        "upstream_protocol",
    )


def _bad_header(target: Target, name: str) -> Problem:
    return Problem(
        400,
        "invalid_prompt",
        f"codex-shim did not send this turn: the header {name} of {target.slug} has an odd name or holds a control "
        "character. Correct extra_headers in models.json.",
    )
