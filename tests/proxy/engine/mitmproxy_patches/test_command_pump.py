"""Commands end in the layer that takes them, and what is left reaches the handler in order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import DropStream, SendHttp
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestData
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.test import tflow

from addons.proxy.engine.mitmproxy_patches.command_pump import CommandPump

FLOW = tflow.tflow()
CLIENT = FLOW.client_conn


def child(*found: commands.Command) -> layer.Layer:
    """A layer that answers its first event with these commands, and notes what it gets."""
    left = [found]
    fake = SimpleNamespace(got=[])

    def handle_event(event: events.Event) -> tuple[commands.Command, ...]:
        fake.got.append(event)
        return left.pop() if left else ()

    fake.handle_event = handle_event
    return cast("layer.Layer", fake)


@pytest.fixture
def pump() -> CommandPump:
    engine = SimpleNamespace(run_hook=lambda _: True)
    return CommandPump(Context(CLIENT, Options()), cast("Any", engine))


def test_writes_wait_for_the_command_that_follows(pump: CommandPump) -> None:
    write, close = commands.SendData(CLIENT, b"x"), commands.CloseConnection(CLIENT)
    found = pump.event_to_child(child(write, close, write), events.Start())
    assert next(found) is close
    assert [one.data for one in pump.writes.take()] == [b"x"]
    assert list(found) == []
    assert [one.data for one in pump.writes.take()] == [b"x"]


def test_events_go_to_the_connection_and_to_the_stream_that_are_named(pump: CommandPump) -> None:
    event = RequestData(1, b"x")
    pump.connections[CLIENT] = connection = child()
    pump.streams[1] = stream = cast("Any", child())
    asks = child(SendHttp(event, CLIENT), ReceiveHttp(event), ReceiveHttp(RequestData(3, b"late")))
    assert list(pump.event_to_child(asks, events.Start())) == []
    assert cast("Any", connection).got == stream.got == [event]


def test_stream_that_is_dropped_gets_nothing_more(pump: CommandPump) -> None:
    pump.streams[1] = stream = cast("Any", child())
    asks = child(DropStream(1), ReceiveHttp(RequestData(1, b"x")))
    assert list(pump.event_to_child(asks, events.Start())) == []
    assert stream.got == []


def test_hook_that_was_run_is_completed_after_the_event(pump: CommandPump) -> None:
    hook = HttpRequestHook(FLOW)
    asks = child(hook)
    assert list(pump.event_to_child(asks, events.Start())) == []
    assert pump._due.popleft() == events.HookCompleted(hook)
    assert pump.command_sources == {hook: asks}


@pytest.mark.parametrize("has_timers", [True, False])
def test_wakeup_is_set_here_if_there_are_timers(pump: CommandPump, has_timers: bool) -> None:
    came: list[commands.RequestWakeup] = []
    pump._timers = cast("Any", SimpleNamespace(set=came.append)) if has_timers else None
    wakeup = commands.RequestWakeup(1)
    asks = child(wakeup)
    assert [*pump.event_to_child(asks, events.Start()), *came] == [wakeup]
    assert len(came) == has_timers
    assert pump.command_sources == {wakeup: asks}
