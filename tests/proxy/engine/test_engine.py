"""The engine's list of live turns, and its errors."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from mitmproxy.test import tflow

from addons.core.telemetry.record import TurnRecord
from addons.core.turn import FaultKind
from addons.proxy.engine.engine import Engine
from addons.proxy.engine.interfaces import LiveTurn
from tests.boundary.scripts import BODY, DONE, EVENT, gated, turn
from tests.support.client import client
from tests.support.engine import QUICK, TestRouter, engine, to_ports
from tests.support.upstream import upstream
from tests.support.waiting import until


def test_record_of_a_turn_is_reported_once_even_if_the_report_raises() -> None:
    reported: list[TurnRecord] = []

    def on_turn(record: TurnRecord) -> None:
        reported.append(record)
        raise RuntimeError

    one = Engine(TestRouter(to_ports()), QUICK, on_turn=on_turn)
    turn = cast("LiveTurn", SimpleNamespace(flow=tflow.tflow(), record=TurnRecord(slug="m")))
    one.register(turn)
    with pytest.raises(RuntimeError):
        one.forget(turn)
    assert one.live_turns == 0
    one.forget(turn)
    assert len(reported) == 1


def test_internal_fault_names_an_id_and_never_the_exception(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault = Engine(TestRouter(to_ports()), QUICK).internal_fault(RuntimeError("secret"))
    assert fault.kind is FaultKind.INTERNAL
    assert "secret" not in fault.detail + caplog.text
    found = re.search(r"internal error ([0-9a-f]{8})\b", fault.detail)
    assert found
    assert found[1] in caplog.text


def test_flow_of_a_turn_that_has_ended_is_left_alone() -> None:
    flow = tflow.tflow()
    flow.live = False
    Engine(TestRouter(to_ports()), QUICK).admit_head(flow, None)
    assert flow.response is None
    flow.live = True
    Engine(TestRouter(to_ports()), QUICK).admit_head(flow, None)
    assert flow.response


async def test_client_that_has_been_idle_longest_makes_room() -> None:
    async with (
        upstream(turn) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as first,
        client(proxy.port) as second,
    ):
        for c in (first, second):
            await c.post("/v1/responses", BODY)
            assert (await c.response()).body == EVENT + DONE
        proxy.engine.make_room(2)
        proxy.engine.make_room(1)
        assert await first.eof() == b""
        await second.post("/v1/responses", BODY)
        assert (await second.response()).body == EVENT + DONE


async def test_shutdown_lets_a_turn_end_within_its_limit() -> None:
    gate = asyncio.Event()
    limits = replace(QUICK, drain_seconds=5)
    async with (
        upstream(gated(EVENT, gate, DONE)) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        begun = await c.head()
        assert await c.chunk() == EVENT
        stopping = asyncio.ensure_future(proxy.engine.shutdown())
        await until(lambda: not proxy.master.addons.get("proxyserver").servers)
        gate.set()
        assert (await c.rest(begun)).body.endswith(DONE)
        await stopping
