"""Fallbacks: another route answers when the first cannot, before anyone notices, and its name is told."""

from dataclasses import dataclass, field, replace

import pytest

from addons.core.credential import Origin
from addons.core.providers.fallback import ANNOUNCED, FallbackPlan, with_fallbacks
from addons.core.providers.passthrough import PassThrough
from addons.core.routes import Route
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Relay,
    Reply,
    Send,
    Step,
    WireRequest,
)
from tests.core.providers.rows import request

REFUSED = Answer(Reply(Head(502), b"refused"))
LOST = Fault(FaultKind.CONNECT, "refused")


def wire(name: str) -> WireRequest:
    return WireRequest(Origin("https", name, 443), "POST", "/", (), b"{}")


@dataclass
class Scripted:
    """Relays a 200, reads any refusal; `tries` further tries come first."""

    name: str
    tries: int = 0
    first: Step | None = None
    bodies: list[bytes] = field(default_factory=list)

    def start(self) -> Step:
        return self.first or Send(wire(self.name))

    def on_head(self, head: Head) -> Step:
        if head.status == 200:
            return Relay(Head(200, ((b"x-from", self.name.encode()),)), PassThrough())
        return self._again() or Collect(100)

    def on_body(self, head: Head, body: bytes) -> Step:
        assert head.status
        self.bodies.append(body)
        return REFUSED

    def on_fault(self, fault: Fault) -> Step:
        assert fault.kind
        return self._again() or REFUSED

    def _again(self) -> Step | None:
        self.tries -= 1
        return Send(wire(self.name), 0.5) if self.tries >= 0 else None


def route(name: str, plan: Plan | None = None, hidden: str = "") -> Route:
    def make(asked: ClientRequest, own: Route) -> Plan:
        assert asked.body
        assert own.slug == name
        return plan or Scripted(name)

    return Route(name, name, name, name, {}, make, hidden)


def plan_of(first: Route, *others: Route) -> Plan:
    plan = with_fallbacks(first.make_plan, lambda: others)(request(), first)
    assert isinstance(plan.start(), Send)
    return plan


def host(step: Step) -> str:
    assert isinstance(step, Send)
    return step.wire.origin.host


def announced(step: Step) -> bytes | None:
    assert isinstance(step, Relay)
    return step.head.header(ANNOUNCED)


@pytest.mark.parametrize("status", [402, 408, 409, 429, 500, 502, 503, 504, 529])
def test_the_next_route_answers_and_is_named(status: int) -> None:
    plan = plan_of(route("a"), route("b"), route("c"))
    assert host(plan.on_head(Head(status))) == "b"
    assert announced(plan.on_head(Head(200))) == b"a -> b"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_refusal_that_is_the_requests_own_fault_is_told(status: int) -> None:
    plan = plan_of(route("a"), route("b"))
    assert plan.on_head(Head(status)) == Collect(100)
    assert plan.on_body(Head(status), b"why") is REFUSED


def test_the_first_route_announces_nothing() -> None:
    assert announced(plan_of(route("a"), route("b")).on_head(Head(200))) is None


def test_own_second_tries_come_first() -> None:
    plan = plan_of(route("a", Scripted("a", tries=2)), route("b"))
    assert [host(plan.on_head(Head(503))) for _ in range(3)] == ["a", "a", "b"]


def test_an_upstream_that_cannot_be_reached_is_replaced() -> None:
    plan = plan_of(route("a", Scripted("a", tries=1)), route("b"))
    assert [host(plan.on_fault(LOST)) for _ in range(2)] == ["a", "b"]


def test_each_is_asked_once_and_the_last_refusal_is_told() -> None:
    last = Scripted("c")
    plan = plan_of(route("a"), route("b"), route("c", last))
    assert [host(plan.on_head(Head(429))) for _ in range(2)] == ["b", "c"]
    assert plan.on_head(Head(429)) == Collect(100)
    plan.on_body(Head(429), b"slow down")
    assert last.bodies == [b"slow down"]


def test_hidden_routes_itself_and_those_without_a_key_are_passed_over() -> None:
    no_key = route("c", Scripted("c", first=REFUSED))
    plan = plan_of(route("a"), route("a"), route("b", hidden="no key"), no_key, route("d"))
    assert host(plan.on_head(Head(429))) == "d"


def test_the_fallbacks_of_a_fallback_are_not_followed() -> None:
    """Two rows that name each other end."""
    a, b = route("a"), route("b")
    b = replace(b, make_plan=with_fallbacks(b.make_plan, lambda: [a]))
    plan = with_fallbacks(a.make_plan, lambda: [b])(request(), a)
    plan.start()
    assert isinstance(plan, FallbackPlan)
    assert host(plan.on_head(Head(429))) == "b"
    assert plan.on_head(Head(429)) == Collect(100)


def test_a_slug_of_other_letters_is_announced_plainly() -> None:
    plan = plan_of(route("ä\n"), route("b"))
    plan.on_head(Head(429))
    assert announced(plan.on_head(Head(200))) == rb"\xe4\n -> b"
