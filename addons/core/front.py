"""What becomes of a request that was let in: a local answer, or the plan of a route. The engine's `Front`.

Invariant: total. A bad request gets a plan that says what is wrong with it; it never raises and never guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn
from urllib.parse import parse_qs

import orjson

from addons.core.catalog import codex_shape, etag_of, openai_shape
from addons.core.errors import JSON_HEADERS, Problem, told
from addons.core.gate import NO_TOKEN, TokenRule, token_refusal
from addons.core.headers import LABEL
from addons.core.routes import Route, RouteTable
from addons.core.threads import Threads, thread_of
from addons.core.turn import Answer, ClientRequest, Fault, Head, Plan, Reply, Step
from addons.core.wire.peek import find_model

TOKEN = b"x-codex-shim-token"
READ, WRITE = ("GET", "HEAD"), ("POST",)
IN_V1 = frozenset({"/models", "/responses", "/responses/compact"})
"""Paths that clients know with a `/v1` before them."""
QUOTED_CHARACTERS = 100
"""How much of a client's own text an answer quotes."""


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """The plan of a request that is answered here."""

    reply: Reply

    def start(self) -> Step:
        """Answer at once."""
        return Answer(self.reply)

    def on_head(self, head: Head) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(head)

    def on_body(self, head: Head, body: bytes) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(head, body)

    def on_fault(self, fault: Fault) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(fault)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path that is served here, without a leading `/v1`: the methods that it takes, and its plans."""

    methods: tuple[str, ...]
    plan: Callable[[ClientRequest], Plan]


Endpoints = Mapping[str, Endpoint]


@dataclass(frozen=True, slots=True)
class Status:
    """What /health tells beside the table. Plain values, kept up to date in the background."""

    version: str
    pid: int
    uptime_seconds: float
    live_turns: int
    reasons: Mapping[str, str]
    """Route kind → why it is not live."""
    problems: tuple[str, ...]
    quota: Mapping[str, list[dict[str, object]]] = field(default_factory=dict)
    """Route → its windows, as upstreams last told them: figures alone."""


@dataclass(frozen=True, slots=True)
class ShimFront:
    """Everything is asked for per request: a changed source swaps the table, never a running plan."""

    table: Callable[[], RouteTable]
    status: Callable[[], Status]
    body_cap: Callable[[], int]
    """Largest request body once decoded, in bytes."""
    etag: Callable[[], str | None]
    """The ETag under which the account's catalog was got, when the table is exactly that."""
    threads: Threads = field(default_factory=Threads)
    more: Endpoints = field(default_factory=dict)
    """Pages and their data, beside what every client knows."""
    token: Callable[[], TokenRule] = lambda: NO_TOKEN
    """The local token as it is now."""

    @property
    def endpoints(self) -> Endpoints:
        """Every path that is served."""
        turns = Endpoint(WRITE, self._turn)
        return {
            "/health": Endpoint(READ, self._health),
            "/models": Endpoint(READ, self._models),
            "/responses": turns,
            "/responses/compact": turns,
            **self.more,
        }

    def plan(self, request: ClientRequest) -> Plan:
        """Decide by path and method."""
        path = shim_path(request.path)
        if refused := self._without_token(request, path):
            return AnswerPlan(refused)
        endpoints = self.endpoints
        endpoint = endpoints.get(path)
        if endpoint is None:
            return AnswerPlan(_no_such_path(path, endpoints).reply())
        if path == "/responses" and _is_websocket(request):
            return AnswerPlan(_upgrade_required())
        if request.method not in endpoint.methods:
            return AnswerPlan(_wrong_method(request.method, path, endpoint.methods))
        return endpoint.plan(request)

    def _without_token(self, request: ClientRequest, path: str) -> Reply | None:
        presented = request.credentials.get(TOKEN)
        if presented is None and request.header(TOKEN) == LABEL:
            # a replayed flow: it got in with its token before, and only its owner can send it again
            return None
        problem = token_refusal(self.token(), request.method, path, presented)
        if problem and request.is_codex:
            # any other code, or a status, would make Codex try again and again
            return told(replace(problem, code="invalid_prompt"), to_codex=True)
        return problem.reply() if problem else None

    def _health(self, request: ClientRequest) -> Plan:
        return readable(request, _json(200, health(self.table(), self.status())))

    def _models(self, request: ClientRequest) -> Plan:
        return readable(request, self._model_list(request))

    def _model_list(self, request: ClientRequest) -> Reply:
        live = self.table().live
        query = request.path.partition("?")[2]
        if "client_version" not in parse_qs(query, keep_blank_values=True):
            return _json(200, openai_shape((route.slug, route.provider) for route in live))
        body = orjson.dumps(codex_shape([route.entry for route in live]))
        tag = (self.etag() or etag_of(body)).encode()
        headers = ((b"content-type", b"application/json"), (b"etag", tag))
        if matches_etag(request.header(b"if-none-match"), tag):
            return Reply(Head(304, headers), b"")
        return Reply(Head(200, (*headers, (b"cache-control", b"no-cache"))), body)

    def _turn(self, request: ClientRequest) -> Plan:
        content_type = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
        if content_type != b"application/json":
            return AnswerPlan(_not_json().reply())
        slug = find_model(request.body, request.header(b"content-encoding"), self.body_cap())
        if isinstance(slug, Problem):
            return AnswerPlan(slug.reply())
        request.record.asked(slug, thread_of(request))
        table = self.table()
        route = self._route_of(request, slug, table)
        if route is None:
            return AnswerPlan(_unknown_slug(slug, table).reply())
        request.record.row = route.slug
        request.record.routed(route.provider, route.model)
        return route.make_plan(replace(request, model=slug), route)

    def _route_of(self, request: ClientRequest, slug: str, table: RouteTable) -> Route | None:
        route = table.resolve(slug)
        if route and route.live:
            self.threads.note(request, route.slug)
            return route
        # Codex's own helpers name models that this user may not have: the thread's model does their work
        stand_in = table.resolve(self.threads.slug_for_helper(request) or "")
        return stand_in if stand_in and stand_in.live else route


