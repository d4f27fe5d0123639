"""No leaks: many turns of every kind leave no stream, wake-up, task, connection or body behind."""

import asyncio
import gc
import weakref
from dataclasses import replace

from addons.core.turn import ClientRequest, Plan, Sink
from tests.boundary.scripts import BODY, DONE, EVENT, answer, begins, local_stream, raw, turn
from tests.support.client import Client, client
from tests.support.engine import QUICK, engine, to_ports
from tests.support.upstream import upstream
from tests.support.waiting import until


async def source(sink: Sink) -> None:
    await sink.write(EVENT + DONE)


async def kill(c: Client, flows: list[object]) -> None:
    begun = await c.head()
    assert await c.chunk() == EVENT
    flows[-1].kill()  # type: ignore[attr-defined]
    assert (await c.rest(begun)).complete


async def test_two_hundred_mixed_turns_leave_nothing_behind() -> None:
    async with (
        upstream(turn) as good,
        upstream(answer(b"503 Busy")) as busy,
        upstream(raw(b"")) as closing,
        upstream(begins(EVENT)) as slow,
    ):
        kinds = {
            "/good": to_ports(good.port),
            "/retried": to_ports(busy.port, good.port, retry_on=frozenset({503})),
            "/failed": to_ports(closing.port),
            "/refused": to_ports(1),
            "/killed": to_ports(slow.port),
            "/local": local_stream(source),
        }
        turns: list[weakref.ref[object]] = []

        def make(request: ClientRequest) -> Plan:
            plan = kinds[request.path](request)
            turns.append(weakref.ref(plan))
            return plan

        async with engine(make) as proxy, client(proxy.port) as c:
            for number in range(204):
                path = list(kinds)[number % len(kinds)]
                await c.post(path, BODY)
                if path == "/killed":
                    await kill(c, proxy.addon.flows)  # type: ignore[arg-type]
                else:
                    assert (await c.response()).complete
            layer = proxy.layers[0]
            await until(lambda: not layer.streams)
            assert proxy.engine.live_turns == 0
            assert layer.command_sources == {}
            assert layer.waiting_for_establishment == {}
            # the client's, and the kept ones to `good` and `busy`
            await until(lambda: len(layer.connections) <= 3)
            handler = next(iter(proxy.master.addons.get("proxyserver").connections.values()))
            await until(lambda: len(handler.transports) <= 3)
            assert len(layer._used) <= 2
            proxy.router.requests.clear()

            def alive() -> int:
                gc.collect()
                return sum(ref() is not None for ref in turns)

            # the task that carried the last event may still have its frame
            await until(lambda: not alive())
        assert good.connections == 1


async def test_stopped_proxy_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        for _ in range(5):
            await c.post("/v1/responses", BODY)
            assert (await c.response()).complete
    await until(lambda: asyncio.all_tasks() == before)


async def test_an_ended_turn_leaves_no_timer() -> None:
    patient = replace(QUICK, heartbeat_seconds=600.0, stall_seconds=600.0, linger_seconds=600.0)
    for idle_seconds, timers in ((0, 0), (600, 1)):
        limits = replace(patient, pool_idle_seconds=idle_seconds)
        async with (
            upstream(turn) as up,
            engine(to_ports(up.port), limits) as proxy,
            client(proxy.port) as c,
        ):
            for _ in range(3):
                await c.post("/v1/responses", BODY)
                assert (await c.response()).complete
            (handler,) = proxy.master.addons.get("proxyserver").connections.values()
            # the one that is left closes what was idle for too long
            await until(lambda h=handler, n=timers: len(h.wakeup_timer) == n)  # type: ignore[misc]


async def test_a_client_that_leaves_takes_its_timers_along() -> None:
    patient = replace(QUICK, head_seconds=600.0)
    async with engine(to_ports(1), patient) as proxy, client(proxy.port) as c:
        c.writer.write(b"POST /v1/responses HTTP/1.1\r\n")
        connections = proxy.master.addons.get("proxyserver").connections
        await until(lambda: any(handler.wakeup_timer for handler in connections.values()))
        (handler,) = connections.values()
        (timer,) = handler.wakeup_timer
        c.abort()
        await until(timer.cancelled)
