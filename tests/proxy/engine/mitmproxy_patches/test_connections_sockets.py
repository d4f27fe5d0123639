"""Options and checks of upstream sockets, over real ones."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from mitmproxy.connection import Server

from addons.proxy.engine.mitmproxy_patches import connections
from tests.support.waiting import until


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[asyncio.StreamWriter, asyncio.StreamWriter]]:
    """A connection of loopback: this side, whose reader nothing reads, and the peer."""
    peers: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, w: peers.put_nowait(w), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    # the loop reads nothing: what arrives stays with the system
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    peer = await peers.get()
    try:
        yield writer, peer
    finally:
        for one in (writer, peer):
            one.transport.abort()
        server.close()


def keepalive(writer: asyncio.StreamWriter) -> bool:
    found = writer.get_extra_info("socket")
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))


async def test_probes_run_only_while_a_connection_is_idle() -> None:
    async with pair() as (writer, _):
        assert not keepalive(writer)
        connections.watch_idle(writer)
        assert keepalive(writer)
        connections.watch_reused(writer)
        assert not keepalive(writer)


async def test_probes_begin_later_when_a_connection_is_idle_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with pair() as (writer, _):
        connections.watch_idle(writer)
        connections.watch_reused(writer)
        connections.watch_idle(writer)
        assert not keepalive(writer)
        connections.watch_reused(writer)
        monkeypatch.setattr(connections, "REWATCH_SECONDS", 0)
        connections.watch_idle(writer)
        await until(lambda: keepalive(writer))
        connections.watch_reused(writer)
        assert not keepalive(writer)


@pytest.mark.skipif(sys.platform != "linux", reason="an option of Linux")
async def test_limit_for_unacknowledged_bytes_stays_while_a_connection_is_reused() -> None:
    async with pair() as (writer, _):
        found = writer.get_extra_info("socket")
        option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert found.getsockopt(*option) == 0
        connections.watch_idle(writer)
        connections.watch_reused(writer)
        assert found.getsockopt(*option) == connections.DEAF_SECONDS * 1000


async def test_missing_options_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"):
        monkeypatch.delattr(socket, name, raising=False)
    async with pair() as (writer, _):
        connections.watch_idle(writer)
        assert keepalive(writer)


async def test_unread_input_is_seen_and_stays() -> None:
    async with pair() as (writer, peer):
        assert not connections.has_input(writer)
        assert connections.unread(writer) == b""
        peer.write(b"unasked")
        await until(lambda: connections.has_input(writer))
        assert connections.unread(writer) == connections.unread(writer) == b"unasked"


async def test_end_of_a_connection_is_input_without_bytes() -> None:
    async with pair() as (writer, peer):
        peer.close()
        await until(lambda: connections.has_input(writer))
        assert connections.unread(writer) == b""


async def test_select_takes_the_place_of_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("select.poll", raising=False)
    async with pair() as (writer, peer):
        assert not connections.has_input(writer)
        peer.write(b"x")
        await until(lambda: connections.has_input(writer))


async def test_closed_socket_has_input_and_takes_no_option() -> None:
    async with pair() as (writer, _):
        writer.close()
        await writer.wait_closed()
        assert connections.has_input(writer)
        assert connections.unread(writer) == b""
        connections.watch_idle(writer)
        connections.watch_reused(writer)


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_connection_that_ends_before_it_is_watched_again_is_no_error(
    make_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REWATCH_SECONDS", 0)
    failed: list[object] = []

    async def idle_again_and_closed() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
        async with pair() as (writer, _):
            connections.watch_idle(writer)
            connections.watch_reused(writer)
            writer.transport.abort()
            await until(lambda: writer.get_extra_info("socket").fileno() < 0)
            connections.watch_idle(writer)
            await until(lambda: connections._rewatching[writer] is None)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(idle_again_and_closed())
    assert failed == []


@pytest.mark.parametrize(
    ("marks", "seconds"),
    [
        ((10.0, 10.2, None), 0.2),
        ((10.0, 10.3, 10.4), 0.1),
        ((10.0, 10.1, 10.4), 0.1),
        ((10.0, 13.0, 15.0), connections.LONGEST_ROUND_TRIP),
        ((10.0, 10.001, None), connections.SHORTEST_ROUND_TRIP),
        # a clock that was set back
        ((10.0, 9.0, None), connections.SHORTEST_ROUND_TRIP),
        ((None, None, None), connections.LONGEST_ROUND_TRIP),
    ],
)
def test_round_trip_is_the_shorter_handshake_within_bounds(
    marks: tuple[float | None, ...], seconds: float
) -> None:
    server = Server(address=("127.0.0.1", 1))
    server.timestamp_start, server.timestamp_tcp_setup, server.timestamp_tls_setup = marks
    assert connections.round_trip(server) == pytest.approx(seconds)
