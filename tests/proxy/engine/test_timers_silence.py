"""Silence: heartbeats at event borders only, a typed end at the stall limit, and no mistaking a slow client for it."""

import asyncio
from dataclasses import replace

import pytest
from mitmproxy.proxy.layer import CommandGenerator

from addons.core.turn import ClientRequest, Collect, Fault, FaultKind, Head, Plan, Relay, Step
from addons.proxy.engine.interfaces import LiveTurn
from addons.proxy.engine.response_side import ResponseSide
from tests.boundary.scripts import BODY, DONE, EVENT, HEARTBEAT, begins, gated, silence, turn
from tests.support.client import Client, client
from tests.support.engine import (
    QUICK,
    Plain,
    Running,
    ScriptedPlan,
    engine,
    only_stream,
    to_ports,
    wire_to,
)
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import until, within


class Collecting(ScriptedPlan):
    """Reads every answer whole."""

    most = 1000

    def on_head(self, head: Head) -> Step:
        self.heads.append(head)
        return Collect(self.most)


async def two_beats(proxy: Running) -> None:
    """Wait until a heartbeat was due twice, whether or not one could be given."""
    send, beats = ResponseSide.send_heartbeat, []

    def counted(side: ResponseSide) -> CommandGenerator[None]:
        beats.append(1)
        return send(side)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResponseSide, "send_heartbeat", counted)
        await until(lambda: len(beats) >= 2)
    assert proxy.engine.live_turns == 1


