"""Local sources: a coroutine streams to the client, no faster than it reads and no longer than it stays."""

import asyncio
from dataclasses import replace

import pytest

from addons.core.turn import LocalSource, Sink
from tests.boundary.scripts import BODY, DONE, EVENT, HEARTBEAT, local_stream
from tests.support.client import client
from tests.support.engine import QUICK, engine, only_stream
from tests.support.waiting import LONGEST, until, within


async def test_what_one_step_writes_arrives_as_one_chunk() -> None:
    async def source(sink: Sink) -> None:
        for _ in range(100):
            await sink.write(EVENT)
        await sink.write(DONE)

    async with engine(local_stream(source)) as proxy, client(proxy.port) as c:
        for _ in range(2):
            await c.post("/v1/responses", BODY)
            response = await c.response()
            assert response.complete
            assert response.chunks == [EVENT * 100 + DONE]


async def test_source_waits_for_a_client_that_reads_nothing() -> None:
    """What it managed to write is bounded by the queue and the sockets' buffers, not by what it has."""
    piece = b"data: " + b"x" * 65_528 + b"\n\n"
    total = 4000
    written = 0

    async def source(sink: Sink) -> None:
        nonlocal written
        for _ in range(total):
            await sink.write(piece)
            written += len(piece)

    calm = replace(QUICK, queue_bytes=256 * 1024, heartbeat_seconds=30, stall_seconds=30)
    async with engine(local_stream(source), calm) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=1 << 16)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
        stream_of = proxy.engine._turns.values
        await until(lambda: stream_of() and proxy.engine.unsent_bytes(next(iter(stream_of()))))
        seen = -1
        while seen != written:
            seen = written
            for _ in range(200):
                await asyncio.sleep(0)
        assert written < 16 * 1024 * 1024 < total * len(piece)
        rest = 0
        async with asyncio.timeout(LONGEST):
            while rest < 20 * 1024 * 1024:
                part = await reader.read(1 << 20)
                assert part, "the answer has ended"
                rest += len(part)
        assert written > 16 * 1024 * 1024
        writer.transport.abort()
        await until(lambda: proxy.engine.live_turns == 0)


async def breaks(sink: Sink) -> None:
    await sink.write(EVENT)
    msg = "secret-in-an-exception"
    raise RuntimeError(msg)


async def is_cancelled_from_within(sink: Sink) -> None:
    await sink.write(EVENT)
    raise asyncio.CancelledError


@pytest.mark.parametrize("source", [breaks, is_cancelled_from_within])
async def test_source_that_fails_is_a_typed_failure(
    source: LocalSource, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine(local_stream(source)) as proxy, client(proxy.port) as c:
        for _ in range(2):
            await c.post("/v1/responses", BODY)
            response = await c.response()
            assert response.complete
            assert response.body.startswith(EVENT)
            assert b"shim_bug" in response.body
            assert b"secret-in" not in response.body
    assert "secret-in" not in caplog.text


async def test_source_that_ends_without_a_terminal_event_gets_one() -> None:
    async def source(sink: Sink) -> None:
        await sink.write(b"data: half")

    async with engine(local_stream(source)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert response.body.startswith(b"data: half\n\nevent: response.failed\n")


async def test_silent_local_source_gets_heartbeats_at_event_borders_only() -> None:
    gates = [asyncio.Event(), asyncio.Event()]

    async def source(sink: Sink) -> None:
        await sink.write(EVENT)
        await gates[0].wait()
        await sink.write(b"data: half")
        await gates[1].wait()
        await sink.write(b"\n\n" + DONE)

    async with (
        engine(local_stream(source), replace(QUICK, stall_seconds=5)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        begun = await c.head()
        assert [await c.chunk() for _ in range(3)] == [EVENT, HEARTBEAT, HEARTBEAT]
        gates[0].set()
        while (part := await c.chunk()) == HEARTBEAT:
            pass
        assert part == b"data: half"
        stream = only_stream(proxy.engine)
        sent = stream.response_side.clock._client_fed
        await until(lambda: stream.response_side.clock._client_fed > sent)
        gates[1].set()
        assert (await c.rest(begun)).body == b"\n\n" + DONE


async def test_source_that_is_silent_too_long_is_stalled_and_cancelled() -> None:
    ended = asyncio.Event()

    async def source(sink: Sink) -> None:
        try:
            await sink.write(EVENT)
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with engine(local_stream(source), replace(QUICK, stall_seconds=0.2)) as proxy:
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            response = await c.response()
        await within(ended)
    assert b"upstream_stalled" in response.body


async def test_source_is_ended_at_once_by_the_terminal_event() -> None:
    """Also when the translator found it before the source did: what runs for a turn must not act on after it."""
    ended = asyncio.Event()

    async def source(sink: Sink) -> None:
        try:
            await sink.write(EVENT + DONE)
            await asyncio.Event().wait()
        finally:
            ended.set()

    limits = replace(QUICK, heartbeat_seconds=60, stall_seconds=60, linger_seconds=60)
    async with engine(local_stream(source), limits) as proxy, client(proxy.port) as c:
        for _ in range(2):
            ended.clear()
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == EVENT + DONE
            await within(ended)
