"""A stream pauses only at commands whose reply is not known yet, and keeps the order of its events."""

from __future__ import annotations

from collections.abc import Iterator

from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.test import tflow

from addons.proxy.engine.mitmproxy_patches.command_pump import PromptStream, Reply


class Host:
    """Knows the reply to a number of commands."""

    def __init__(self, known: int) -> None:
        self.known = known

    def reply_at_once(self, _: commands.Command) -> Reply | None:
        self.known -= 1
        return ("at once",) if self.known >= 0 else None


class Asks(PromptStream):
    """Runs a hook at each event, and notes the event and the reply."""

    def __init__(self, known: int) -> None:
        flow = tflow.tflow()
        super().__init__(Context(flow.client_conn, Options()), 1)
        self.flow = flow
        self._layer = Host(known)
        self.notes: list[tuple[events.Event, object]] = []

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        reply = yield HttpRequestHook(self.flow)
        self.notes.append((event, reply))
        yield commands.Log("noted")


def feed(stream: Asks, event: events.Event) -> Iterator[type[commands.Command]]:
    return (type(command) for command in stream.handle_event(event))


def test_known_reply_does_not_pause_the_stream() -> None:
    stream, event = Asks(1), events.Start()
    assert list(feed(stream, event)) == [commands.Log]
    assert stream.notes == [(event, "at once")]


def test_events_wait_behind_a_reply_that_takes_time() -> None:
    stream, first, second, third = (
        Asks(0),
        *(events.Wakeup(commands.RequestWakeup(n)) for n in range(3)),
    )
    (hook,) = stream.handle_event(first)
    assert hook.blocking is stream
    assert list(feed(stream, second)) == list(feed(stream, third)) == []
    assert isinstance(stream._layer, Host)
    stream._layer.known = 1
    assert isinstance(hook, HttpRequestHook)
    found = list(feed(stream, events.HookCompleted(hook)))
    assert found == [commands.Log, commands.Log, HttpRequestHook]
    assert stream.notes == [(first, None), (second, "at once")]
    assert not stream._paused_event_queue
