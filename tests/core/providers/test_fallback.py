"""Fallbacks: another route answers when the first cannot, before the client got a byte, and is announced."""

from dataclasses import dataclass, field, replace

import pytest

from addons.core.protocols.responses.observer import PassThrough
from addons.core.providers.fallback import FALLBACK_HEADER, FallbackPlan, with_fallbacks
from addons.core.routes import Route
from addons.core.secrets import Origin
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
    UpstreamRequest,
)
from tests.core.providers.rows import request

REFUSED = Answer(Reply(Head(502), b"refused"))
LOST = Fault(FaultKind.CONNECT, "refused")


def sent_request(name: str) -> UpstreamRequest:
    return UpstreamRequest(Origin("https", name, 443), "POST", "/", (), b"{}")


@dataclass
class Scripted:
    """Relays a 200 and collects any refusal, after `tries` retries."""

    name: str
    tries: int = 0
    first: Step | None = None
    bodies: list[bytes] = field(default_factory=list)

    def start(self) -> Step:
        return self.first or Send(sent_request(self.name))

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
        return Send(sent_request(self.name), 0.5) if self.tries >= 0 else None


def route(name: str, plan: Plan | None = None, hidden: str = "") -> Route:
    def make(turn: ClientRequest, own: Route) -> Plan:
        assert turn.body
        assert own.slug == name
        return plan or Scripted(name)

    return Route(name, name, name, name, {}, make, hidden)


def plan_of(first: Route, *others: Route) -> Plan:
    plan = with_fallbacks(first.make_plan, lambda: others)(request(), first)
    assert isinstance(plan.start(), Send)
    return plan


def host(step: Step) -> str:
    assert isinstance(step, Send)
    return step.request.origin.host


def announced(step: Step) -> bytes | None:
    assert isinstance(step, Relay)
    return step.head.header(FALLBACK_HEADER)


@pytest.mark.parametrize("status", [402, 408, 409, 429, 500, 502, 503, 504, 529])
def test_next_route_answers_and_is_announced(status: int) -> None:
    plan = plan_of(route("a"), route("b"), route("c"))
    step = plan.on_head(Head(status))
    if status == 500:
        assert step == Collect(100)  # the body may say how to repair the request
        step = plan.on_body(Head(status), b"broken")
    assert host(step) == "b"
    assert announced(plan.on_head(Head(200))) == b"a -> b"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_refusal_caused_by_the_request_is_reported(status: int) -> None:
    plan = plan_of(route("a"), route("b"))
    assert plan.on_head(Head(status)) == Collect(100)
    assert plan.on_body(Head(status), b"why") is REFUSED


def test_first_route_is_not_announced() -> None:
    assert announced(plan_of(route("a"), route("b")).on_head(Head(200))) is None


def test_own_retries_come_first() -> None:
    plan = plan_of(route("a", Scripted("a", tries=2)), route("b"))
    assert [host(plan.on_head(Head(503))) for _ in range(3)] == ["a", "a", "b"]


def test_unreachable_upstream_is_replaced() -> None:
    plan = plan_of(route("a", Scripted("a", tries=1)), route("b"))
    assert [host(plan.on_fault(LOST)) for _ in range(2)] == ["a", "b"]


def test_each_route_is_tried_once_and_the_last_refusal_is_reported() -> None:
    last = Scripted("c")
    plan = plan_of(route("a"), route("b"), route("c", last))
    assert [host(plan.on_head(Head(429))) for _ in range(2)] == ["b", "c"]
    assert plan.on_head(Head(429)) == Collect(100)
    plan.on_body(Head(429), b"slow down")
    assert last.bodies == [b"slow down"]


def test_hidden_routes_the_route_itself_and_routes_without_key_are_skipped() -> None:
    no_key = route("c", Scripted("c", first=REFUSED))
    plan = plan_of(route("a"), route("a"), route("b", hidden="no key"), no_key, route("d"))
    assert host(plan.on_head(Head(429))) == "d"


def test_fallbacks_of_a_fallback_are_not_followed() -> None:
    """Two rows that name each other do not loop."""
    a, b = route("a"), route("b")
    b = replace(b, make_plan=with_fallbacks(b.make_plan, lambda: [a]))
    plan = with_fallbacks(a.make_plan, lambda: [b])(request(), a)
    plan.start()
    assert isinstance(plan, FallbackPlan)
    assert host(plan.on_head(Head(429))) == "b"
    assert plan.on_head(Head(429)) == Collect(100)


def test_slug_with_other_letters_is_escaped_in_the_header() -> None:
    plan = plan_of(route("ä\n"), route("b"))
    plan.on_head(Head(429))
    assert announced(plan.on_head(Head(200))) == rb"\xe4\n -> b"


def test_warm_up_costs_nothing_elsewhere() -> None:
    first, other = route("first"), route("other")
    warm_up = replace(request(), frame=b'{"generate":false}')
    plan = with_fallbacks(first.make_plan, lambda: [other])(warm_up, first)
    plan.start()
    assert isinstance(plan.on_head(Head(429)), Collect)
    assert plan.on_fault(LOST) is REFUSED
