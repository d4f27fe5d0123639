"""Fallbacks: another route answers when the first cannot, before the client got a byte, and is announced."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from addons.core.errors import SSE_HEADERS
from addons.core.protocols.responses.observer import PassThrough
from addons.core.providers.fallback import (
    FallbackPlan,
    Fallbacks,
)
from addons.core.routes import Cause, Route
from addons.core.turn import (
    Answer,
    Collect,
    Head,
    Prepare,
    Relay,
    Reply,
    Send,
    Step,
)
from tests.core.providers.fallback_turns import (
    LOST,
    NOW,
    REFUSED,
    USED_UP,
    USER_MESSAGE,
    Scripted,
    Setup,
    announced,
    begun,
    body,
    host,
    plan_of,
    refused,
    route,
    sent_request,
    shown,
)
from tests.core.providers.rows import request


@pytest.mark.parametrize("status", [401, 402, 403, 408, 409, 429, 500, 502, 503, 504, 529])
def test_next_route_answers_and_is_announced(status: int) -> None:
    plan = plan_of(route("a"), route("b"), route("c"))
    assert host(refused(plan, status)) == "b"
    assert announced(plan.on_head(Head(200))) == b"a -> b"


@pytest.mark.parametrize("status", [401, 402, 403, 429, 500])
def test_refusal_is_read_before_the_next_route_is_asked(status: int) -> None:
    """It may say how to repair the request, and when a limit is reset."""
    assert isinstance(plan_of(route("a"), route("b")).on_head(Head(status)), Collect)


def test_refused_content_is_not_sent_to_another_service() -> None:
    plan = plan_of(route("a"), route("b"))
    content = b'{"error":{"code":"content_policy_violation","message":"no"}}'
    assert refused(plan, 403, content) is REFUSED


def test_body_that_the_plan_did_not_ask_for_is_passed_on_when_no_other_route_can_answer() -> None:
    @dataclass
    class Passes(Scripted):
        def on_head(self, head: Head) -> Step:
            return Relay(Head(head.status, ((b"x-own", b"1"),)), PassThrough())

    no_key = route("b", Scripted("b", first=REFUSED))
    step = refused(plan_of(route("a", Passes("a")), no_key), 429, b"used up")
    assert step == Answer(Reply(Head(429, ((b"x-own", b"1"),)), b"used up"))


def test_body_that_was_compressed_is_passed_on_as_plain_text() -> None:
    """The engine hands a plan the plain text, and a head without the coding."""

    @dataclass
    class Passes(Scripted):
        def on_head(self, head: Head) -> Step:
            return Relay(head, PassThrough())

    plan = plan_of(route("a", Passes("a")), route("b", Scripted("b", first=REFUSED)))
    plan.on_head(Head(429, ((b"content-encoding", b"gzip"),)))
    assert plan.on_body(Head(429), b"used up") == Answer(Reply(Head(429), b"used up"))


@pytest.mark.parametrize("status", [400, 404, 413, 422])
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
    assert [host(refused(plan)) for _ in range(2)] == ["b", "c"]
    assert plan.on_head(Head(429)) == Collect(100)
    plan.on_body(Head(429), b"slow down")
    assert last.bodies == [b"slow down"]


def test_hidden_routes_the_route_itself_and_routes_without_key_are_skipped() -> None:
    no_key = route("c", Scripted("c", first=REFUSED))
    plan = plan_of(route("a"), route("a"), route("b", hidden="no key"), no_key, route("d"))
    assert host(refused(plan)) == "d"


def test_fallbacks_of_a_fallback_are_not_followed() -> None:
    """Two rows that name each other do not loop."""
    a, b = route("a"), route("b")
    b = replace(b, make_plan=Fallbacks(lambda: NOW).maker(b.make_plan, lambda: [a]))
    plan = Fallbacks(lambda: NOW).maker(a.make_plan, lambda: [b])(request(), a)
    plan.start()
    assert isinstance(plan, FallbackPlan)
    assert host(refused(plan)) == "b"
    assert plan.on_head(Head(429)) == Collect(100)


def test_slug_with_other_letters_is_escaped_in_the_header() -> None:
    plan = plan_of(route("ä\n"), route("b"))
    refused(plan)
    assert announced(plan.on_head(Head(200))) == rb"\xe4\n -> b"


def test_warm_up_costs_nothing_elsewhere() -> None:
    first, other = route("first"), route("other")
    warm_up = replace(request(), frame=b'{"generate":false}')
    plan = Fallbacks(lambda: NOW).maker(first.make_plan, lambda: [other])(warm_up, first)
    plan.start()
    assert isinstance(plan.on_head(Head(429)), Collect)
    assert plan.on_fault(LOST) is REFUSED


def test_fallback_beyond_a_budget_is_passed_over() -> None:
    first, dear, cheap = route("a"), route("b"), route("c")
    shared = Fallbacks(lambda: NOW, affords=lambda _, other: other is not dear)
    plan = shared.maker(first.make_plan, lambda: [dear, cheap])(request(), first)
    plan.start()
    assert host(refused(plan, 402)) == "c"
    assert dear.circuit.opening is None


# Notices --------------------------------------------------------------------------------------------------


TOOL_OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "done"}


def test_user_sees_why_another_model_answers() -> None:
    setup = Setup()
    plan = setup.turn(body=body(USER_MESSAGE))
    refused(plan, 429, USED_UP)
    until = datetime.fromtimestamp(NOW + 3_600).astimezone().strftime("%H:%M")
    line = f"a is used up until {until}; answered by b."
    assert shown(begun(plan)).endswith(line)
    again = setup.turn(body=body(USER_MESSAGE))
    again.start()
    assert shown(begun(again)).endswith(line)
    assert again.on_head(Head(200))


def test_requests_after_the_first_of_a_turn_do_not_repeat_it() -> None:
    setup = Setup()
    plan = setup.turn(body=body(USER_MESSAGE, TOOL_OUTPUT))
    refused(plan, 429, USED_UP)
    assert shown(begun(plan))
    again = setup.turn(body=body(USER_MESSAGE, TOOL_OUTPUT))
    again.start()
    assert not shown(begun(again))


CODED = (b"content-encoding", b"gzip")


@pytest.mark.parametrize(
    "head",
    [
        Head(200, ((b"content-type", b"application/json"),)),
        Head(200, (*SSE_HEADERS, CODED)),
        Head(400, ((b"content-type", b"application/json"),)),
    ],
)
def test_answer_that_is_no_plain_event_stream_stays_as_it_is(head: Head) -> None:
    """A notice cannot be written into it, and looking for a place for one would hold its bytes back."""

    @dataclass
    class Passes(Scripted):
        def on_head(self, head: Head) -> Step:
            return Relay(head, PassThrough())

    setup = Setup(others=[route("b", Passes("b"))])
    plan = setup.turn(body=body(USER_MESSAGE))
    refused(plan, 429, USED_UP)
    step = plan.on_head(head)
    assert isinstance(step, Relay)
    assert step.translator.feed(b'{"error":{}}') + step.translator.finish() == b'{"error":{}}'


@pytest.mark.parametrize("agent", ["title", "review"])
def test_helper_call_gets_the_answer_alone(agent: str) -> None:
    turn = Setup()
    plan = turn.turn(body=body(USER_MESSAGE))
    assert isinstance(plan, FallbackPlan)
    plan._request.notes.agent = agent
    refused(plan, 429, USED_UP)
    assert not shown(begun(plan))


def test_sdk_client_gets_the_answer_alone() -> None:
    plan = Setup().turn(headers=())
    refused(plan, 429, USED_UP)
    assert not shown(begun(plan))


async def _nothing() -> None: ...


def test_fallback_may_prepare_before_it_is_sent() -> None:
    prepare = Prepare(_nothing, lambda: Send(sent_request("b")))
    plan = plan_of(route("a"), route("b", Scripted("b", first=prepare)))
    assert refused(plan) is prepare
    assert announced(plan.on_head(Head(200))) == b"a -> b"


@dataclass
class Sliced(Scripted):
    """Works in slices."""

    slices: int = 2

    def slice(self) -> bool:
        self.slices -= 1
        return self.slices > 0


def test_plan_of_the_route_works_in_its_own_slices_if_it_is_asked_first() -> None:
    def made(hidden: str = "") -> tuple[Any, Route]:
        first = route("a", Sliced("a"), hidden)
        maker = Fallbacks(lambda: NOW).maker(first.make_plan, lambda: [route("b")])
        return maker(request(), first), first

    asked, _ = made()
    assert [asked.slice(), asked.slice()] == [True, False]
    hidden, _ = made(hidden="no key")
    assert hidden.slice() is False
    closed, own = made()
    own.circuit.failed(Cause.USED_UP, NOW, NOW + 60, own.circuit.asked)
    assert closed.slice() is False
