"""Replay and intercept: what the user sees, and perhaps edited, goes through the engine again under a fresh plan."""

import asyncio
from dataclasses import replace

from mitmproxy import http

from addons.core.turn import Sink
from tests.boundary.scripts import BODY, DONE, EVENT, asked, local_stream, turn
from tests.support.client import client
from tests.support.engine import BEARER, QUICK, Running, engine, to_ports
from tests.support.upstream import upstream
from tests.support.waiting import until

EDITED = b'{"model":"edited"}'


async def replay(proxy: Running, flow: http.HTTPFlow) -> None:
    await until(lambda: not flow.live and not proxy.master.commands.call("replay.client.count"))
    proxy.master.commands.call("replay.client", [flow])


async def test_replay_goes_through_the_engine_with_a_fresh_plan() -> None:
    async with upstream(turn) as up, upstream(turn) as trap:
        sink = f"http://127.0.0.1:{trap.port}"
        async with engine(to_ports(up.port), sink=sink) as proxy:
            async with client(proxy.port) as c:
                await c.post("/v1/responses", BODY, b"authorization: Bearer of-the-client")
                await c.response()
            for count in (2, 3):
                await replay(proxy, proxy.flow)
                await until(lambda count=count: len(up.requests) == count)  # type: ignore[misc]
                await until(lambda: proxy.engine.live_turns == 0)
            assert proxy.flow.response
            assert proxy.flow.response.status_code == 200
            assert proxy.flow.is_replay == "request"
            assert trap.connections == 0
    assert len(proxy.router.requests) == 3
    assert up.requests[-1].header(b"authorization") == b"Bearer " + BEARER
    assert proxy.router.requests[0].credentials
    assert not proxy.router.requests[1].credentials


async def test_edited_body_of_a_replay_counts() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy:
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            await c.response()
        proxy.flow.request.content = EDITED
        await replay(proxy, proxy.flow)
        await until(lambda: len(up.requests) == 2)
        await until(lambda: proxy.engine.live_turns == 0)
    assert [request.body for request in up.requests] == [BODY, EDITED]
    assert up.requests[1].header(b"content-length") == b"%d" % len(EDITED)


async def test_synthetic_turn_can_be_replayed_and_killed() -> None:
    runs: list[str] = []
    gate = asyncio.Event()

    async def source(sink: Sink) -> None:
        runs.append("began")
        try:
            await sink.write(EVENT)
            await gate.wait()
            await sink.write(DONE)
        finally:
            runs.append("ended")

    calm = replace(QUICK, heartbeat_seconds=30, stall_seconds=30)
    async with engine(asked("m", local_stream(source)), calm, store_streamed_bodies=True) as proxy:
        async with client(proxy.port) as c:
            gate.set()
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == EVENT + DONE
        await replay(proxy, proxy.flow)
        await until(lambda: runs == ["began", "ended"] * 2 and proxy.engine.live_turns == 0)
        assert proxy.flow.response
        assert proxy.flow.response.raw_content == EVENT + DONE
        gate.clear()
        await replay(proxy, proxy.flow)
        await until(lambda: len(runs) == 5 and proxy.flow.response)
        proxy.flow.kill()
        await until(lambda: runs == ["began", "ended"] * 3)
        await until(lambda: proxy.engine.live_turns == 0)


async def test_edit_while_intercepted_counts() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        proxy.addon.acts["request"] = http.HTTPFlow.intercept
        await c.post("/v1/responses", BODY)
        await until(lambda: proxy.addon.flows and proxy.flow.intercepted)
        proxy.flow.request.content = EDITED
        proxy.flow.request.path = "/v1/edited"
        assert up.requests == []
        proxy.flow.resume()
        assert (await c.response()).body == EVENT + DONE
    assert up.requests[0].body == EDITED
    assert up.requests[0].line == b"POST /v1/edited HTTP/1.1"


async def test_second_engine_takes_the_place_of_the_first() -> None:
    async with upstream(turn) as up:
        async with engine(to_ports(up.port)) as first:
            assert first.engine.live_turns == 0
        async with engine(to_ports(up.port)) as proxy:
            async with client(proxy.port) as c:
                await c.post("/v1/responses", BODY)
                await c.response()
            await replay(proxy, proxy.flow)
            await until(lambda: len(up.requests) == 2 and proxy.engine.live_turns == 0)
    assert len(proxy.router.requests) == 2
    assert first.router.requests == []
