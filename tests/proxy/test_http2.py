"""An HTTP/2 client over a TLS listener: the same promises, stream by stream."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import h2.config
import h2.connection
import h2.events
from mitmproxy.proxy.layers.http import GetHttpConnection

from addons.core.errors import Problem
from addons.core.turn import ClientRequest, Plan, Sink
from tests.proxy.scripts import BODY, DONE, EVENT, answer, begins, gated, silence, synthetic, turn
from tests.support.certificates import make_authority
from tests.support.engine import QUICK, Running, ScriptedPlan, engine, to_ports, wire_to
from tests.support.upstream import upstream
from tests.support.waiting import LONGEST, settle, until, within

CALM = replace(QUICK, heartbeat_seconds=30, stall_seconds=30)


@dataclass
class H2Client:
    """One HTTP/2 connection; answers are kept by stream id."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    h2: h2.connection.H2Connection
    status: dict[int, int] = field(default_factory=dict)
    body: dict[int, bytes] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    reset: set[int] = field(default_factory=set)

    async def post(self, path: str) -> int:
        stream = self.h2.get_next_available_stream_id()
        names = (":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", path)
        self.h2.send_headers(stream, [*names, ("authorization", "Bearer of-the-client")])
        self.h2.send_data(stream, BODY, end_stream=True)
        await self.flush()
        return int(stream)

    async def leave(self, stream: int) -> None:
        self.h2.reset_stream(stream)
        await self.flush()

    async def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def read(self) -> None:
        while data := await self.reader.read(65536):
            for event in self.h2.receive_data(data):
                self.take(event)
            await self.flush()

    def take(self, event: object) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            self.status[event.stream_id] = int(dict(event.headers)[b":status"])
        elif isinstance(event, h2.events.DataReceived):
            self.body[event.stream_id] = self.body.get(event.stream_id, b"") + event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.reset.add(event.stream_id)

    async def end_of(self, stream: int) -> bytes:
        await until(lambda: stream in self.ended)
        return self.body[stream]


@asynccontextmanager
async def h2_client(port: int) -> AsyncIterator[H2Client]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    async with asyncio.timeout(LONGEST):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    c = H2Client(reader, writer, connection)
    await c.flush()
    reading = asyncio.ensure_future(c.read())
    try:
        yield c
    finally:
        reading.cancel()
        writer.close()
        await settle()


async def test_turns_side_by_side_on_one_connection_do_not_mix(tmp_path: Path) -> None:
    gate = asyncio.Event()
    first = b'data: {"turn":"first"}\n\n'
    async with (
        upstream(gated(first, gate, DONE), turn) as up,
        engine(to_ports(up.port), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        one = await c.post("/one")
        await until(lambda: c.body.get(one) == first)
        two = await c.post("/two")
        assert await c.end_of(two) == EVENT + DONE
        gate.set()
        assert await c.end_of(one) == first + DONE
    assert c.status == {one: 200, two: 200}
    assert all(request.credentials for request in proxy.front.requests)
    assert "of-the-client" not in str([flow.get_state() for flow in proxy.addon.flows])


async def test_retry_works_for_an_http2_client(tmp_path: Path) -> None:
    async with upstream(answer(b"503 Busy"), answer(b"503 Busy"), turn) as up:
        make = to_ports(*[up.port] * 3, retry_on=frozenset({503}))
        async with engine(make, CALM, confdir=str(tmp_path)) as proxy, h2_client(proxy.port) as c:
            assert await c.end_of(await c.post("/one")) == EVENT + DONE
    assert len(up.requests) == 3


async def test_kill_and_injection_reach_the_right_stream(tmp_path: Path) -> None:
    async def origin(sink: Sink) -> None:
        await sink.write(EVENT)
        await asyncio.Event().wait()

    async with (
        engine(synthetic(origin), CALM, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        one, two = await c.post("/one"), await c.post("/two")
        await until(lambda: c.body == {one: EVENT, two: EVENT})
        proxy.addon.flows[1].kill()
        assert b"ended by hand" in await c.end_of(two)
        assert one not in c.ended
        proxy.addon.flows[0].kill()
        assert b"ended by hand" in await c.end_of(one)


async def test_reset_of_a_stream_stops_its_upstream_and_no_other(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with upstream(begins(EVENT)) as left, upstream(gated(EVENT, gate, DONE)) as kept:
        routes = {"/left": to_ports(left.port), "/kept": to_ports(kept.port)}
        make = lambda r: routes[r.path](r)  # noqa: E731
        async with engine(make, CALM, confdir=str(tmp_path)) as proxy, h2_client(proxy.port) as c:
            gone, stays = await c.post("/left"), await c.post("/kept")
            await until(lambda: c.body == {gone: EVENT, stays: EVENT})
            await c.leave(gone)
            await within(left.gone)
            assert not kept.gone.is_set()
            gate.set()
            assert await c.end_of(stays) == EVENT + DONE


async def test_kill_of_one_turn_does_not_end_the_connect_that_another_waits_for(
    tmp_path: Path,
) -> None:
    async with upstream(silence) as mute:

        def make(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [wire_to(mute.port, request, "https")])

        limits = replace(CALM, connect_seconds=30)
        async with (
            engine(make, limits, confdir=str(tmp_path)) as proxy,
            h2_client(proxy.port) as c,
        ):
            one, two = await c.post("/one"), await c.post("/two")
            await until(lambda: mute.connections and proxy.engine.live_turns == 2)
            await until(lambda: [len(w) for w in waits(proxy)] == [2])
            proxy.addon.flows[0].kill()
            assert b"ended by hand" in await c.end_of(one)
            assert [len(w) for w in waits(proxy)] == [1]
            assert not mute.gone.is_set()
            proxy.addon.flows[1].kill()
            assert b"ended by hand" in await c.end_of(two)
            await within(mute.gone)
    assert mute.connections == 1


def waits(proxy: Running) -> list[list[GetHttpConnection]]:
    return [
        waiting for layer in proxy.layers for waiting in layer.waiting_for_establishment.values()
    ]


async def test_refusal_is_told_to_an_http2_client(tmp_path: Path) -> None:
    async with engine(to_ports(), CALM, confdir=str(tmp_path)) as proxy:
        proxy.addon.refusal = Problem(403, "forbidden", "Not for you.")
        async with h2_client(proxy.port) as c:
            stream = await c.post("/one")
            assert b"Not for you." in await c.end_of(stream)
    assert c.status == {stream: 403}


async def test_an_upstream_is_spoken_to_in_http1_whatever_it_offers(tmp_path: Path) -> None:
    """Over HTTP/2 an upstream's connection would be shared by no two turns, and closed streams would leave it open."""
    authority = make_authority(tmp_path)
    context = authority.server_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    trusted = str(authority.ca_file)

    def make(request: ClientRequest) -> Plan:
        return ScriptedPlan(request, [wire_to(up.port, request, "https")])

    async with (
        upstream(turn, tls=context) as up,
        engine(make, CALM, confdir=str(tmp_path), ssl_verify_upstream_trusted_ca=trusted) as proxy,
        h2_client(proxy.port) as c,
    ):
        assert await c.end_of(await c.post("/one")) == EVENT + DONE
    assert c.status == {1: 200}