async def test_silence_between_events_brings_data_heartbeats() -> None:
    """A data event, because a comment does not reset the client's timer."""
    async with (
        upstream(begins(EVENT)) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        await c.head()
        assert await c.chunk() == EVENT
        assert [await c.chunk() for _ in range(3)] == [HEARTBEAT] * 3
    assert b"\ndata: " in HEARTBEAT


async def test_gap_between_heartbeats_never_doubles() -> None:
    """Bytes just after a wake-up was asked for must not put the next beat off to the one after."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Event()
    limits = replace(QUICK, heartbeat_seconds=0.8, stall_seconds=30)
    async with (
        upstream(gated(EVENT, gate, EVENT, DONE)) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        await c.head()
        assert await c.chunk() == EVENT
        last, gaps = loop.time(), []
        for _ in range(2):
            assert await c.chunk() == HEARTBEAT
            gaps.append(loop.time() - last)
            last = loop.time()
        gate.set()
    assert max(gaps) < 0.8 * 1.9, gaps


async def test_no_heartbeat_inside_an_event() -> None:
    gate = asyncio.Event()
    half, rest = b'event: a\ndata: {"half":', b"1}\n\n"
    async with (
        upstream(gated(half, gate, rest, DONE)) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        begun = await c.head()
        assert await c.chunk() == half
        await two_beats(proxy)
        gate.set()
        assert (await c.rest(begun)).body == rest + DONE


@pytest.mark.parametrize(
    ("line", "first"),
    [
        (b"content-encoding: gzip", b"\x1f\x8b\x08 not an event\n\n"),
        (b"content-type: application/json", b'{"a":\n\n'),
    ],
)
async def test_no_heartbeat_into_an_encoded_or_other_body(line: bytes, first: bytes) -> None:
    gate = asyncio.Event()
    is_json = line.startswith(b"content-type")

    async def script(exchange: Exchange) -> None:
        kind = line if is_json else b"content-type: text/event-stream"
        await exchange.head(kind, b"transfer-encoding: chunked", *([] if is_json else [line]))
        await exchange.chunk(first)
        await within(gate)
        await exchange.chunk(b"end")
        await exchange.end()

    async with (
        upstream(script) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        begun = await c.head()
        assert await c.chunk() == first
        await two_beats(proxy)
        gate.set()
        rest = (await c.rest(begun)).body
    assert HEARTBEAT not in rest
    assert rest.startswith(b"end")


async def test_stall_before_the_head_is_a_typed_answer() -> None:
    plans: list[ScriptedPlan] = []

    async with upstream(silence) as up:
        limits = replace(QUICK, stall_seconds=0.2)

        def make(request: ClientRequest) -> Plan:
            plans.append(ScriptedPlan(request, [wire_to(up.port, request)]))
            return plans[-1]

        async with engine(make, limits) as proxy, client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            response = await c.response()
            await within(up.gone)
    assert (response.status, b"upstream_stalled" in response.body) == (504, True)
    assert [fault.kind for fault in plans[0].faults] == [FaultKind.STALL]


async def test_stall_before_the_head_lets_the_next_attempt_begin() -> None:
    async with upstream(silence) as mute, upstream(turn) as up:
        limits = replace(QUICK, stall_seconds=0.2)
        async with engine(to_ports(mute.port, up.port), limits) as proxy, client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == EVENT + DONE
            await within(mute.gone)


async def test_stall_inside_the_stream_is_a_typed_terminal_event() -> None:
    limits = replace(QUICK, heartbeat_seconds=5, stall_seconds=0.3)
    async with (
        upstream(begins(EVENT)) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
        await within(up.gone)
    assert response.complete
    assert response.body.startswith(EVENT)
    assert response.body.count(b'"type":"response.failed"') == 1
    assert b"upstream_stalled" in response.body


async def test_heartbeats_do_not_put_off_the_stall_limit() -> None:
    limits = replace(QUICK, heartbeat_seconds=0.1, stall_seconds=0.45)
    async with (
        upstream(begins(EVENT)) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert 1 <= response.body.count(HEARTBEAT) <= 4
    assert b"upstream_stalled" in response.body


async def test_upstream_that_does_not_end_after_its_terminal_event_is_ended() -> None:
    """Within the linger limit, not at the next heartbeat."""
    loop = asyncio.get_running_loop()
    limits = replace(QUICK, heartbeat_seconds=30, stall_seconds=30, linger_seconds=0.1)
    async with (
        upstream(begins(EVENT, DONE)) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        began = loop.time()
        await c.post("/v1/responses", BODY)
        response = await c.response()
        assert loop.time() - began < 15
        await within(up.gone)
    assert response.complete
    assert response.body == EVENT + DONE


class Holding(Collecting):
    """Holds an answer until its first bytes are there, as a route with a fallback does."""

    most = 1

    def on_body(self, head: Head, body: bytes) -> Relay:
        assert body == EVENT[:1]
        return Relay(head, Plain())


class Incomplete(Plain):
    """Writes the terminal event at the end of the body, like the translator of a protocol that has usage behind the answer."""

    awaits_end = False

    def feed(self, data: bytes) -> bytes:
        self.awaits_end = self.awaits_end or data.endswith(EVENT)
        return data

    def finish(self) -> bytes:
        self.terminal = True
        return DONE

    def fail(self, fault: Fault) -> bytes:
        return self.finish() if self.awaits_end else super().fail(fault)


class HoldingIncomplete(Holding):
    def on_body(self, head: Head, body: bytes) -> Relay:
        return replace(super().on_body(head, body), translator=Incomplete())


async def test_answer_that_was_held_up_to_its_usage_is_ended_as_well() -> None:
    limits = replace(QUICK, heartbeat_seconds=0.3, stall_seconds=30, linger_seconds=0.5)
    async with (
        upstream(begins(EVENT)) as up,
        engine(lambda r: HoldingIncomplete(r, [wire_to(up.port, r)]), limits) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
        await within(up.gone)
    assert response.complete
    assert response.body == EVENT + DONE


async def test_answer_that_was_held_whole_is_ended_as_well() -> None:
    limits = replace(QUICK, heartbeat_seconds=0.3, stall_seconds=30, linger_seconds=0.5)
    async with (
        upstream(begins(EVENT + DONE)) as up,
        engine(lambda r: Holding(r, [wire_to(up.port, r)]), limits) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
        await within(up.gone)
    assert response.complete
    assert response.body == EVENT + DONE


async def test_slow_client_is_not_a_stalled_upstream() -> None:
    """A client that reads nothing for longer than the stall limit still gets its whole answer."""
    big = b"data: " + b"x" * 60_000 + b"\n\n"
    count = 200

    async def much(exchange: Exchange) -> None:
        await exchange.sse_head()
        for _ in range(count):
            await exchange.chunk(big)
        await exchange.chunk(DONE)
        await exchange.end()

    limits = replace(QUICK, heartbeat_seconds=0.05, stall_seconds=0.2)
    async with upstream(much) as up, engine(to_ports(up.port), limits) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=1 << 16)
        c = Client(reader, writer)
        await c.post("/v1/responses", BODY)
        begun = await c.head()
        looks: list[int] = []
        stream = only_stream(proxy.engine)
        unsent = proxy.engine.unsent_bytes

        def counted(turn: LiveTurn) -> int:
            looks.append(unsent(turn))
            return looks[-1]

        proxy.engine.unsent_bytes = counted  # type: ignore[method-assign]
        await until(lambda: len(looks) > 8)
        assert not stream.state.is_ending
        response = await c.rest(begun)
        writer.close()
    assert response.complete
    assert response.body.replace(HEARTBEAT, b"") == big * count + DONE


async def floods(exchange: Exchange) -> None:
    await exchange.sse_head()
    while True:
        await exchange.chunk(b"data: " + b"x" * 60_000 + b"\n\n")


async def test_client_that_accepts_nothing_ends_its_turn_and_the_upstream_work() -> None:
    limits = replace(QUICK, unread_seconds=0.3)
    async with upstream(floods) as up, engine(to_ports(up.port), limits) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=1 << 16)
        c = Client(reader, writer)
        await c.post("/v1/responses", BODY)
        begun = await c.head()
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)
        response = await c.rest(begun)
        writer.close()
    assert response.complete
    assert response.body.count(b'"type":"response.failed"') == 1
    assert b"answer_unread" in response.body
    assert b"nothing for 0.3 s of its answer" in response.body


async def test_client_that_reads_slowly_keeps_its_turn() -> None:
    """It accepts little at a time, and is never ready, for longer than the limit."""
    limits = replace(QUICK, heartbeat_seconds=0.05, unread_seconds=0.5)
    loop = asyncio.get_running_loop()
    async with upstream(floods) as up, engine(to_ports(up.port), limits) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=1 << 16)
        c = Client(reader, writer)
        await c.post("/v1/responses", BODY)
        await c.head()
        began = loop.time()
        while loop.time() - began < 2:
            await reader.readexactly(300_000)
            await asyncio.sleep(0.05)
        assert proxy.engine.live_turns == 1
        writer.close()


async def repeats(exchange: Exchange, chunk: bytes) -> None:
    """Write this chunk, often, until the other side leaves."""
    left = asyncio.ensure_future(exchange.closed())
    while not left.done():
        await exchange.chunk(chunk)
        await asyncio.wait([left], timeout=0.01)


async def test_comments_of_the_upstream_do_not_put_off_the_heartbeat() -> None:
    """Codex's timer is set back by data events alone."""
    limits = replace(QUICK, heartbeat_seconds=0.1, stall_seconds=30)

    async def pings(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(EVENT)
        await repeats(exchange, b": ping\n\n")

    async with (
        upstream(pings) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        await c.head()
        assert (await c.chunk()).startswith(EVENT)
        beats = 0
        while beats < 3:
            beats += await c.chunk() == HEARTBEAT
        assert proxy.engine.live_turns == 1


async def test_linger_is_measured_from_the_terminal_event() -> None:
    """Whatever the upstream goes on to send."""
    limits = replace(QUICK, heartbeat_seconds=30, stall_seconds=30, linger_seconds=0.1)

    async def never_ends(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(EVENT + DONE)
        await repeats(exchange, b": ping\n\n")

    async with (
        upstream(never_ends) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
        await within(up.gone)
    assert response.complete
    assert response.body.startswith(EVENT + DONE)


async def test_error_page_that_trickles_has_one_deadline() -> None:
    async def trickles(exchange: Exchange) -> None:
        await exchange.head(b"transfer-encoding: chunked", status=b"500 Oh")
        await repeats(exchange, b"x")

    async with (
        upstream(trickles) as up,
        engine(
            lambda request: Collecting(request, [wire_to(up.port, request)]),
            replace(QUICK, stall_seconds=0.3),
        ) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
        await within(up.gone)
    assert (response.status, b"upstream_stalled" in response.body) == (504, True)
