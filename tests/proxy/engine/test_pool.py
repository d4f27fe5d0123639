"""Upstream connections outlive their client's: Codex opens one for each request."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from addons.core.turn import ClientRequest, Plan
from addons.proxy.engine import pool
from tests.boundary.scripts import BODY, DONE, EVENT, answer, begins, gated, turn
from tests.support.certificates import Authority, make_authority
from tests.support.client import Client, client
from tests.support.engine import QUICK, Running, ScriptedPlan, engine, to_ports, wire_to
from tests.support.upstream import Exchange, Script, Upstream, upstream
from tests.support.waiting import settle, until


async def ask(proxy: Running) -> Client:
    """One whole turn on a connection of its own, as Codex sends it."""
    kept = len(proxy.engine.pool)
    async with client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        response = await c.response()
        assert (response.status, response.complete) == (200, True)
        assert response.body.endswith(DONE)
    await until(lambda: len(proxy.engine.pool) != kept or not proxy.layers)
    return c


@asynccontextmanager
async def one_kept(up: Upstream) -> AsyncIterator[Running]:
    """A proxy after its first turn, with that turn's connection at hand."""
    async with engine(to_ports(up.port)) as proxy:
        await ask(proxy)
        await until(lambda: len(proxy.engine.pool) == 1)
        yield proxy


async def test_one_connection_serves_one_client_after_the_other() -> None:
    async with upstream(turn) as up, one_kept(up) as proxy:
        for _ in range(5):
            async with client(proxy.port) as c:
                for _ in range(2):
                    await c.post("/v1/responses", BODY)
                    assert (await c.response()).body.endswith(DONE)
            await until(lambda: len(proxy.engine.pool) == 1)
    assert (up.connections, len(up.requests)) == (1, 11)


async def test_its_tls_goes_along(tmp_path: Path) -> None:
    authority: Authority = make_authority(tmp_path)
    options = {"ssl_verify_upstream_trusted_ca": str(authority.ca_file), "confdir": str(tmp_path)}

    async with upstream(turn, tls=authority.server_context()) as up:

        def make(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [wire_to(up.port, request, "https")])

        async with engine(make, **options) as proxy:  # type: ignore[arg-type]
            for _ in range(3):
                await ask(proxy)
                await until(lambda: len(proxy.engine.pool) == 1)
            assert proxy.flow.server_conn.tls_established
    assert (up.connections, len(up.requests)) == (1, 3)


async def test_clients_at_the_same_time_have_one_each() -> None:
    gate = asyncio.Event()
    async with upstream(gated(EVENT, gate, DONE)) as up, engine(to_ports(up.port)) as proxy:
        async with client(proxy.port) as one, client(proxy.port) as other:
            for c in (one, other):
                await c.post("/v1/responses", BODY)
                await c.head()
            gate.set()
        await until(lambda: not proxy.layers)
        assert up.connections == 2


async def test_upstream_that_closes_meanwhile_costs_nothing() -> None:
    async def last_words(exchange: Exchange) -> None:
        await turn(exchange)
        exchange.writer.close()

    async with upstream(last_words, turn) as up, engine(to_ports(up.port)) as proxy:
        for _ in range(2):
            await ask(proxy)
        assert len(up.requests) == up.connections == 2


@pytest.mark.parametrize("ends", [False, True])
async def test_connection_with_unsolicited_bytes_is_not_used(ends: bool) -> None:
    speak = asyncio.Event()
    spoke = asyncio.Event()

    async def more(exchange: Exchange) -> None:
        await turn(exchange)
        await asyncio.wait_for(speak.wait(), 5)
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        if ends:
            exchange.writer.close()
        spoke.set()

    async with upstream(more, turn) as up, one_kept(up) as proxy:
        (idle,) = proxy.engine.pool._idle
        speak.set()
        await spoke.wait()
        await until(lambda: not idle.is_usable())
        await ask(proxy)
        assert up.connections == 2
        assert idle.writer.is_closing()


async def test_bytes_that_arrive_during_release_are_noticed() -> None:
    leaves, may_leave = asyncio.Event(), asyncio.Event()
    speak, spoke = asyncio.Event(), asyncio.Event()

    class Slow:
        async def client_disconnected(self, _: object) -> None:
            leaves.set()
            await may_leave.wait()

    async def more(exchange: Exchange) -> None:
        await turn(exchange)
        await asyncio.wait_for(speak.wait(), 5)
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        spoke.set()

    async with upstream(more, turn) as up, engine(to_ports(up.port)) as proxy:
        proxy.master.addons.add(Slow())
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            await c.response()
        await asyncio.wait_for(leaves.wait(), 5)
        speak.set()
        await asyncio.wait_for(spoke.wait(), 5)
        await settle()
        may_leave.set()
        await until(lambda: not proxy.layers)
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body.endswith(DONE)
        assert up.connections == 2


async def test_a_stale_one_is_tried_once_more_on_a_new_connection() -> None:
    async def deaf(exchange: Exchange) -> None:
        await turn(exchange)
        await exchange.reader.read(1)
        exchange.cut()

    plans: list[ScriptedPlan] = []

    async with upstream(deaf, turn) as up:

        def make(request: ClientRequest) -> Plan:
            plans.append(ScriptedPlan(request, [wire_to(up.port, request)] * 2))
            return plans[-1]

        async with engine(make) as proxy:
            for _ in range(2):
                await ask(proxy)
    assert plans[1].faults == []
    assert (up.connections, len(up.requests)) == (2, 2)


