"""Upstream connections that serve several turns: who may reuse one, and what a request costs when its connection is dead."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.turn import ClientRequest, Plan, UpstreamRequest
from addons.proxy.engine.mitmproxy_patches import connections
from tests.boundary.masters import MASTERS, StartMaster
from tests.boundary.scripts import BODY, DONE, EVENT, answer, turn
from tests.boundary.test_http2 import CALM
from tests.boundary.test_tls import tunnel
from tests.support.certificates import make_authority
from tests.support.client import Client, Response, client
from tests.support.engine import QUICK, Running, ScriptedPlan, engine, to_ports, wire_to
from tests.support.http2 import h2_client
from tests.support.upstream import Exchange, Script, Upstream, upstream
from tests.support.waiting import LONGEST, until, within

each_master = pytest.mark.parametrize("start", MASTERS.values(), ids=MASTERS)
LATER = connections.LONGEST_ROUND_TRIP + 0.2
"""Seconds of work that no round trip explains."""


async def ask(c: Client) -> Response:
    await c.post("/v1/responses", BODY)
    return await c.response()


async def leave(proxy: Running, c: Client) -> None:
    """Close a client, and wait until its connections are in the pool."""
    before = len(proxy.layers)
    c.close()
    await until(lambda: len(proxy.layers) < before)


async def ask_as_codex(proxy: Running) -> Response:
    """One whole turn on a client connection of its own."""
    async with client(proxy.port) as c:
        response = await ask(c)
        await leave(proxy, c)
    return response


def reset(exchange: Exchange) -> None:
    """End the connection with a RST, whatever was read."""
    found = exchange.writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.writer.transport.abort()


def close(exchange: Exchange) -> None:
    exchange.writer.close()


End = Callable[[Exchange], None]
each_end = pytest.mark.parametrize("end", [close, reset])


def ends(end: End, *parts: bytes, after: float = 0.0) -> Script:
    """Read a request, work, say something, end the connection."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(after)
        if parts:
            await exchange.send(*parts)
        end(exchange)

    return script


# Clients of HTTP/2 ----------------------------------------------------------------------------------------------


@each_master
async def test_http2_client_has_any_number_of_turns_on_one_upstream_connection(
    start: StartMaster, tmp_path: Path
) -> None:
    async with (
        upstream(turn) as up,
        start(tmp_path, to_ports(up.port)) as proxy,
        h2_client(proxy.port, f"127.0.0.1:{proxy.port}") as c,
    ):
        for _ in range(30):
            assert await c.end_of(await c.post("/v1/responses")) == EVENT + DONE
        assert set(c.status.values()) == {200}
    assert (up.connections, len(up.requests)) == (1, 30)


@each_master
async def test_http2_client_has_fifty_turns_at_once(start: StartMaster, tmp_path: Path) -> None:
    all_here = asyncio.Event()

    async def together(exchange: Exchange) -> None:
        if len(up.requests) == 50:
            all_here.set()
        await within(all_here)
        await turn(exchange)

    async with (
        upstream(together) as up,
        start(tmp_path, to_ports(up.port)) as proxy,
        h2_client(proxy.port, f"127.0.0.1:{proxy.port}") as c,
    ):
        for _ in range(2):
            streams = [await c.post("/v1/responses") for _ in range(50)]
            for stream in streams:
                assert await c.end_of(stream) == EVENT + DONE
        assert set(c.status.values()) == {200}
    # one client keeps 16 idle connections for its next turns
    assert 50 <= up.connections <= 50 + 34
    assert len(up.requests) == 100


