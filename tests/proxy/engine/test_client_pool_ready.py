"""Connections that are made ready before a turn: on sockets, over TLS, against an upstream that counts both."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from addons.core.limits import Limits
from addons.core.secrets import Origin
from addons.core.turn import ClientRequest, Plan
from addons.proxy.engine.client_pool import ReadyConnections
from addons.proxy.engine.pool import FRESH_SECONDS
from tests.boundary.scripts import BODY, DONE, EVENT, turn
from tests.support.certificates import Authority, make_authority
from tests.support.client import client
from tests.support.engine import QUICK, Running, ScriptedPlan, engine, wire_to
from tests.support.upstream import Exchange, Script, Upstream, upstream
from tests.support.waiting import until


@dataclass
class Setup:
    proxy: Running
    up: Upstream
    ready: ReadyConnections
    origin: Origin

    async def made(self) -> None:
        """Make one connection ready."""
        self.ready.open(self.origin)
        await until(lambda: len(self.proxy.engine.pool) == 1 and not self.ready._opening)

    async def turn(self) -> None:
        async with client(self.proxy.port) as c:
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == EVENT + DONE


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def setup(
    authority: Authority,
    limits: Limits = QUICK,
    *,
    trusted: bool = True,
    scheme: str = "https",
    script: Script = turn,
) -> AsyncIterator[Setup]:
    options = {"confdir": str(authority.ca_file.parent)}
    if trusted:
        options["ssl_verify_upstream_trusted_ca"] = str(authority.ca_file)
    tls = authority.server_context() if scheme == "https" else None
    async with upstream(script, tls=tls) as up:

        def make(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [wire_to(up.port, request, scheme)])

        async with engine(make, limits, **options) as proxy:  # type: ignore[arg-type]
            ready = ReadyConnections(proxy.engine.pool, lambda: limits)
            yield Setup(proxy, up, ready, Origin.of(f"{scheme}://127.0.0.1:{up.port}"))
            await ready.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_first_turn_takes_the_ready_connection(authority: Authority, scheme: str) -> None:
    async with setup(authority, scheme=scheme) as s:
        await s.made()
        assert (s.up.connections, s.up.requests) == (1, [])
        for _ in range(3):
            await s.turn()
            await until(lambda: len(s.proxy.engine.pool) == 1)
        assert (s.up.connections, len(s.up.requests)) == (1, 3)
        assert s.proxy.flow.server_conn.tls_established is (scheme == "https")


async def test_one_connection_is_made_however_often_it_is_wanted(authority: Authority) -> None:
    async with setup(authority) as s:
        for _ in range(3):
            s.ready.open(s.origin)
        await s.made()
        for _ in range(3):
            s.ready.open(s.origin)
        assert s.ready._opening == {}
        await s.turn()
        assert s.up.connections == 1


async def test_idle_connection_of_the_origin_is_ready_enough(authority: Authority) -> None:
    async with setup(authority) as s:
        await s.turn()
        await until(lambda: len(s.proxy.engine.pool) == 1)
        s.ready.open(s.origin)
        assert s.ready._opening == {}


def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


End = Callable[[asyncio.StreamWriter], None]


@pytest.mark.parametrize("end", [close, reset])
async def test_dead_connection_is_replaced_without_a_word(
    authority: Authority,
    end: End,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    writers: list[asyncio.StreamWriter] = []
    served = Upstream.serve

    async def serve(
        up: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writers.append(writer)
        await served(up, reader, writer)

    monkeypatch.setattr(Upstream, "serve", serve)
    async with setup(authority) as s:
        await s.made()
        end(writers[0])
        await s.turn()
        assert (len(writers), len(s.up.requests)) == (2, 1)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_ready_connection_expires_with_the_pool(authority: Authority) -> None:
    async with setup(authority, replace(QUICK, pool_idle_seconds=0.05)) as s:
        s.ready.open(s.origin)
        await until(s.up.gone.is_set)
        assert (s.up.connections, s.up.requests, len(s.proxy.engine.pool)) == (1, [], 0)


async def test_nothing_is_made_ready_without_a_pool(authority: Authority) -> None:
    async with setup(authority, replace(QUICK, pool_idle_seconds=0)) as s:
        s.ready.open(s.origin)
        assert s.ready._opening == {}


async def test_untrusted_server_gets_no_ready_connection(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with setup(authority, trusted=False) as s:
        s.ready.open(s.origin)
        await until(lambda: not s.ready._opening)
        assert (len(s.proxy.engine.pool), s.up.requests) == (0, [])
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_unreachable_server_is_left_alone(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with setup(authority) as s:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        s.ready.open(Origin.of(f"https://127.0.0.1:{port}"))
        await until(lambda: not s.ready._opening)
        assert len(s.proxy.engine.pool) == 0
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def silent(exchange: Exchange) -> None:
    await exchange.closed()


async def test_handshake_without_end_is_given_up(authority: Authority) -> None:
    async with (
        setup(authority, replace(QUICK, connect_seconds=0.05)) as s,
        upstream(silent) as deaf,
    ):
        s.ready.open(Origin.of(f"https://127.0.0.1:{deaf.port}"))
        await until(lambda: deaf.connections and not s.ready._opening)
        await until(deaf.gone.is_set)
        assert len(s.proxy.engine.pool) == 0


async def test_end_of_the_shim_abandons_a_handshake(authority: Authority) -> None:
    async with setup(authority) as s, upstream(silent) as deaf:
        s.ready.open(Origin.of(f"https://127.0.0.1:{deaf.port}"))
        await until(lambda: deaf.connections)
        await s.ready.close()
        assert s.ready._opening == {}
        await until(deaf.gone.is_set)


@pytest.mark.parametrize(("age", "sent"), [(0.0, 1), (FRESH_SECONDS + 1, 2)])
async def test_end_of_a_new_connection_is_no_reason_to_send_again(
    authority: Authority, age: float, sent: int
) -> None:
    """One that has waited may have been given up; a new one was not, so the upstream has the request."""

    async def ends(exchange: Exchange) -> None:
        exchange.writer.close()

    async with setup(authority, script=ends) as s:
        await s.made()
        (idle,) = s.proxy.engine.pool._idle
        idle.idle_since -= age
        async with client(s.proxy.port) as c:
            await c.post("/v1/responses", BODY)
            assert (await c.response()).status == 502
        assert len(s.up.requests) == sent


async def test_upstream_that_ends_each_connection_at_once_is_asked_ever_more_rarely(
    authority: Authority,
) -> None:
    """Codex asks for its models often, and each time one was opened."""
    async with setup(authority, scheme="http") as s:
        now = 0.0
        ready = ReadyConnections(s.proxy.engine.pool, lambda: QUICK, lambda: now)
        opened = []
        for now in range(0, 101, 1):
            before = s.up.connections
            ready.open(s.origin)
            await until(lambda: not ready._opening)
            if s.up.connections > before:
                opened.append(now)
                s.proxy.engine.pool.drop_origin(("127.0.0.1", s.up.port))
        assert opened == [0, 1, 6, 16, 36, 76]
        await ready.close()


async def test_taken_connection_is_followed_by_another_at_once(authority: Authority) -> None:
    async with setup(authority, scheme="http") as s:
        ready = ReadyConnections(s.proxy.engine.pool, lambda: QUICK, lambda: 0.0)
        for number in range(1, 4):
            ready.open(s.origin)
            await until(lambda: len(s.proxy.engine.pool) == 1 and not ready._opening)
            assert s.up.connections == number
            await s.turn()
            s.proxy.engine.pool.drop_origin(("127.0.0.1", s.up.port))
            await until(lambda: len(s.proxy.engine.pool) == 0)
        await ready.close()
