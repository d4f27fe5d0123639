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

from addons.core.errors import JSON_HEADERS, SSE_HEADERS, Problem
from addons.core.headers import HOP_BY_HOP, Headers, bad_header
from addons.core.keys import KeyProblem, KeySource
from addons.core.limits import Limits
from addons.core.memory import Memory
from addons.core.providers.byok_problems import (
    bad_header_problem,
    encoded_problem,
    fault_problem,
    key_problem,
    redirect_problem,
)
from addons.core.providers.tries import Tries
from addons.core.routes import Route
from addons.core.target import Target
from addons.core.translate.compacting import CompactionTranslator, whole_summary
from addons.core.translate.compaction import ask_for_summary, compact_body, compaction_item
from addons.core.translate.conversation import Conversation, Dialects
from addons.core.translate.dialect import Dialect, EventReader
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.stream import StreamTranslator, whole
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
    WireRequest,
)
from addons.core.upstream_errors import retry_after_of, upstream_problem
from addons.core.wire.peek import peek_model
from addons.version import VERSION

Json = Mapping[str, object]
DEFAULT_LIMITS = Limits()
Reading = Callable[[Json, str], Conversation | Problem]

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


class ByokPlan:
    """The decisions of one turn."""

    _conversation: Conversation
    _streams: bool
    _tries_left: Tries

    def __init__(self, settings: Byok, request: ClientRequest) -> None:
        self._settings = settings
        self._request = request
        self._payload: Json = {}
        """The request as it came: what the response repeats and the memory keeps."""

    def start(self) -> Step:
        """Translate and send, or answer why that cannot be."""
        conversation = self._read()
        if isinstance(conversation, Problem):
            return self._tell(conversation)
        self._conversation = conversation
        wire = self._written(conversation)
        if isinstance(wire, Problem):
            return self._tell(wire)
        self._tries_left = Tries(wire)
        return Send(wire)

    def on_head(self, head: Head) -> Step:
        """Begin the answer, try again where that may help, or read what the refusal says."""
        if HTTPStatus.OK <= head.status < HTTPStatus.MULTIPLE_CHOICES:
            return self._begin(head)
        if HTTPStatus.MULTIPLE_CHOICES <= head.status < HTTPStatus.BAD_REQUEST:
            return self._tell(redirect_problem(self._settings.target, head))
        if again := self._tries_left.after_status(head.status, self._asked_wait(head)):
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
        again = self._tries_left.after_fault(fault)
        return again or self._tell(fault_problem(self._settings.target, fault))

    @property
    def _is_unary_compaction(self) -> bool:
        """`/responses/compact`, whose client reads one JSON and no stream, whatever it is told."""
        return self._request.path.partition("?")[0].endswith("/compact")

    def _read(self) -> Conversation | Problem:
        settings, request = self._settings, self._request
        encoding = request.header(b"content-encoding")
        peek = peek_model(request.body, encoding, settings.limits.body_bytes)
        if isinstance(peek, Problem):
            return peek
        self._payload = peek.payload
        self._streams = peek.stream and not self._is_unary_compaction
        payload = settings.memory.resolve(peek.payload)
        if isinstance(payload, Problem):
            return payload
        conversation = settings.read(payload, settings.target.lineage)
        if isinstance(conversation, Conversation):
            request.record.dropped = list(conversation.dropped)
        if self._is_unary_compaction and isinstance(conversation, Conversation):
            return ask_for_summary(conversation)
        return conversation

    def _written(self, conversation: Conversation) -> WireRequest | Problem:
        settings, target = self._settings, self._settings.target
        key = settings.key.current()
        if isinstance(key, KeyProblem):
            return key_problem(key)
        headers = settings.wire_headers()
        if (bad := bad_header(headers)) is not None:
            return bad_header_problem(target, bad)
        body = settings.dialect.write_request(conversation, target)
        if isinstance(body, Problem):
            return body
        return WireRequest(target.origin, "POST", target.path, headers, body, key)

    def _begin(self, head: Head) -> Step:
        limits = self._settings.limits
        if (head.header(b"content-encoding") or b"identity").strip().lower() != b"identity":
            return self._tell(encoded_problem(self._settings.target))
        if _is_html(head):
            return Collect(limits.error_body_bytes)
        if not self._streams:
            return Collect(limits.event_bytes)
        emitter = self._emitter()
        translator = self._translator(emitter)
        headers = (*SSE_HEADERS, *self._route(), *_request_id(head))
        return Relay(Head(HTTPStatus.OK, headers), translator, emitter.open())

    def _translator(self, emitter: Emitter) -> Translator:
        if self._conversation.wants_compaction:
            seed = self._settings.ids()
            return CompactionTranslator(self._reader(), emitter, seed, self._remember)
        return StreamTranslator(self._reader(), emitter, self._remember)

    def _compacted(self, head: Head, body: bytes) -> Step:
        settings = self._settings
        summary, usage = whole_summary(self._reader(), settings.target.slug, body)
        if isinstance(summary, Problem):
            return self._tell(summary, _request_id(head))
        item = compaction_item(summary, f"cmp_{settings.ids()}")
        if self._is_unary_compaction:
            made_at = int(settings.clock())
            return self._json(head, compact_body(f"resp_{settings.ids()}", made_at, item, usage))
        told = usage.wire() if usage else None
        response = {**self._emitter().response, "status": "completed", "output": [item]}
        response["usage"] = told
        self._remember(response)
        return self._json(head, orjson.dumps(response))

    def _whole(self, head: Head, body: bytes) -> Step:
        if self._conversation.wants_compaction:
            return self._compacted(head, body)
        emitter = self._emitter()
        problem = whole(self._reader(), emitter, body)
        if problem:
            return self._tell(problem, _request_id(head))
        self._remember(emitter.response)
        return self._json(head, orjson.dumps(emitter.response))

    def _json(self, head: Head, body: bytes) -> Answer:
        headers = (*JSON_HEADERS, *self._route(), *_request_id(head))
        return Answer(Reply(Head(HTTPStatus.OK, headers), body))

    def _reader(self) -> EventReader:
        return self._settings.dialect.reader(self._conversation, self._settings.target)

    def _emitter(self) -> Emitter:
        settings = self._settings
        return Emitter(
            f"resp_{settings.ids()}",
            int(settings.clock()),
            settings.target.slug,
            self._payload,
            Client.CODEX if self._request.is_codex else Client.OTHER,
            left_out=self._request.record.dropped,
        )

    def _remember(self, response: Json) -> None:
        if response.get("status") != "failed":
            self._settings.memory.keep(self._payload, response)

    def _route(self) -> Headers:
        target = self._settings.target
        words = ascii(f"{target.slug} -> {target.provider}/{target.model}")[1:-1]
        return ((ROUTE_HEADER, words.encode()),)

    def _asked_wait(self, head: Head) -> float | None:
        return retry_after_of(head.headers, self._settings.clock())

    def _tell(self, problem: Problem, headers: Headers = ()) -> Answer:
        if self._is_unary_compaction and self._request.is_codex:
            # It takes a 401 for its own login and tries most others again; at a 400 it stops and shows the message.
            problem = replace(problem, status=HTTPStatus.BAD_REQUEST)
        if self._is_unary_compaction or not self._request.is_codex:
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
