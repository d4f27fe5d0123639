"""The upstream connections of one client that stays. What a whole turn makes of them is in tests/boundary/test_pool.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mitmproxy.options import Options

from addons.core.turn import ClientRequest, Plan
from addons.proxy.engine.client_pool import ClientPool
from addons.proxy.engine.http1 import UpstreamHttp1
from addons.proxy.engine.websocket.upstream_socket import UpstreamSocket
from tests.boundary.scripts import BODY, DONE, EVENT, turn
from tests.fakes.socket_backend import PATH, SocketBackend
from tests.support.client import Client, client
from tests.support.engine import QUICK, MakePlan, Running, ScriptedPlan, engine, to_ports, wire_to
from tests.support.upstream import upstream


def pool_of(proxy: Running) -> ClientPool:
    (layer,) = proxy.layers
    return layer._pool


def in_turn(*ports: int) -> MakePlan:
    """Plans of turns that go to these ports, one after another."""
    left = list(ports)

    def make(request: ClientRequest) -> Plan:
        return to_ports(left.pop(0))(request)

    return make


async def ask(c: Client, turns: int) -> None:
    for _ in range(turns):
        await c.post("/v1/responses", BODY)
        assert (await c.response()).body == EVENT + DONE


async def test_client_that_stays_keeps_one_connection_for_each_key() -> None:
    async with upstream(turn) as one, upstream(turn) as other:
        make = in_turn(*[one.port, other.port] * 3)
        async with engine(make) as proxy, client(proxy.port) as c:
            await ask(c, 6)
            kept = [key.address[1] for key in pool_of(proxy).keys.values()]
        assert kept == [one.port, other.port]
        assert (one.connections, other.connections) == (1, 1)


@pytest.mark.skipif(not hasattr(Options(), "tcp_timeout"), reason="an option of later mitmproxy")
async def test_idle_sockets_are_looked_after_and_only_the_newest_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = SocketBackend(login={})

    def make(request: ClientRequest) -> Plan:
        wire = replace(wire_to(up.port, request), path=PATH.decode(), frame=b"")
        return ScriptedPlan(request, [wire])

    async with (
        upstream(backend.serve) as up,
        engine(make, QUICK, tcp_timeout=9) as proxy,
        client(proxy.port) as c,
    ):
        for _ in range(2):
            await c.post("/v1/responses", b'{"input":[],"store":false}')
            assert (await c.response()).complete
            monkeypatch.setattr(UpstreamSocket, "is_aged", True)
        pool = pool_of(proxy)
        older, newest = pool.keys
        assert pool.find(pool.keys[newest]) is None
        assert pool.expired() == [older, newest]
        monkeypatch.setattr(UpstreamSocket, "is_aged", False)
        assert pool._check is None
        assert pool.expired() == [older]
        assert pool._check
        # mitmproxy is told of activity before its timeout
        assert pool._check.delay == 3
        assert pool.find(pool.keys[newest]) is newest
        assert pool.unused(len(proxy.layers[0].context.layers), ()) == []


async def test_connection_under_a_dropped_generation_is_not_found() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await ask(c, 1)
        (key,) = pool_of(proxy).keys.values()
        assert pool_of(proxy).find(key)
        proxy.engine.pool.drop_origin(key.address)
        assert pool_of(proxy).find(key) is None
        assert pool_of(proxy).find(key._replace(generation=key.generation + 1)) is None


async def test_expired_connections_are_named_and_the_check_goes_on_for_the_others() -> None:
    async with upstream(turn) as one, upstream(turn) as other:
        make = in_turn(one.port, other.port)
        async with engine(make, QUICK) as proxy, client(proxy.port) as c:
            await ask(c, 2)
            (layer,), pool = proxy.layers, pool_of(proxy)
            first, _ = pool.keys
            assert pool.expired() == []
            before = pool._check
            assert before
            protocol = layer.connections[first].context.layers[-1]
            assert isinstance(protocol, UpstreamHttp1)
            protocol.idle_since -= QUICK.pool_idle_seconds
            assert pool.expired() == [first]
            assert pool._check
            assert pool._check is not before
            assert not pool.is_check(before)
