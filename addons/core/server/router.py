"""The plan of each admitted request: that of an endpoint of this port or, for a turn, that of its route.

This is the engine's `TurnRouter`. Invariant: total. A bad request gets a plan that answers with the error; nothing
here raises or guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from addons.core.codex.threads import (
    EXACT,
    PICTURE,
    SUB_AGENT,
    USER,
    WHAT_IF,
    Threads,
    agent_of,
    parent_thread_for,
    root_thread_for,
    thread_id_for,
)
from addons.core.errors import Problem
from addons.core.headers import REDACTION_LABEL, TARGET_LABEL, TOKEN_HEADER_BYTES, media_type
from addons.core.masking.credentials import all_values, has_key_prefix, redacted_path
from addons.core.protocols.request_body import find_model
from addons.core.providers.chatgpt_endpoints import FORWARDED
from addons.core.providers.vision import DescriptionPlan
from addons.core.providers.what_if import WhatIfPlan
from addons.core.routes import Route, RouteTable, route_label
from addons.core.secrets import Secret
from addons.core.server.admission import NO_TOKEN, TokenRule, token_refusal
from addons.core.server.endpoints import (
    TURN_PATHS,
    DataSources,
    Endpoint,
    PlanRequest,
    endpoint_table,
)
from addons.core.server.replies import answer, final_reply, not_json, quote, refuse
from addons.core.server.websocket import upgrade_plan, warm_up_plan
from addons.core.turn import ClientRequest, ClientTransport, Plan, Reply, printable, shim_path

PlanHooked = Callable[[ClientRequest, PlanRequest], Plan]
"""Makes the plan of a turn with hooks, from the function that makes the plan of its route."""
V1_PATHS = frozenset({"/models", *TURN_PATHS})
"""Paths that clients know with a `/v1` before them."""


class Router:
    """One per state of the settings. Reads its sources per request, so a changed table affects new turns only."""

    def __init__(
        self,
        data: DataSources,
        max_body_bytes: Callable[[], int],
        token: Callable[[], TokenRule] = lambda: NO_TOKEN,
        note_unknown: Callable[[str], None] = lambda _: None,
        over_budget: Callable[[ClientRequest, Route], Reply | None] = lambda *_: None,
        *,
        replayed: PlanRequest | None = None,
        hooked: Callable[[], PlanHooked | None] = lambda: None,
    ) -> None:
        """`replayed` makes the plan of every turn, where a cassette answers them; `hooked`, where turns have hooks.

        It is asked with each turn.
        """
        self._table = data.table
        self._turn_table = data.turn_table
        self._active_model = data.active_model
        self._max_body_bytes = max_body_bytes
        """Largest request body once decoded."""
        self._token = token
        self._note_unknown = note_unknown
        """Takes method and path of each request of Codex that no endpoint serves."""
        self._over_budget = over_budget
        """Returns the answer to a turn that may not start; asked only when there are budgets."""
        self._hooked = hooked
        self._threads = Threads()
        self._endpoints = endpoint_table(data, replayed or self._plan_turn, self._is_owner)

    def plan(self, request: ClientRequest) -> Plan:
        """Make the plan by local token, path and method."""
        path = shim_path(request.path)
        if refused := self._token_refusal(request, path):
            return answer(refused)
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            if request.is_codex:
                self._note_unknown(f"{request.method} {redacted_path(path)}")
            return refuse(_no_such_path(path, self._endpoints))
        if path == "/responses" and is_upgrade(request):
            return upgrade_plan(request, self._upgrade_problem(request, path))
        if request.method not in endpoint.methods:
            return answer(_wrong_method(request.method, path, endpoint.methods))
        return endpoint.plan(request)

    def _is_owner(self, request: ClientRequest) -> bool:
        """Return whether the request shows the local token."""
        presented, expected = _tokens(request), self._token().expected
        return bool(presented and expected and all(map(expected.matches, presented)))

    def _token_refusal(self, request: ClientRequest, path: str) -> Reply | None:
        rule = self._token()
        if not rule.required:
            return None
        presented = _tokens(request)
        is_label = not presented and request.header(TOKEN_HEADER_BYTES) == REDACTION_LABEL
        if is_label and request.transport is ClientTransport.HTTP:
            # A replayed flow. It was admitted with its token before, and only its owner can replay it.
            return None
        problem = token_refusal(rule, request.method, path, presented)
        return final_reply(problem, request) if problem else None

    def _upgrade_problem(self, request: ClientRequest, path: str) -> Problem | None:
        """Return why no frame of a connection would be admitted, or None."""
        presented = _tokens(request)
        return None if request.is_replay else token_refusal(self._token(), "POST", path, presented)

    def _plan_turn(self, request: ClientRequest) -> Plan:
        named = self._named(request)
        if not isinstance(named, tuple):
            return named
        if hooked := self._hooked():
            return hooked(request, self._plan_edited)
        return self._plan_routed(request, *named)

    def _plan_edited(self, request: ClientRequest) -> Plan:
        """Make the plan of a turn that the hooks have seen. It may name another model now."""
        named = self._named(request)
        return self._plan_routed(request, *named) if isinstance(named, tuple) else named

    def _named(self, request: ClientRequest) -> tuple[str, RouteTable] | Plan:
        """Return the model that a turn names, and the table that has it. A request without a turn gets its plan."""
        if media_type(request.headers) != b"application/json":
            return refuse(not_json())
        may_warm_up = request.transport is ClientTransport.WEBSOCKET or request.is_replay
        if may_warm_up and (warm_up := warm_up_plan(request)):
            return warm_up
        slug = find_model(request.body, request.header(b"content-encoding"), self._max_body_bytes())
        if isinstance(slug, Problem):
            return refuse(slug)
        table = self._turn_table(slug)
        if table.resolve(slug) is None and has_key_prefix(slug):
            request.notes.note_slug(TARGET_LABEL, thread_id_for(request))
            return refuse(_KEY_AS_MODEL)
        request.notes.note_slug(slug, thread_id_for(request))
        return slug, table

    def _plan_routed(self, request: ClientRequest, slug: str, table: RouteTable) -> Plan:
        route = self._route_for(request, slug, table)
        if route is None:
            return refuse(_unknown_slug(slug, table))
        return self._plan_on(route, request.with_model(slug), table)

    def _plan_on(self, route: Route, request: ClientRequest, table: RouteTable) -> Plan:
        if table.has_budgets and (refused := self._over_budget(request, route)):
            return answer(refused)
        request.notes.row = route.slug
        request.notes.note_route(route.provider, route.model, route_label(route))
        plan = route.make_plan(request, route)
        if request.notes.agent == WHAT_IF:
            return WhatIfPlan(plan, request.notes)
        return DescriptionPlan(plan) if request.notes.agent == PICTURE else plan

    def _route_for(self, request: ClientRequest, slug: str, table: RouteTable) -> Route | None:
        agent = agent_of(request, slug)
        request.notes.agent = agent
        if agent == USER:
            route = table.resolve(slug)
        else:
            request.notes.root = printable((root_thread_for(request) or b"").decode("latin-1"))
            request.notes.parent = printable((parent_thread_for(request) or b"").decode("latin-1"))
            # it may name a model that is offered no longer
            is_exact = agent in EXACT
            route = (
                table.resolve(slug) if is_exact else self._stand_in(request, slug, self._table())
            )
        if route and route.live:
            self._threads.note(request, route.slug, agent)
        return route

    def _stand_in(self, request: ClientRequest, slug: str, table: RouteTable) -> Route | None:
        """Return a live route for a helper call or a sub-agent, which may name a model that this user does not have."""
        is_helper = request.notes.agent != SUB_AGENT
        choices: tuple[Callable[[], str | None], ...] = (
            lambda: table.helpers if is_helper else None,
            lambda: slug,
            lambda: self._threads.slug_for(request),
            lambda: self._threads.last_slug,
            self._active_model,
        )
        for choice in choices:
            route = table.resolve(choice() or "")
            if route and route.live:
                return route
        return table.first_live or table.resolve(slug)


def is_upgrade(request: ClientRequest) -> bool:
    """Return whether a request asks for a WebSocket. With another version of HTTP it cannot (RFC 9110, 7.8)."""
    asks = (request.header(b"upgrade") or b"").lower() == b"websocket"
    return asks and request.version == "HTTP/1.1"


def _tokens(request: ClientRequest) -> Sequence[Secret]:
    return all_values(request.credentials, TOKEN_HEADER_BYTES)


def _no_such_path(path: str, endpoints: Mapping[str, Endpoint]) -> Problem:
    own = (known for known in endpoints if known not in FORWARDED)
    served = ", ".join(f"/v1{known}" if known in V1_PATHS else known for known in own)
    message = (
        f"codex-shim has no {quote(path)}. It serves {served}, and forwards the other endpoints of ChatGPT that it "
        "knows. If Codex called it, update codex-shim."
    )
    return Problem(404, "not_found", message)


def _wrong_method(method: str, path: str, methods: tuple[str, ...]) -> Reply:
    allowed = ", ".join(methods)
    message = f"{path} takes {allowed}, not {quote(method)}."
    reply = Problem(405, "method_not_allowed", message).reply()
    head = replace(reply.head, headers=(*reply.head.headers, (b"allow", allowed.encode())))
    return replace(reply, head=head)


_KEY_AS_MODEL = Problem(
    404,
    "model_not_found",
    "The model of this request has the form of a key. It was sent nowhere, and is not shown. "
    "Put the name of a model there; `codex-shim list` shows the available names.",
)


def _unknown_slug(slug: str, table: RouteTable) -> Problem:
    served = ", ".join(route.slug for route in table.live) or "none"
    return Problem(
        404,
        "model_not_found",
        f"codex-shim has no model {quote(slug)}. It serves: {served}. "
        "`codex-shim list --all` shows why other models are not offered; "
        "`aliases` in models.json gives a model another name.",
    )
