"""Attempts: a failed one is replaced before the client notices, and events of an abandoned one are dropped."""

import asyncio
import socket
from dataclasses import dataclass, field, replace

import pytest

from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Reply,
    Send,
    Step,
)
from tests.boundary.scripts import BODY, DONE, EVENT, answer, gated, raw, silence, turn
from tests.support.client import client
from tests.support.engine import QUICK, ScriptedPlan, engine, to_ports, wire_to
from tests.support.ports import free_port
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import until, within

RETRY_503 = frozenset({503})


async def test_retryable_status_is_tried_again_and_the_client_sees_one_answer() -> None:
    async with (
        upstream(answer(b"503 Busy"), turn) as up,
        engine(to_ports(up.port, up.port, retry_on=RETRY_503)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert (response.status, response.body) == (200, EVENT + DONE)
    assert [request.body for request in up.requests] == [BODY, BODY]
    assert proxy.addon.log.count("responseheaders") == 1


async def test_plan_learns_how_long_each_attempt_took_to_its_head() -> None:
    """A head that comes late may follow work. The time begins anew with each attempt."""
    gate, plans = asyncio.Event(), list[ScriptedPlan]()

    async def waits(exchange: Exchange) -> None:
        await within(gate)
        await exchange.whole(b"{}", status=b"503 Busy")

    def make(request: ClientRequest) -> Plan:
        wires = [wire_to(up.port, request), wire_to(up.port, request)]
        plans.append(ScriptedPlan(request, wires, RETRY_503, delay=0.2))
        return plans[-1]

    async with (
        upstream(waits, turn) as up,
        engine(make) as proxy,
        client(proxy.port) as c,
    ):
        clock = [100.0]
        proxy.engine.now = lambda: clock[0]
        await c.post("/v1/responses", BODY)
        await until(lambda: len(up.requests) == 1)
        clock[0] += 7.0
        gate.set()
        assert (await c.response()).complete
    assert [head.seconds for head in plans[0].heads] == [7.0, 0.0]


async def test_retry_waits_for_its_delay() -> None:
    loop = asyncio.get_running_loop()
    async with (
        upstream(answer(b"503 Busy"), turn) as up,
        engine(to_ports(up.port, up.port, retry_on=RETRY_503, delay=0.15)) as proxy,
        client(proxy.port) as c,
    ):
        began = loop.time()
        await c.post("/v1/responses", BODY)
        assert (await c.response()).complete
        assert 0.15 <= loop.time() - began < 2


@pytest.mark.parametrize("count", [2, 3])
async def test_late_data_of_an_abandoned_attempt_is_dropped(count: int) -> None:
    """The abandoned upstream goes on talking while the next one answers."""
    talking = asyncio.Event()

    async def refuses_and_talks_on(exchange: Exchange) -> None:
        await exchange.head(b"transfer-encoding: chunked", status=b"503 Busy")
        while True:
            await exchange.chunk(b"late " * 1000)
            talking.set()
            await asyncio.sleep(0)

    async def answers_while_the_other_talks(exchange: Exchange) -> None:
        await within(talking)
        await turn(exchange)

    async with (
        upstream(*[refuses_and_talks_on] * (count - 1), answers_while_the_other_talks) as up,
        engine(to_ports(*[up.port] * count, retry_on=RETRY_503)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
        assert response.body == EVENT + DONE
    assert len(up.requests) == count


@pytest.mark.parametrize("count", [2, 3, 5])
async def test_each_attempt_sends_its_request_once(count: int) -> None:
    async def cut(exchange: Exchange) -> None:
        exchange.cut()

    async with (
        upstream(*[cut] * (count - 1), turn) as up,
        engine(to_ports(*[up.port] * count)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        assert (await c.response()).body == EVENT + DONE
    assert len(up.requests) == count


async def test_failover_goes_to_the_next_origin_with_a_secret_of_its_own() -> None:
    async with (
        upstream(answer(b"503 Busy")) as first,
        upstream(turn) as second,
        engine(to_ports(first.port, second.port, retry_on=RETRY_503)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        assert (await c.response()).body == EVENT + DONE
    assert first.requests[0].header(b"host") == b"127.0.0.1:%d" % first.port
    assert second.requests[0].header(b"host") == b"127.0.0.1:%d" % second.port


async def test_connection_that_ends_before_the_head_is_a_reset() -> None:
    plans: list[ScriptedPlan] = []

    def make(request: ClientRequest) -> Plan:
        plans.append(ScriptedPlan(request, [wire_to(up.port, request)]))
        return plans[-1]

    async with (
        upstream(turn, raw(b"")) as up,
        engine(make) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        assert (await c.response()).complete
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert response.status == 502
    assert b"upstream_closed" in response.body
    assert [fault.kind for fault in plans[1].faults] == [FaultKind.RESET]
    assert len(up.requests) == 3


async def test_refused_connect_is_not_remembered() -> None:
    """The upstream comes back; the same client connection gets through."""
    port = free_port()
    async with engine(to_ports(port)) as proxy, client(proxy.port) as c:
        for _ in range(2):
            await c.post("/v1/responses", BODY)
            response = await c.response()
            assert (response.status, b"upstream_unreachable" in response.body) == (502, True)
        async with upstream(turn, port=port):
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == EVENT + DONE
        await c.post("/v1/responses", BODY)
        assert (await c.response()).status == 502


async def test_unanswered_connect_ends_at_the_limit() -> None:
    """A full accept queue drops the SYN, as a firewall does."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        limits = replace(QUICK, connect_seconds=0.3)
        async with engine(to_ports(address[1]), limits) as proxy, client(proxy.port) as c:
            began = loop.time()
            await c.post("/v1/responses", BODY)
            response = await c.response()
            assert 0.3 <= loop.time() - began < 1.5
        for filler in fillers:
            filler.close()
    assert response.status == 502
    assert b"no connection within 0.3 s" in response.body


async def test_unanswered_tls_handshake_ends_at_the_limit() -> None:
    arrived = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def make(request: ClientRequest) -> Plan:
        return ScriptedPlan(request, [wire_to(port, request, "https")])

    async with (
        server,
        engine(make, replace(QUICK, connect_seconds=0.3)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert arrived.is_set()
    assert (response.status, b"no connection within 0.3 s" in response.body) == (502, True)


async def test_connect_limit_lets_the_next_attempt_begin() -> None:
    async with upstream(silence) as never, upstream(turn) as up:
        # a TLS client hello at a server that waits for an HTTP head: no answer to either
        def make(request: ClientRequest) -> Plan:
            wires = [wire_to(never.port, request, "https"), wire_to(up.port, request)]
            return ScriptedPlan(request, wires)

        async with (
            engine(make, replace(QUICK, connect_seconds=0.2)) as proxy,
            client(proxy.port) as c,
        ):
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == EVENT + DONE


@dataclass
class Explains:
    """Collects the body of whatever comes and answers with it."""

    request: ClientRequest
    ports: list[int]
    limit: int
    seen: list[bytes] = field(default_factory=list)

    def start(self) -> Step:
        return Send(wire_to(self.ports.pop(0), self.request))

    def on_head(self, head: Head) -> Step:  # noqa: ARG002
        return Collect(self.limit)

    def on_body(self, head: Head, body: bytes) -> Step:
        self.seen.append(body)
        return Answer(Reply(Head(head.status), body))

    def on_fault(self, fault: Fault) -> Step:  # noqa: ARG002
        return Send(wire_to(self.ports.pop(0), self.request))


async def test_collected_body_is_whole_below_the_limit() -> None:
    async with (
        upstream(answer(b"400 Bad", b"why " * 5)) as up,
        engine(lambda r: Explains(r, [up.port], 100)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert (response.status, response.body) == (400, b"why " * 5)


async def test_collecting_stops_at_its_limit_and_closes_the_upstream() -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.head(b"transfer-encoding: chunked", status=b"400 Bad")
        while True:
            await exchange.chunk(b"x" * 100)

    async with (
        upstream(endless) as up,
        engine(lambda r: Explains(r, [up.port], 1000)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        assert (await c.response()).body == b"x" * 1000
        await within(up.gone)


async def test_collected_part_of_a_cut_answer_is_not_carried_into_the_next_attempt() -> None:
    async def cut(exchange: Exchange) -> None:
        await exchange.head(b"content-length: 100", status=b"400 Bad")
        await exchange.send(b"stale")
        exchange.writer.close()

    async with upstream(cut, answer(b"400 Bad", b"fresh")) as up:
        make = lambda r: Explains(r, [up.port, up.port], 100)  # noqa: E731
        async with engine(make) as proxy, client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == b"fresh"


async def test_two_turns_on_two_client_connections_do_not_mix() -> None:
    gate = asyncio.Event()
    first = b'data: {"turn":"first"}\n\n'
    async with (
        upstream(gated(first, gate, DONE), turn) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as one,
        client(proxy.port) as two,
    ):
        await one.post("/v1/one", BODY)
        begun = await one.head()
        assert await one.chunk() == first
        await two.post("/v1/two", BODY)
        assert (await two.response()).body == EVENT + DONE
        gate.set()
        assert (await one.rest(begun)).body == DONE


WHOLE = b"POST /v1/%d HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = (
    b"POST /v1/%d HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(
    "kinds", [(WHOLE,) * 3, (WHOLE, CHUNKED, WHOLE), (CHUNKED, WHOLE, CHUNKED)]
)
async def test_pipelined_requests_are_answered_in_order(kinds: tuple[bytes, ...]) -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.send(b"".join(kind % n for n, kind in enumerate(kinds)))
        for _ in range(3):
            assert (await c.response()).body == EVENT + DONE
        assert [request.line.split()[1] for request in up.requests] == [
            b"/v1/0",
            b"/v1/1",
            b"/v1/2",
        ]
        await until(lambda: proxy.engine.live_turns == 0)