async def test_failed_turns_of_an_http2_client_free_their_connections(tmp_path: Path) -> None:
    async with (
        upstream(*[ends(close)] * 12, turn) as up,
        engine(to_ports(up.port), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        for _ in range(12):
            assert b"upstream_closed" in await c.end_of(await c.post("/one"))
        assert await c.end_of(await c.post("/one")) == EVENT + DONE


async def test_reset_streams_of_an_http2_client_leave_no_connection(tmp_path: Path) -> None:
    async def unended(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(DONE)
        await exchange.closed()

    async with (
        upstream(unended) as up,
        engine(to_ports(up.port), replace(CALM, linger_seconds=30), confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        for _ in range(8):
            stream = await c.post("/one")
            await until(lambda s=stream: c.body.get(s) == DONE)  # type: ignore[misc]
            up.gone.clear()
            await c.leave(stream)
            await within(up.gone)
        await until(lambda: len(proxy.layers[0].connections) == 1)


async def test_connect_deadline_is_set_while_another_connection_is_idle(tmp_path: Path) -> None:
    """The second credential needs a connection of its own, whose TLS handshake is not answered."""
    authority = make_authority(tmp_path)
    keys = iter([b"one", b"other"])

    async with upstream(turn, tls=authority.server_context()) as up, first_only(up.port) as port:

        def make(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [with_key(port, request, next(keys), "https")])

        limits = replace(CALM, connect_seconds=0.3)
        trusted = {"ssl_verify_upstream_trusted_ca": str(authority.ca_file)}
        async with (
            engine(make, limits, confdir=str(tmp_path), **trusted) as proxy,  # type: ignore[arg-type]
            h2_client(proxy.port) as c,
        ):
            assert await c.end_of(await c.post("/one")) == EVENT + DONE
            assert b"no connection within" in await c.end_of(await c.post("/two"))


@asynccontextmanager
async def first_only(port: int) -> AsyncIterator[int]:
    """Forward the first connection to this port. Accept each other one, and never answer."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if len(writers) == 1:
            there = await asyncio.open_connection("127.0.0.1", port)
            writers.append(there[1])
            for one in (pump(reader, there[1]), pump(there[0], writer)):
                tasks.add(asyncio.ensure_future(one))

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for writer in writers:
            writer.close()


# A dead connection ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def reused(*scripts: Script) -> AsyncIterator[tuple[Upstream, Running, list[ScriptedPlan]]]:
    """A proxy with an idle connection; the scripts are for the next requests."""
    plans: list[ScriptedPlan] = []
    async with upstream(turn, *scripts) as up:

        def make(request: ClientRequest) -> Plan:
            plans.append(ScriptedPlan(request, [wire_to(up.port, request)]))
            return plans[-1]

        async with engine(make) as proxy:
            await ask_as_codex(proxy)
            assert len(proxy.engine.pool) == 1
            yield up, proxy, plans


@each_end
async def test_request_on_a_connection_that_just_ended_is_sent_again(end: End) -> None:
    async with reused(ends(end), turn) as (up, proxy, plans):
        assert (await ask_as_codex(proxy)).body == EVENT + DONE
        assert (len(up.requests), up.connections) == (3, 2)
        assert plans[1].faults == []


@pytest.mark.parametrize(
    "script",
    [
        ends(close, after=LATER),
        ends(reset, after=LATER),
        ends(close, b"HTTP/1.1 100 Continue\r\n\r\n"),
        ends(close, b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
        ends(close, b"H"),
        ends(close, b"HTTP/1.1 200 OK\r\ncontent-type: te"),
    ],
    ids=["close late", "reset late", "100", "103", "one byte", "half a head"],
)
async def test_request_that_the_upstream_may_have_worked_on_is_sent_once(script: Script) -> None:
    async with reused(script, turn) as (up, proxy, plans):
        assert (await ask_as_codex(proxy)).status == 502
        assert len(up.requests) == 2
        assert len(plans[1].faults) == 1


@each_end
async def test_fresh_connection_that_ends_is_not_tried_again(end: End) -> None:
    async with (
        upstream(ends(end), turn) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        assert (await ask(c)).status == 502
        assert len(up.requests) == 1


@each_end
async def test_several_dead_idle_connections_cost_one_repetition(end: End) -> None:
    all_here = asyncio.Event()
    count = 4

    async def then_dies(exchange: Exchange) -> None:
        if len(up.requests) == count:
            all_here.set()
        await within(all_here)
        await turn(exchange)
        await exchange.reader.read(1)
        end(exchange)

    async with upstream(*[then_dies] * count, turn) as up, engine(to_ports(up.port)) as proxy:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(client(proxy.port)) for _ in range(count)]
            for c in clients:
                await c.post("/v1/responses", BODY)
            for c in clients:
                assert (await c.response()).complete
        await until(lambda: len(proxy.engine.pool) == count)
        for _ in range(3):
            assert (await ask_as_codex(proxy)).body == EVENT + DONE
        assert (len(up.requests), up.connections) == (count + 3, count + 1)
        assert len(proxy.engine.pool) == 1


@pytest.mark.parametrize(
    "field", [b"Connection: Close\r\ncontent-length: 0\r\n", b"content-length: 0\r\n", b""]
)
async def test_408_that_crosses_the_request_is_not_relayed(field: bytes) -> None:
    script = ends(close, b"HTTP/1.1 408 Request Timeout\r\n" + field + b"\r\n")
    async with reused(script, turn) as (up, proxy, plans):
        assert (await ask_as_codex(proxy)).body == EVENT + DONE
        assert [head.status for head in plans[1].heads] == [200]
        assert (len(up.requests), up.connections) == (3, 2)


async def test_408_after_some_work_is_an_answer() -> None:
    script = ends(close, b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n", after=LATER)
    async with reused(script, turn) as (up, proxy, _):
        assert (await ask_as_codex(proxy)).status == 408
        assert len(up.requests) == 2


async def test_408_on_a_connection_that_goes_on_is_an_answer() -> None:
    async with reused(answer(b"408 Late"), turn) as (up, proxy, _):
        assert (await ask_as_codex(proxy)).status == 408
        assert len(up.requests) == 2


async def test_408_on_a_fresh_connection_is_an_answer() -> None:
    async with upstream(answer(b"408 Late"), turn) as up, engine(to_ports(up.port)) as proxy:
        assert (await ask_as_codex(proxy)).status == 408
        assert len(up.requests) == 1


# A connection without any bytes  ----------------------------------------------------------------------------------


def options_of(found: socket.socket) -> dict[str, int]:
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    known = {name: getattr(socket, name) for name in names if hasattr(socket, name)}
    keepalive = found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return {
        "SO_KEEPALIVE": int(bool(keepalive)),
        **{name: found.getsockopt(socket.IPPROTO_TCP, number) for name, number in known.items()},
    }


@pytest.mark.skipif(sys.platform != "linux", reason="the options of Linux")
@pytest.mark.parametrize("stays", [False, True], ids=["client left", "client stays"])
async def test_idle_connection_is_watched_by_the_system(stays: bool) -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await ask(c)
        if stays:
            (handler,) = proxy.master.addons.get("proxyserver").connections.values()
            (writer,) = [
                io.writer for conn, io in handler.transports.items() if conn is not handler.client
            ]
        else:
            await leave(proxy, c)
            (idle,) = proxy.engine.pool._idle
            writer = idle.writer
        found = options_of(writer.get_extra_info("socket"))
    assert found == {
        "SO_KEEPALIVE": 1,
        "TCP_KEEPIDLE": 10,
        "TCP_KEEPINTVL": 3,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": 10_000,
    }


@pytest.mark.skipif(sys.platform != "linux", reason="an option of Linux")
async def test_reused_connection_whose_peer_takes_nothing_costs_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A loopback peer always acknowledges. One that leaves its buffer full is ended by the same option."""
    monkeypatch.setattr(connections, "DEAF_SECONDS", 0.5)

    async def then_reads_nothing(exchange: Exchange) -> None:
        await turn(exchange)
        exchange.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    limits = replace(QUICK, body_bytes=64 << 20, stall_seconds=300)
    async with upstream(then_reads_nothing) as up, engine(to_ports(up.port), limits) as proxy:
        await ask_as_codex(proxy)
        async with client(proxy.port) as c:
            async with asyncio.timeout(LONGEST):
                await c.post("/v1/responses", b"x" * (32 << 20))
            response = await c.response()
        assert (response.status, up.connections) == (502, 1)


# Bytes that nobody asked for --------------------------------------------------------------------------------------

FOREIGN = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nforeign"


def speaks_after(gate: asyncio.Event, said: asyncio.Event, words: bytes = FOREIGN) -> Script:
    async def script(exchange: Exchange) -> None:
        await turn(exchange)
        await within(gate)
        await exchange.send(words)
        said.set()
        await exchange.closed()

    return script


@pytest.mark.parametrize("stays", [False, True], ids=["client left", "client stays"])
async def test_origin_that_sent_unsolicited_bytes_is_not_pooled_again(stays: bool) -> None:
    gate, said = asyncio.Event(), asyncio.Event()
    async with (
        upstream(speaks_after(gate, said), turn) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await ask(c)
        if not stays:
            await leave(proxy, c)
        gate.set()
        await within(said)
        for count in (2, 3, 4):
            assert (await ask_as_codex(proxy)).body == EVENT + DONE
            assert up.connections == count
        assert len(proxy.engine.pool) == 0
        if stays:
            assert (await ask(c)).body == EVENT + DONE
            assert up.connections == 5


async def test_bytes_after_an_answer_in_the_same_read_are_unsolicited() -> None:
    async def too_long(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}" + FOREIGN)
        await exchange.closed()

    async with upstream(too_long, turn) as up, engine(to_ports(up.port)) as proxy:
        assert (await ask_as_codex(proxy)).body == b"{}"
        for count in (2, 3):
            assert (await ask_as_codex(proxy)).body == EVENT + DONE
            assert up.connections == count


async def test_408_and_an_end_on_an_idle_connection_are_no_reason_to_distrust() -> None:
    gate, said = asyncio.Event(), asyncio.Event()
    words = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n"
    async with (
        upstream(speaks_after(gate, said, words), turn) as up,
        engine(to_ports(up.port)) as proxy,
    ):
        await ask_as_codex(proxy)
        gate.set()
        await within(said)
        for _ in range(3):
            assert (await ask_as_codex(proxy)).body == EVENT + DONE
        assert up.connections == 2


async def test_end_of_tls_on_an_idle_connection_is_no_reason_to_distrust(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    trusted = {"ssl_verify_upstream_trusted_ca": str(authority.ca_file), "confdir": str(tmp_path)}

    async def closes(exchange: Exchange) -> None:
        await turn(exchange)
        exchange.writer.close()

    async with upstream(closes, turn, tls=authority.server_context()) as up:

        def make(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [wire_to(up.port, request, "https")])

        async with engine(make, **trusted) as proxy:  # type: ignore[arg-type]
            for _ in range(4):
                assert (await ask_as_codex(proxy)).body == EVENT + DONE
    assert up.connections == 2


# Who may use which connection -------------------------------------------------------------------------------------


def with_key(
    port: int, request: ClientRequest, key: bytes, scheme: str = "http"
) -> UpstreamRequest:
    wire = wire_to(port, request, scheme)
    return replace(wire, secrets=(SecretHeader(b"authorization", Secret(key), wire.origin),))


@pytest.mark.parametrize("stays", [False, True], ids=["client left", "client stays"])
async def test_connection_serves_only_the_credential_that_used_it(stays: bool) -> None:
    keys = iter([b"key-one", b"key-two", b"key-one", b"key-two", b"", b"key-one"])
    async with upstream(turn) as up:

        def make(request: ClientRequest) -> Plan:
            key = next(keys)
            wire = with_key(up.port, request, key)
            return ScriptedPlan(request, [wire if key else replace(wire, secrets=())])

        async with engine(make) as proxy, client(proxy.port) as c:
            for _ in range(6):
                response = await (ask(c) if stays else ask_as_codex(proxy))
                assert response.body == EVENT + DONE
            if not stays:
                shown = repr([idle.key for idle in proxy.engine.pool._idle])
                assert "key-one" not in shown
    assert up.connections == 3
    assert [r.header(b"authorization") for r in up.requests][2] == b"key-one"


async def test_connection_made_under_other_trust_is_not_used(tmp_path: Path) -> None:
    """The option changes while the turn runs."""
    authority = make_authority(tmp_path)
    gate, begun = asyncio.Event(), asyncio.Event()
    trusted = {"ssl_verify_upstream_trusted_ca": str(authority.ca_file), "confdir": str(tmp_path)}

    async def gated(exchange: Exchange) -> None:
        await exchange.sse_head()
        begun.set()
        await within(gate)
        await exchange.chunk(DONE)
        await exchange.end()

    async with upstream(gated, turn, tls=authority.server_context()) as up:

        def make(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [wire_to(up.port, request, "https")])

        async with engine(make, **trusted) as proxy, client(proxy.port) as c:  # type: ignore[arg-type]
            await c.post("/v1/responses", BODY)
            await within(begun)
            proxy.master.options.update(ssl_verify_upstream_trusted_ca=None)
            gate.set()
            assert (await c.response()).body == DONE
            assert (await ask(c)).status == 502
            assert (await ask_as_codex(proxy)).status == 502
    assert len(up.requests) == 1


@pytest.mark.parametrize("value", [b"Close", b"CLOSE", b"close, foo", b"Foo ,\tClose"])
@pytest.mark.parametrize("stays", [False, True], ids=["client left", "client stays"])
async def test_connection_that_its_upstream_closes_is_not_kept(value: bytes, stays: bool) -> None:
    """The upstream says so and is slow to do it."""
    script = answer(b"200 OK", b"{}", b"connection: " + value)
    async with upstream(script) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        for count in (1, 2):
            response = await (ask(c) if stays else ask_as_codex(proxy))
            assert (response.body, up.connections) == (b"{}", count)


@pytest.mark.parametrize("stays", [False, True], ids=["client left", "client stays"])
async def test_pool_can_be_switched_off(stays: bool) -> None:
    limits = replace(QUICK, pool_idle_seconds=0)
    async with (
        upstream(turn) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        for count in (1, 2, 3):
            response = await (ask(c) if stays else ask_as_codex(proxy))
            assert (response.body, up.connections) == (EVENT + DONE, count)
            assert len(proxy.engine.pool) == 0


@pytest.mark.parametrize("stays", [False, True], ids=["client left", "client stays"])
async def test_connection_does_not_outlive_the_sleep_of_the_machine(
    stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timers of the loop stand still meanwhile."""
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await (ask(c) if stays else ask_as_codex(proxy))
        late = time.time() + QUICK.pool_idle_seconds + 1
        monkeypatch.setattr(time, "time", lambda: late)
        response = await (ask(c) if stays else ask_as_codex(proxy))
        assert (response.body, up.connections) == (EVENT + DONE, 2)


async def test_http2_client_has_any_number_of_turns_through_a_proxy(tmp_path: Path) -> None:
    async with tunnel() as between, upstream(turn) as up:
        via = Origin("http", "127.0.0.1", between.port)
        async with (
            engine(
                to_ports(up.port), CALM, proxy_for=lambda _: via, confdir=str(tmp_path)
            ) as proxy,
            h2_client(proxy.port) as c,
        ):
            for _ in range(12):
                assert await c.end_of(await c.post("/one")) == EVENT + DONE
            streams = [await c.post("/one") for _ in range(12)]
            for stream in streams:
                assert await c.end_of(stream) == EVENT + DONE
    assert len(up.requests) == 24


async def test_name_in_the_clients_tls_is_not_sent_to_the_upstream(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    context = authority.server_context()
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    trusted = {"ssl_verify_upstream_trusted_ca": str(authority.ca_file), "confdir": str(tmp_path)}

    async with upstream(turn, tls=context) as up:

        def make(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [wire_to(up.port, request, "https")])

        async with (
            engine(make, CALM, **trusted) as proxy,  # type: ignore[arg-type]
            h2_client(proxy.port, server_name="shim.example") as c,
        ):
            assert await c.end_of(await c.post("/one")) == EVENT + DONE
    assert names == [None]


async def test_idle_connection_of_a_client_that_stays_expires() -> None:
    limits = replace(QUICK, pool_idle_seconds=0.1)
    async with (
        upstream(turn) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        for _ in range(2):
            up.gone.clear()
            await ask(c)
            await within(up.gone)
    assert up.connections == 2


async def test_session_of_codex_makes_one_connection() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy:
        for _ in range(30):
            assert (await ask_as_codex(proxy)).body == EVENT + DONE
    assert (up.connections, len(up.requests)) == (1, 30)
