"""Orders of events that sockets cannot be made to show: late, early and while the turn is paused."""

import gc
import weakref
from dataclasses import dataclass, field

import pytest
from mitmproxy.proxy import events
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    ResponseData,
    ResponseEndOfMessage,
    ResponseProtocolError,
)

from addons.core.turn import ClientRequest, Fault, Head, Plan, Relay, Send, Step
from addons.proxy.engine.ending import KILLED
from tests.boundary.scripts import DONE, EVENT
from tests.support.driver import Driver
from tests.support.engine import Plain, ScriptedPlan, only_stream, wire_to

SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


WHOLE = SSE + chunk(EVENT) + chunk(DONE) + b"0\r\n\r\n"


def two_attempts(request: ClientRequest) -> Plan:
    wires = [wire_to(1, request), wire_to(2, request)]
    return ScriptedPlan(request, wires, frozenset({503}))


def late_events(wire_id: int) -> list[ReceiveHttp]:
    return [
        ReceiveHttp(ResponseData(wire_id, b"late")),
        ReceiveHttp(ResponseEndOfMessage(wire_id)),
        ReceiveHttp(ResponseProtocolError(wire_id, "late", ErrorCode.GENERIC_SERVER_ERROR)),
    ]


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_late_event_of_an_abandoned_stream_id_is_dropped(kind: int) -> None:
    driver = Driver(two_attempts)
    driver.post()
    first = driver.open()
    turn = driver.layer.streams[1]
    abandoned = next(id_ for id_ in driver.layer.streams if id_ != 1)
    driver.data(first, BUSY)
    second = driver.open()
    late = late_events(abandoned)[kind].event
    assert abandoned not in driver.layer.streams
    list(driver.layer.event_to_child(turn, late))
    assert driver.answer == b""
    driver.data(second, WHOLE)
    assert driver.answer.count(b"HTTP/1.1 200") == 1
    assert b"late" not in driver.answer
    assert driver.answer.endswith(chunk(EVENT + DONE) + b"0\r\n\r\n")


def test_wire_ids_are_even_and_never_used_twice() -> None:
    seen: set[int] = set()
    driver = Driver(two_attempts)
    for _ in range(3):
        driver.post()
        while driver.opening or len(driver.layer.streams) > 1:
            fresh = {id_ for id_ in driver.layer.streams if id_ % 2 == 0}
            assert not fresh & seen or len(fresh) == 1
            seen |= fresh
            if driver.opening:
                connection = driver.open()
            driver.data(connection, BUSY if len(seen) % 2 else WHOLE)
            seen |= {id_ for id_ in driver.layer.streams if id_ % 2 == 0}
    assert seen
    assert all(id_ % 2 == 0 for id_ in seen)


def test_data_of_a_closed_connection_is_ignored() -> None:
    driver = Driver(two_attempts)
    driver.post()
    first = driver.open()
    driver.data(first, BUSY)
    assert first in driver.closed
    second = driver.open()
    driver.data(first, b"more of the old body")
    driver.close(first)
    driver.data(second, WHOLE)
    assert driver.answer.endswith(chunk(EVENT + DONE) + b"0\r\n\r\n")


def test_parser_of_a_closed_connection_is_released() -> None:
    driver = Driver(two_attempts)
    driver.post()
    first = driver.open()
    parser = weakref.ref(driver.layer.connections[first].context.layers[-1])
    driver.data(first, BUSY)
    assert first in driver.closed
    gc.collect()
    assert parser() is None


def test_client_that_leaves_while_a_hook_is_held_ends_the_turn_after_it() -> None:
    driver = Driver(two_attempts, holds="request")
    driver.post()
    assert driver.engine.live_turns == 1
    driver.close(driver.client)
    assert driver.engine.live_turns == 1
    driver.holds = ""
    driver.finish_hook()
    assert driver.engine.live_turns == 0
    assert driver.opening == []
    assert driver.layer.streams == {}


def test_client_that_leaves_while_connecting_ends_the_connect_at_once() -> None:
    driver = Driver(two_attempts)
    driver.post()
    assert len(driver.opening) == 1
    driver.close(driver.client)
    assert driver.engine.live_turns == 0
    assert driver.opening[0].connection in driver.closed
    driver.open("connection cancelled")
    assert driver.opening == []
    assert driver.sent == {}


def test_connection_that_opens_after_the_turn_gave_it_up_is_not_used() -> None:
    driver = Driver(two_attempts)
    driver.post()
    driver.close(driver.client)
    late = driver.open()
    assert driver.sent.get(late) is None
    assert late not in driver.layer.connections


def test_wakeup_after_the_end_does_nothing() -> None:
    driver = Driver(two_attempts)
    driver.post()
    driver.data(driver.open(), WHOLE)
    before = driver.answer
    assert driver.layer.command_sources == {}
    driver.now += 1000
    for wakeup in driver.wakeups:
        driver.feed(events.Wakeup(wakeup))
    assert driver.answer == before
    driver.post()
    assert driver.engine.live_turns == 1


def test_stale_wakeup_does_not_beat_twice() -> None:
    driver = Driver(two_attempts)
    driver.post()
    driver.data(driver.open(), SSE + chunk(EVENT))
    asked = [wakeup for wakeup in driver.wakeups if wakeup.delay < driver.limits.connect_seconds]
    driver.now += driver.limits.heartbeat_seconds
    driver.feed(events.Wakeup(asked[-1]))
    driver.feed(events.Wakeup(asked[-1]))
    assert driver.answer.count(b"event: response.heartbeat") == 1


def test_upstream_end_while_a_hook_is_held_is_handled_afterwards() -> None:
    driver = Driver(two_attempts, holds="responseheaders")
    driver.post()
    up = driver.open()
    driver.data(up, WHOLE)
    driver.close(up)
    assert driver.answer == b""
    driver.holds = ""
    driver.finish_hook()
    assert driver.answer.endswith(chunk(EVENT + DONE) + b"0\r\n\r\n")
    assert driver.layer.streams == {}


def test_kill_is_answered_although_the_upstream_has_closed() -> None:
    driver = Driver(two_attempts, holds="responseheaders")
    driver.post()
    up = driver.open()
    driver.data(up, SSE + chunk(EVENT))
    driver.close(up)
    only_stream(driver.engine).mark_for_termination(KILLED)
    driver.holds = ""
    driver.finish_hook()
    assert b"HTTP/1.1 503" in driver.answer
    assert driver.engine.live_turns == 0


@dataclass
class Failover:
    """Tries the ports in order and keeps each fault."""

    request: ClientRequest
    ports: list[int]
    faults: list[Fault] = field(default_factory=list)

    def start(self) -> Step:
        return Send(wire_to(self.ports.pop(0), self.request))

    def on_head(self, head: Head) -> Step:
        return Relay(head, Plain())

    def on_body(self, head: Head, body: bytes) -> Step:
        raise AssertionError(head, body)

    def on_fault(self, fault: Fault) -> Step:
        self.faults.append(fault)
        return self.start()


def test_failed_connections_are_not_kept() -> None:
    plan: list[Failover] = []

    def make(request: ClientRequest) -> Plan:
        plan.append(Failover(request, [1] * 50))
        return plan[-1]

    driver = Driver(make)
    driver.post()
    for _ in range(49):
        driver.open("refused")
    assert len(plan[0].faults) == 49
    assert len(driver.layer.connections) == 2
    driver.data(driver.open(), WHOLE)
    assert driver.answer.endswith(b"0\r\n\r\n")