def readable(request: ClientRequest, reply: Reply) -> AnswerPlan:
    """The plan of a GET, and of the HEAD that has the same head and no body."""
    return AnswerPlan(reply if request.method == "GET" else replace(reply, body=b""))


def shim_path(target: str) -> str:
    """The path of a request target without query and without the `/v1` that a base URL may hold."""
    path = target.partition("?")[0]
    return path.removeprefix("/v1") if path.startswith("/v1/") else path


def matches_etag(if_none_match: bytes | None, tag: bytes) -> bool:
    """Whether the client has this version already (RFC 9110, 13.1.2: a weak comparison)."""
    known = [one.strip().removeprefix(b"W/") for one in (if_none_match or b"").split(b",")]
    return b"*" in known or tag.removeprefix(b"W/") in known


def health(table: RouteTable, status: Status) -> dict[str, object]:
    """The body of GET /health, from memory."""
    providers = {route.provider for route in table.live}
    return {
        "ok": True,
        "version": status.version,
        "models": len(table.live),
        "chatgpt_passthrough": "chatgpt" in providers,
        "cursor_passthrough": "cursor" in providers,
        "demo": "demo" in providers,
        "pid": status.pid,
        "uptime_seconds": round(status.uptime_seconds, 1),
        "live_turns": status.live_turns,
        "reasons": dict(status.reasons),
        "problems": list(status.problems),
        "quota": dict(status.quota),
    }


def _json(status: int, value: object) -> Reply:
    return Reply(Head(status, JSON_HEADERS), orjson.dumps(value))


def _is_websocket(request: ClientRequest) -> bool:
    return (request.header(b"upgrade") or b"").lower() == b"websocket"


def _upgrade_required() -> Reply:
    """426 sends Codex to plain HTTP at once; any other status costs it seven tries (Codex 0.169)."""
    problem = Problem(
        426,
        "websocket_not_spoken",
        "codex-shim does not speak WebSocket here. Use POST /v1/responses; "
        "in Codex set supports_websockets = false for this provider.",
    )
    return problem.reply()


def _no_such_path(path: str, endpoints: Endpoints) -> Problem:
    known = ", ".join(f"/v1{known}" if known in IN_V1 else known for known in endpoints)
    asked = path[:QUOTED_CHARACTERS]
    return Problem(404, "not_found", f"codex-shim has no {asked!r}. It serves {known}.")


def _wrong_method(method: str, path: str, methods: tuple[str, ...]) -> Reply:
    allowed = ", ".join(methods)
    asked = method[:QUOTED_CHARACTERS]
    problem = Problem(405, "method_not_allowed", f"{path} takes {allowed}, not {asked!r}.")
    reply = problem.reply()
    head = replace(reply.head, headers=(*reply.head.headers, (b"allow", allowed.encode())))
    return replace(reply, head=head)


def _not_json() -> Problem:
    return Problem(
        415,
        "unsupported_media_type",
        "codex-shim only takes JSON: send `content-type: application/json`.",
    )


def _unknown_slug(slug: str, table: RouteTable) -> Problem:
    known = ", ".join(route.slug for route in table.live) or "none"
    return Problem(
        404,
        "model_not_found",
        f"codex-shim knows no model {slug[:QUOTED_CHARACTERS]!r}. It serves: {known}. "
        "`codex-shim list --all` tells why others are hidden; `aliases` in models.json gives a model another name.",
    )
