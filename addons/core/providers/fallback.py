"""The fallback of a row: when its own upstream cannot answer now, the next named route is tried and announced.

Works with any plan, because it only inspects steps. Never changes the route once the client got a byte, and never
follows the fallbacks of a fallback. Invariant: a plan's own retries come first, and each route is tried once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from addons.core.protocols.responses.websocket_upstream import is_warm_up
from addons.core.routes import PlanMaker, Route
from addons.core.settings.labels import route_label
from addons.core.turn import (
    ClientRequest,
    Collect,
    Fault,
    Head,
    Plan,
    Relay,
    Send,
    Step,
    StreamLocal,
)

FALLBACK_STATUSES = frozenset({402, 408, 409, 429, 500, 502, 503, 504, 529})
"""Statuses that are specific to one upstream: its limits, its balance and its failures."""
READ_FIRST = frozenset({500})
"""Statuses whose body a plan reads first: it may say how to repair the request."""
FALLBACK_HEADER = b"x-codex-shim-fallback"


def with_fallbacks(make_plan: PlanMaker, others: Callable[[], Sequence[Route]]) -> PlanMaker:
    """Return a maker of plans that fall back to these routes, in order. `others` is called once per turn."""

    def make(request: ClientRequest, route: Route) -> Plan:
        return FallbackPlan(request, route, make_plan(request, route), others())

    return make


class FallbackPlan:
    """One turn that another route may answer."""

    def __init__(
        self, request: ClientRequest, route: Route, first: Plan, others: Sequence[Route]
    ) -> None:
        self.first = first
        self._request = request
        self._route = route
        self._plan = first
        # a warm-up would be a request that costs money elsewhere
        others = () if is_warm_up(request.frame) else others
        self._left = [other for other in others if other.live and other.slug != route.slug]
        self._answering = route

    def start(self) -> Step:
        """Start the route's own plan."""
        return self._plan.start()

    def on_head(self, head: Head) -> Step:
        """Fall back when this upstream cannot answer and its plan has no retry left."""
        step = self._plan.on_head(head)
        reads = head.status in READ_FIRST and isinstance(step, Collect)
        if head.status in FALLBACK_STATUSES and not isinstance(step, Send) and not reads:
            return self._next() or step
        return self._announced(step)

    def on_body(self, head: Head, body: bytes) -> Step:
        """Pass on a refusal that any other upstream would repeat; fall back after one that it may not."""
        step = self._plan.on_body(head, body)
        if head.status in READ_FIRST and not isinstance(step, Send):
            return self._next() or step
        return self._announced(step)

    def on_fault(self, fault: Fault) -> Step:
        """Fall back when this upstream cannot be reached and its plan has no retry left."""
        step = self._plan.on_fault(fault)
        return step if isinstance(step, Send) else self._next() or step

    def _next(self) -> Step | None:
        while self._left:
            route = self._left.pop(0)
            plan = route.make_plan(self._request, route)
            plan = plan.first if isinstance(plan, FallbackPlan) else plan
            step = plan.start()
            # A plan that answers at once cannot help: its key is missing, or it cannot read the request.
            if isinstance(step, Send | StreamLocal):
                self._plan, self._answering = plan, route
                self._request.notes.note_route(route.provider, route.model, route_label(route))
                return self._announced(step)
        return None

    def _announced(self, step: Step) -> Step:
        if self._answering is self._route or not isinstance(step, Relay | StreamLocal):
            return step
        value = ascii(f"{self._route.slug} -> {self._answering.slug}")[1:-1]
        field = (FALLBACK_HEADER, value.encode())
        return replace(step, head=replace(step.head, headers=(*step.head.headers, field)))
