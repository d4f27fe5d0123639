"""The plan of a translated turn: a row of models.json whose upstream uses another protocol than Responses.

Never reads a file or a clock, sends a header of the client, or reports a provider's refused key to Codex as its own
login. Invariant: the client gets nothing before the upstream's head is accepted; a key is bound to the row's origin; a
redirect is never followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http import HTTPStatus

import orjson

from addons.core.errors import JSON_HEADERS, SSE_HEADERS, Problem
from addons.core.headers import HOP_BY_HOP, Headers, bad_header, is_html
from addons.core.json_values import JsonObject
from addons.core.limits import Limits
from addons.core.masking.credentials import body_secrets
from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.canonical.refused_items import accepted_conversation
from addons.core.protocols.request_body import ParsedBody, has_references, parse_body
from addons.core.protocols.responses.compaction import (
    compact_body,
    compaction_item,
    request_summary,
)
from addons.core.protocols.responses.compaction_answer import CompactionTranslator, read_summary
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.response_store import ResponseStore
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.protocols.responses.stream_translator import StreamTranslator, emit_document
from addons.core.protocols.translator import EventReader, ProtocolTranslator
from addons.core.providers.load_wait import LoadBound
from addons.core.providers.row_attempts import (
    LearningTarget,
    RowAttempts,
    TwoProtocolPlan,
    key_in_header,
    observe,
    observed_traits,
)
from addons.core.providers.row_problems import (
    bad_header_problem,
    encoded_problem,
    key_problem,
    redirect_problem,
)
from addons.core.routes import PlanMaker, Route, RouteRetries
from addons.core.secrets import Secret
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
    Translator,
    UpstreamRequest,
)
from addons.core.upstream.api_keys import KeyProblem, KeySource
from addons.core.upstream.error_codes import TRANSIENT
from addons.core.upstream.error_mapping import refusal_kind
from addons.core.upstream.target import Target
from addons.core.upstream.traits import MemoryTraits, Traits, TraitsStore
from addons.core.version import VERSION

DEFAULT_LIMITS = Limits()
ReadRequest = Callable[[JsonObject, str], Conversation | Problem]

OWN_HEADERS: Headers = (
    (b"content-type", b"application/json"),
    (b"accept", b"text/event-stream"),
    (b"user-agent", b"codex-shim/%s" % VERSION.encode()),
)
REQUEST_IDS = (b"x-request-id", b"request-id")
ROUTE_HEADER = b"x-codex-shim-route"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedProvider:
    """One row: its target and the dependencies of its turns. `plan` is the `PlanMaker` of its route."""

    target: Target
    key: KeySource
    translator: ProtocolTranslator
    read: ReadRequest
    """`addons.core.protocols.responses.request.read_request`."""
    ids: Callable[[], str]
    """Makes the random part of a response id."""
    clock: Callable[[], float]
    """Unix seconds."""
    memory: ResponseStore = field(default_factory=ResponseStore)
    limits: Limits = DEFAULT_LIMITS
    store: TraitsStore = field(default_factory=MemoryTraits)
    """Traits of the target beyond its profile."""
    other: PlanMaker | None = None
    """Plans of the same row in the Responses protocol, for a model that wants it."""
    retries: RouteRetries = field(default_factory=RouteRetries)
    load: LoadBound | None = None
    """How long turns wait for a model server on this machine; None for another upstream."""
    learning: LearningTarget = field(init=False)
    headers: Headers = field(init=False)
    """All headers of a request but the key."""
    bad_header: str | None = field(init=False)
    """The name of the first of them that must not be sent."""
    body_secrets: tuple[Secret, ...] = field(init=False)
    """The credentials that the row adds to each body."""
    route_headers: Headers = field(init=False)
    """The header of an answer that names the route."""

    def __post_init__(self) -> None:
        """Join the target and what is known of it, and make what is the same in all turns."""
        headers = _request_headers(self.target)
        object.__setattr__(self, "learning", LearningTarget(self.target, self.store))
        object.__setattr__(self, "headers", headers)
        object.__setattr__(self, "bad_header", bad_header(headers))
        object.__setattr__(self, "body_secrets", tuple(body_secrets(self.target.extra_body)))
        object.__setattr__(self, "route_headers", _route_headers(self.target))

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        """Begin the plan of one turn."""
        plan = TranslatedPlan(self, request, route)
        return TwoProtocolPlan(plan, self.limits.error_body_bytes) if self.other else plan


def _request_headers(target: Target) -> Headers:
    """Return all headers but the key. The row's headers replace ours, except framing and hop-by-hop headers."""
    own = {
        name.lower(): (name, value)
        for name, value in target.headers
        if name.lower() not in HOP_BY_HOP | {b"host", b"content-length"}
    }
    defaults = (*OWN_HEADERS, *target.protocol.spec.headers)
    kept = [header for header in defaults if header[0] not in own]
    # A closing event cannot be added to a compressed stream, and no reader decompresses one.
    own.pop(b"accept-encoding", None)
    return (*kept, *own.values(), (b"accept-encoding", b"identity"))


