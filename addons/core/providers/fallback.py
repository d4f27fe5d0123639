"""The fallback of a row: when its own upstream cannot answer now, the next named route tries, announced.

Works for any plan, because it only looks at steps. Never does: change targets once the client was given a byte, or
follow the fallbacks of a fallback. Invariant: a plan's own second tries come first, and each route is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from addons.core.routes import PlanMaker, Route
from addons.core.turn import ClientRequest, Fault, Head, Plan, Relay, Send, Step, Synthesize

ELSEWHERE = frozenset({402, 408, 409, 429, 500, 502, 503, 504, 529})
"""Statuses that another upstream may not give: its limits, its balance and its troubles are its own."""
ANNOUNCED = b"x-codex-shim-fallback"


def with_fallbacks(make_plan: PlanMaker, others: Callable[[], Sequence[Route]]) -> PlanMaker:
    """Give the maker of plans that go on to these routes, in order. `others` is asked per turn."""

    def make(request: ClientRequest, route: Route) -> Plan:
        return FallbackPlan(request, route, make_plan(request, route), others())

    return make


class FallbackPlan:
    """One turn that may be answered by another route."""

    def __init__(
        self, request: ClientRequest, route: Route, first: Plan, others: Sequence[Route]
    ) -> None:
        self.first = first
        self._request = request
        self._route = route
        self._plan = first
        self._left = [other for other in others if other.live and other.slug != route.slug]
        self._answering = route

    def start(self) -> Step:
        """Begin with the route's own plan."""
        return self._plan.start()

    def on_head(self, head: Head) -> Step:
        """Go on elsewhere when this upstream cannot answer and its plan has no second try left."""
        step = self._plan.on_head(head)
        if head.status in ELSEWHERE and not isinstance(step, Send):
            return self._next() or step
        return self._announced(step)

    def on_body(self, head: Head, body: bytes) -> Step:
        """A refusal that another upstream would give as well."""
        return self._announced(self._plan.on_body(head, body))

    def on_fault(self, fault: Fault) -> Step:
        """Go on elsewhere when this upstream cannot be reached and its plan has no second try left."""
        step = self._plan.on_fault(fault)
        return step if isinstance(step, Send) else self._next() or step

    def _next(self) -> Step | None:
        while self._left:
            route = self._left.pop(0)
            plan = route.make_plan(self._request, route)
            plan = plan.first if isinstance(plan, FallbackPlan) else plan
            step = plan.start()
            # One that answers at once has nothing to offer: its key is missing, or it cannot read the request.
            if isinstance(step, Send | Synthesize):
                self._plan, self._answering = plan, route
                self._request.record.routed(route.provider, route.model)
                return self._announced(step)
        return None

    def _announced(self, step: Step) -> Step:
        if self._answering is self._route or not isinstance(step, Relay | Synthesize):
            return step
        words = ascii(f"{self._route.slug} -> {self._answering.slug}")[1:-1]
        field = (ANNOUNCED, words.encode())
        return replace(step, head=replace(step.head, headers=(*step.head.headers, field)))
