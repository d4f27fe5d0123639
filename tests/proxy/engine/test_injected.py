"""A message reaches the stream that it names, and only while the flow is that stream's."""

from __future__ import annotations

import pytest
from mitmproxy.test import tflow

from addons.core.turn import Fault, FaultKind
from addons.proxy.engine.injected import ConnectDeadline, Injected, InjectedEvent, Signal
from tests.support.driver import Driver
from tests.support.engine import only_stream, to_ports

FAULT = Fault(FaultKind.KILLED, "killed")


def held() -> Driver:
    driver = Driver(to_ports(1))
    driver.post()
    return driver


def test_fault_ends_the_turn_that_waits_for_a_connection() -> None:
    driver = held()
    stream = only_stream(driver.engine)
    stream.mark_for_termination(FAULT)
    driver.feed(InjectedEvent(stream.flow, Injected(1, Signal.FAULT, fault=FAULT)))
    assert driver.answer.startswith(b"HTTP/1.1 503 ")
    assert b"ended by hand" in driver.answer
    assert (driver.engine.live_turns, driver.layer.streams) == (0, {})


@pytest.mark.parametrize("stream_id", [1, 3])
def test_message_for_another_flow_or_stream_is_dropped(stream_id: int) -> None:
    driver = held()
    flow = tflow.tflow() if stream_id == 1 else only_stream(driver.engine).flow
    driver.feed(InjectedEvent(flow, Injected(stream_id, Signal.FAULT, fault=FAULT)))
    assert (driver.answer, driver.engine.live_turns) == (b"", 1)


def test_data_of_a_local_source_is_dropped_while_no_source_runs() -> None:
    driver = held()
    driver.data(driver.open(), b"")
    flow = only_stream(driver.engine).flow
    for signal in (Signal.DATA, Signal.END):
        driver.feed(InjectedEvent(flow, Injected(1, signal, b"late")))
    assert (driver.answer, driver.engine.live_turns) == (b"", 1)


def test_connect_deadline_wakes_the_layer_while_the_stream_is_paused() -> None:
    driver = held()
    (deadline,) = [wakeup for wakeup in driver.wakeups if isinstance(wakeup, ConnectDeadline)]
    assert deadline.delay == driver.limits.connect_seconds