def _route_headers(target: Target) -> Headers:
    value = ascii(f"{target.slug} -> {target.provider}/{target.model}")[1:-1]
    return ((ROUTE_HEADER, value.encode()),)


class TranslatedPlan:
    """The decisions of one turn."""

    _conversation: Conversation
    _written: Conversation
    """The conversation without what the upstream refused: what was sent and what the answer refers to."""
    _streams: bool
    _first: Step
    """The first step, once all of its work is done."""
    _ready: tuple[Translator, bytes] | None = None
    """What translates the answer to the last request, and the first events of the client's answer."""

    def __init__(self, provider: TranslatedProvider, request: ClientRequest, route: Route) -> None:
        self._provider = provider
        self._request = request
        self._is_codex = request.is_codex
        self._is_unary_compaction = request.path.partition("?")[0].endswith("/compact")
        """Whether this is `/responses/compact`, whose client reads one JSON object and never a stream."""
        self._work = self._slices()
        self._payload: JsonObject = {}
        """The request body, which the response repeats and the memory stores."""
        other = provider.other
        make_other = (lambda: other(request, route)) if other else None
        self.attempts = RowAttempts(
            provider.learning,
            provider.clock,
            request.notes,
            make_other,
            self._write,
            retries=provider.retries,
            load=provider.load,
        )

    def slice(self) -> bool:
        """Do a part of the work of `start`: parse the request, read it, or write that of the upstream."""
        return next(self._work, False)

    def start(self) -> Step:
        """Translate and send the turn, or answer with the reason why that is impossible."""
        while self.slice():
            pass
        first = self._first
        return (
            Send(first.request, make_ready=self._make_ready) if isinstance(first, Send) else first
        )

    def _slices(self) -> Iterator[bool]:
        parsed = self._parse()
        yield True
        conversation = parsed if isinstance(parsed, Problem) else self._read(parsed)
        yield True
        if isinstance(conversation, Problem):
            self._first = self._answer_problem(conversation)
            return
        self._conversation = conversation
        step = self.attempts.start()
        self._first = self._answer_problem(step) if isinstance(step, Problem) else step

    def on_head(self, head: Head) -> Step:
        """Begin the answer, retry where that may help, or read the body of a refusal."""
        if HTTPStatus.OK <= head.status < HTTPStatus.MULTIPLE_CHOICES:
            self.attempts.accepted()
            return self._begin(head)
        if HTTPStatus.MULTIPLE_CHOICES <= head.status < HTTPStatus.BAD_REQUEST:
            return self._answer_problem(redirect_problem(self._provider.target, head))
        # The body of an internal error may say that the same request fails again.
        if head.status != HTTPStatus.INTERNAL_SERVER_ERROR and (
            again := self.attempts.after_status(head)
        ):
            return again
        if head.status == HTTPStatus.UNAUTHORIZED:
            self._provider.key.refused()
        return Collect(self._provider.limits.error_body_bytes)

    def on_body(self, head: Head, body: bytes) -> Step:
        """Answer with the whole response, or repair what was refused, or answer with the meaning of the refusal."""
        if head.status < HTTPStatus.MULTIPLE_CHOICES and not is_html(head.headers):
            return self._whole(head, body)
        if repaired := self.attempts.repaired(head, body):
            return repaired
        if head.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            final = refusal_kind(head.status, body) not in TRANSIENT
            if not final and (again := self.attempts.after_status(head)):
                return again
        return self.refused(head, body)

    def on_fault(self, fault: Fault) -> Step:
        """Retry where the upstream cannot have begun to answer, else answer with the fault."""
        again = self.attempts.after_fault(fault)
        return again or self._answer_problem(self.attempts.fault_problem(fault))

    def ended(self) -> None:
        """Stop counting the turn."""
        self._work, self._ready = iter(()), None
        self.attempts.ended()

    def refused(self, head: Head, body: bytes) -> Answer:
        """Answer with the meaning of a refusal."""
        wait = self.attempts.requested_wait(head)
        headers = (*_wait_header(wait), *_request_id(head))
        return self._answer_problem(self.attempts.problem(head, body), headers)

    def _parse(self) -> ParsedBody | Problem:
        request, cap = self._request, self._provider.limits.body_bytes
        return parse_body(request.body, request.header(b"content-encoding"), cap)

    def _read(self, parsed: ParsedBody) -> Conversation | Problem:
        provider, request = self._provider, self._request
        self._payload = parsed.payload
        self._streams = parsed.stream and not self._is_unary_compaction
        payload: JsonObject | Problem = parsed.payload
        if has_references(parsed.payload):
            payload = provider.memory.resolve(parsed.payload)
        if isinstance(payload, Problem):
            return payload
        conversation = provider.read(payload, provider.target.reasoning_scope)
        if isinstance(conversation, Conversation):
            request.notes.dropped = list(conversation.dropped)
        if self._is_unary_compaction and isinstance(conversation, Conversation):
            return request_summary(conversation)
        return conversation

    def _write(self, traits: Traits, target: Target) -> UpstreamRequest | Problem:
        self._ready = None
        provider = self._provider
        key = provider.key.current()
        if isinstance(key, KeyProblem):
            return key_problem(key)
        if provider.bad_header is not None:
            return bad_header_problem(target, provider.bad_header)
        refused, profile = traits.refused_items, target.profile
        self._written = self._conversation
        if refused or profile.tool_names == "word" or profile.max_tool_description:
            self._written = accepted_conversation(self._conversation, target, refused)
        body = provider.translator.write_request(self._written, target)
        if isinstance(body, Problem):
            return body
        hidden, headers = provider.body_secrets, provider.headers
        request = UpstreamRequest(target.origin, "POST", target.path, headers, body, key, hidden)
        return key_in_header(request, traits)

    def _begin(self, head: Head) -> Step:
        limits = self._provider.limits
        if (head.header(b"content-encoding") or b"identity").strip().lower() != b"identity":
            return self._answer_problem(encoded_problem(self._provider.target))
        if is_html(head.headers):
            return Collect(limits.error_body_bytes)
        if not self._streams:
            return Collect(limits.event_bytes)
        ready, self._ready = self._ready, None
        translator, opening = ready or self._stream()
        headers = (*SSE_HEADERS, *self._provider.route_headers, *_request_id(head))
        return Relay(Head(HTTPStatus.OK, headers), translator, opening)

    def _make_ready(self) -> None:
        if self._streams:
            self._ready = self._stream()

    def _stream(self) -> tuple[Translator, bytes]:
        emitter = self._emitter()
        return self._translator(emitter), emitter.open()

    def _translator(self, emitter: Emitter) -> Translator:
        if self._conversation.wants_compaction:
            seed = self._provider.ids()
            return CompactionTranslator(self._reader(), emitter, seed, self._remember)
        return StreamTranslator(self._reader(), emitter, self._remember)

    def _compacted(self, head: Head, body: bytes) -> Step:
        provider = self._provider
        summary, usage = read_summary(self._reader(), provider.target.slug, body)
        if isinstance(summary, Problem):
            return self._answer_problem(summary, _request_id(head))
        item = compaction_item(summary, f"cmp_{provider.ids()}")
        if self._is_unary_compaction:
            created_at = int(provider.clock())
            return self._json(head, compact_body(f"resp_{provider.ids()}", created_at, item, usage))
        response = {**self._emitter().response, "status": "completed", "output": [item]}
        response["usage"] = usage.to_response() if usage else None
        self._remember(response)
        return self._json(head, orjson.dumps(response))

    def _whole(self, head: Head, body: bytes) -> Step:
        if self._conversation.wants_compaction:
            return self._compacted(head, body)
        emitter = self._emitter()
        problem = emit_document(self._reader(), emitter, body)
        if problem:
            return self._answer_problem(problem, _request_id(head))
        self._remember(emitter.response)
        return self._json(head, orjson.dumps(emitter.response))

    def _json(self, head: Head, body: bytes) -> Answer:
        headers = (*JSON_HEADERS, *self._provider.route_headers, *_request_id(head))
        return Answer(Reply(Head(HTTPStatus.OK, headers), body))

    def _reader(self) -> EventReader:
        return self._provider.translator.reader(self._written, self.attempts.target)

    def _emitter(self) -> Emitter:
        provider = self._provider
        return Emitter(
            f"resp_{provider.ids()}",
            int(provider.clock()),
            provider.target.slug,
            self._payload,
            Client.CODEX if self._is_codex else Client.OTHER,
            omitted=self._request.notes.dropped,
        )

    def _remember(self, response: JsonObject) -> None:
        if response.get("status") == "failed":
            return
        if self._payload.get("store") is not False:
            self._provider.memory.keep(self._payload, response)
        attempts = self.attempts
        if found := observed_traits(response, attempts.target):
            observe(self._provider.learning, attempts.traits, found)

    def _answer_problem(self, problem: Problem, headers: Headers = ()) -> Answer:
        if self._is_unary_compaction and self._is_codex:
            # Codex takes a 401 as a problem of its own login and retries most others; at a 400 it stops and shows the message.
            problem = replace(problem, status=HTTPStatus.BAD_REQUEST)
        if self._is_unary_compaction or not self._is_codex:
            reply = problem.reply()
            head = Head(
                reply.head.status, (*reply.head.headers, *self._provider.route_headers, *headers)
            )
            return Answer(Reply(head, reply.body))
        emitter = self._emitter()
        stream = emitter.open() + emitter.fail(problem)
        return Answer(
            Reply(Head(HTTPStatus.OK, (*SSE_HEADERS, *self._provider.route_headers)), stream)
        )


def _request_id(head: Head) -> Headers:
    for name in REQUEST_IDS:
        value = head.header(name)
        if value and bad_header(((name, value),)) is None:
            return ((b"x-request-id", value),)
    return ()


def _wait_header(seconds: float | None) -> Headers:
    return () if seconds is None else ((b"retry-after", b"%d" % -(-seconds // 1)),)
