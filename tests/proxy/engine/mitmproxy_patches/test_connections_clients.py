"""A client that is served by one task: it ends as under mitmproxy's own handler, whoever ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer, mode_servers
from mitmproxy.proxy.mode_specs import ProxyMode

from addons.proxy.engine.mitmproxy_patches.connections import (
    ClientHandler,
    DirectNextLayer,
    call_hooks_directly,
)
from tests.support.waiting import until

MODE = ProxyMode.parse("reverse:http://127.0.0.1:9")


class Echo(layer.Layer):
    """Returns what the client sends. At `bye` it closes the connection."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            yield commands.SendData(event.connection, event.data)
            if event.data == b"bye":
                yield commands.CloseConnection(event.connection)
        elif isinstance(event, events.ConnectionClosed):
            yield commands.CloseConnection(event.connection)


class Hooks:
    """An addon that notes the hooks of clients."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.refuses = False

    def client_connected(self, client: Client) -> None:
        self.heard.append("connected")
        client.error = "refused" if self.refuses else None

    def client_disconnected(self, _: Client) -> None:
        self.heard.append("disconnected")

    def next_layer(self, asked: layer.NextLayer) -> None:
        self.heard.append(type(asked).__name__)
        asked.layer = Echo(asked.context)


class Waits:
    """An addon of which a hook waits."""

    has_waited = False

    async def next_layer(self, _: layer.NextLayer) -> None:
        await asyncio.sleep(0)
        self.has_waited = True


class Listener:
    """A listener in reverse mode with the clients that it serves."""

    def __init__(self, *more: object, **changed: Any) -> None:
        self.hooks, self.proxyserver = Hooks(), Proxyserver()
        self.master = Master(Options())
        self.master.addons.add(self.proxyserver, self.hooks, *more)
        self.master.options.update(**{"connection_strategy": "lazy", **changed})
        call_hooks_directly(self.master)
        self.handlers: list[ClientHandler] = []
        self.instance: Any = mode_servers.ServerInstance.make(MODE, self.proxyserver)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.instance.handle_stream(reader, writer)

    @property
    def handler(self) -> ClientHandler:
        (found,) = self.proxyserver.connections.values()
        assert isinstance(found, ClientHandler)
        return found

    @property
    def reading(self) -> asyncio.Task[None]:
        """What ends the connection when it is cancelled."""
        task = self.handler.transports[self.handler.client].handler
        assert task
        return task


@contextlib.asynccontextmanager
async def connected(
    *more: object, **changed: Any
) -> AsyncIterator[tuple[Listener, asyncio.StreamReader, asyncio.StreamWriter]]:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    listener = Listener(*more, **changed)
    async with await asyncio.start_server(listener.accept, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield listener, reader, writer
        writer.close()
        await until(lambda: not listener.proxyserver.connections)
        assert listener.hooks.heard.count("disconnected") == 1


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    return await reader.readexactly(len(data))


async def test_addons_are_asked_for_the_layer_once_and_without_a_task() -> None:
    async with connected() as (listener, reader, writer):
        assert await echoed(reader, writer, b"one") == b"one"
        tasks = len(asyncio.all_tasks())
        assert await echoed(reader, writer, b"two") == b"two"
        assert len(asyncio.all_tasks()) == tasks
        assert listener.hooks.heard == ["connected", DirectNextLayer.__name__]


@pytest.mark.parametrize(
    ("more", "changed"), [((Waits(),), {}), ((), {"connection_strategy": "eager"})]
)
async def test_mitmproxy_asks_where_an_addon_waits_or_the_target_is_dialled(
    more: tuple[object, ...], changed: dict[str, str]
) -> None:
    async with connected(*more, **changed) as (listener, reader, writer):
        if not changed:
            assert await echoed(reader, writer, b"one") == b"one"
            assert listener.hooks.heard == ["connected", DirectNextLayer.__name__]
            assert more[0].has_waited  # type: ignore[attr-defined]
        else:
            # nothing listens at the target
            assert await reader.read() == b""


async def test_addon_that_was_added_after_the_client_came_may_wait() -> None:
    async with connected() as (listener, reader, writer):
        await until(lambda: listener.hooks.heard == ["connected"])
        waits = Waits()
        listener.master.addons.add(waits)
        assert await echoed(reader, writer, b"one") == b"one"
        assert waits.has_waited
        assert await echoed(reader, writer, b"two") == b"two"


async def test_layer_and_client_may_end_the_connection() -> None:
    async with connected() as (_, reader, writer):
        assert await echoed(reader, writer, b"bye") == b"bye"
        assert await reader.read() == b""
    async with connected() as (_, reader, writer):
        assert await echoed(reader, writer, b"one") == b"one"
        writer.write_eof()
        assert await reader.read() == b""


async def test_whoever_cancels_the_task_ends_the_connection_and_the_rest_is_still_done() -> None:
    async with connected() as (listener, reader, writer):
        assert await echoed(reader, writer, b"one") == b"one"
        left_behind = asyncio.ensure_future(asyncio.Event().wait())
        server = listener.handler.layer.context.server
        listener.handler.transports[server] = type(
            listener.handler.transports[listener.handler.client]
        )(handler=left_behind)
        task = listener.reading
        task.cancel()
        task.cancel()
        assert await reader.read() == b""
        await until(lambda: not listener.proxyserver.connections)
        assert left_behind.cancelled()
        assert task.done()
        assert not task.cancelled()


async def test_task_that_is_cancelled_while_it_waits_for_the_event_lock_closes_its_connection() -> (
    None
):
    async with connected() as (listener, reader, writer):
        assert await echoed(reader, writer, b"one") == b"one"
        lock = listener.handler._server_event_lock
        async with lock:
            writer.write(b"two")
            await until(lambda: lock._waiters)
            listener.reading.cancel()
            await asyncio.sleep(0)
        assert await reader.read() == b""


async def test_client_that_is_refused_is_closed() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    listener = Listener()
    listener.hooks.refuses = True
    async with await asyncio.start_server(listener.accept, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
    assert listener.hooks.heard == ["connected", "disconnected"]


async def test_exception_of_the_reading_is_logged_and_the_connection_is_closed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_handler: object, _connection: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ClientHandler, "handle_connection", fails)
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    listener = Listener()
    async with await asyncio.start_server(listener.accept, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
    assert "connection handler has crashed" in caplog.text
    assert listener.hooks.heard == ["connected", "disconnected"]


async def test_silent_connection_is_timed_out_unless_a_hook_is_under_way() -> None:
    async with connected() as (listener, reader, writer):
        assert await echoed(reader, writer, b"one") == b"one"
        handler = listener.handler
        watchdog = handler.timeout_watchdog
        assert handler._time_out.when() - asyncio.get_running_loop().time() <= watchdog.timeout
        handler._check_activity()
        watchdog.last_activity -= watchdog.timeout
        with watchdog.disarm():
            watchdog.last_activity -= watchdog.timeout
            handler._check_activity()
            assert await echoed(reader, writer, b"two") == b"two"
        watchdog.last_activity -= 2 * watchdog.timeout
        handler._check_activity()
        assert await reader.read() == b""


@pytest.mark.skipif(not hasattr(Options(), "tcp_timeout"), reason="an option of later mitmproxy")
async def test_time_out_is_looked_for_when_it_can_be_due() -> None:
    async with connected(tcp_timeout=1) as (listener, reader, writer):
        assert await echoed(reader, writer, b"one") == b"one"
        listener.handler.timeout_watchdog.last_activity -= 0.9
        listener.handler._check_activity()
        assert await reader.read() == b""