async def test_its_time_comes() -> None:
    async with upstream(turn) as up:
        limits = replace(QUICK, pool_idle_seconds=0.05)
        async with engine(to_ports(up.port), limits) as proxy:
            await ask(proxy)
            await asyncio.wait_for(up.gone.wait(), 5)
            assert len(proxy.engine.pool) == 0
            await ask(proxy)
        assert up.connections == 2


async def test_a_client_that_leaves_in_the_middle_takes_its_connection_along() -> None:
    async with upstream(begins(EVENT)) as up, engine(to_ports(up.port)) as proxy:
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            await c.head()
            await c.chunk()
            c.abort()
        await asyncio.wait_for(up.gone.wait(), 5)
        await until(lambda: not proxy.layers)
        assert len(proxy.engine.pool) == 0


def whole_but_for_its_end(gate: asyncio.Event) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(EVENT + DONE)
        await asyncio.wait_for(gate.wait(), 5)
        await exchange.end()

    return script


async def leave_at_the_terminal_event(proxy: Running) -> None:
    """As Codex does."""
    async with client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        await c.head()
        assert (await c.chunk()).endswith(DONE)
        c.abort()
    await until(lambda: not proxy.layers)


@pytest.mark.parametrize("tls", [False, True])
async def test_a_client_that_does_not_wait_for_the_end_leaves_its_connection_too(
    tmp_path: Path,
    tls: bool,
) -> None:
    authority = make_authority(tmp_path)
    options = {"ssl_verify_upstream_trusted_ca": str(authority.ca_file), "confdir": str(tmp_path)}
    gate = asyncio.Event()
    context = authority.server_context() if tls else None

    async with upstream(whole_but_for_its_end(gate), turn, tls=context) as up:

        def make(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [wire_to(up.port, request, "https" if tls else "http")])

        async with engine(make, replace(QUICK, linger_seconds=5.0), **options) as proxy:  # type: ignore[arg-type]
            await leave_at_the_terminal_event(proxy)
            assert len(proxy.engine.pool) == 0
            gate.set()
            await until(lambda: len(proxy.engine.pool) == 1)
            await ask(proxy)
    assert (up.connections, len(up.requests)) == (1, 2)


async def test_upstream_that_does_not_end_is_cut_off() -> None:
    async with upstream(begins(EVENT + DONE)) as up:
        limits = replace(QUICK, linger_seconds=0.05)
        async with engine(to_ports(up.port), limits) as proxy:
            await leave_at_the_terminal_event(proxy)
            await asyncio.wait_for(up.gone.wait(), 4)
            assert len(proxy.engine.pool) == 0


async def test_shutdown_ends_reads_of_finished_answers() -> None:
    async with upstream(begins(EVENT + DONE)) as up:
        async with engine(to_ports(up.port), replace(QUICK, linger_seconds=60.0)) as proxy:
            await leave_at_the_terminal_event(proxy)
            assert not up.gone.is_set()
        await asyncio.wait_for(up.gone.wait(), 4)


async def test_one_that_its_upstream_ends_is_not_kept() -> None:
    script = answer(b"200 OK", DONE, b"connection: close")
    async with upstream(script) as up, engine(to_ports(up.port)) as proxy:
        await ask(proxy)
        assert len(proxy.engine.pool) == 0
        await asyncio.wait_for(up.gone.wait(), 5)


async def test_no_more_than_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_IDLE_CONNECTIONS", 1)
    async with upstream(turn) as first, upstream(turn) as second:
        ports = iter((first.port, second.port))

        def make(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [wire_to(next(ports), request)])

        async with engine(make) as proxy:
            await ask(proxy)
            async with client(proxy.port) as c:
                await c.post("/v1/responses", BODY)
                await c.response()
            await asyncio.wait_for(first.gone.wait(), 5)
            assert len(proxy.engine.pool) == 1
            assert not second.gone.is_set()


async def test_idle_connection_holds_no_reference_to_its_former_client() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy:
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            await c.response()
            former = weakref.ref(proxy.layers[0])
        await until(lambda: len(proxy.engine.pool) == 1)
        proxy.addon.flows.clear()
        proxy.router.requests.clear()

        def gone() -> bool:
            gc.collect()
            return former() is None

        await until(gone)


async def test_connection_whose_reads_were_relayed_relays_for_its_next_client_only() -> None:
    received = asyncio.Event()

    async def in_many_reads(exchange: Exchange) -> None:
        await exchange.sse_head()
        for part in (EVENT, EVENT, EVENT, DONE):
            received.clear()
            await exchange.chunk(part)
            if part is EVENT:
                await received.wait()
        await exchange.end()

    async def asked(proxy: Running) -> bytes:
        body = b""
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            await c.head()
            while not body.endswith(DONE):
                body += await c.chunk()
                received.set()
        await until(lambda: len(proxy.engine.pool) == 1)
        return body

    async with upstream(in_many_reads) as up, engine(to_ports(up.port)) as proxy:
        for _ in range(3):
            assert await asked(proxy) == EVENT * 3 + DONE
            (idle,) = proxy.engine.pool._idle
            assert "feed_data" not in vars(idle.reader)
    assert up.connections == 1


async def test_shutdown_closes_idle_connections() -> None:
    async with upstream(turn) as up:
        async with one_kept(up):
            pass
        await asyncio.wait_for(up.gone.wait(), 5)
