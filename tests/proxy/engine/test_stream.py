"""An ended turn is gone at once: its bodies may be megabytes, and a collection may be long in coming."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from mitmproxy import http

from addons.core.turn import ClientRequest, Head, Plan, Send, Step
from addons.proxy.engine.stream import TurnStream
from tests.boundary.scripts import BODY, DONE, EVENT, answer, turn
from tests.support.client import client
from tests.support.driver import Driver
from tests.support.engine import BEARER, ScriptedPlan, engine, only_stream, to_ports, wire_to
from tests.support.upstream import upstream
from tests.support.waiting import until


def streams() -> list[object]:
    return [one for one in gc.get_objects() if isinstance(one, TurnStream)]


async def test_no_stream_waits_for_a_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    # as `serve` does: mitmproxy's type checks leave exceptions behind that hold every frame they passed
    monkeypatch.setattr(http.MessageData, "__post_init__", lambda _: None)
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                await c.post("/v1/responses", BODY)
                assert (await c.response()).status == 200
            await until(lambda: not streams())
        finally:
            gc.enable()


CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def test_read_is_relayed_at_once_only_between_the_head_and_the_end() -> None:
    driver = Driver(to_ports(1), holds="responseheaders")
    driver.post()
    up = driver.open()
    stream = only_stream(driver.engine)
    (attempt_id,) = [stream_id for stream_id in driver.layer.streams if stream_id % 2 == 0]
    assert stream.relay_at_once(attempt_id, EVENT) is None
    driver.data(up, CHUNKED)
    assert stream.relay_at_once(attempt_id, EVENT) is None
    driver.holds = ""
    driver.finish_hook()
    assert stream.relay_at_once(attempt_id + 2, EVENT) is None
    assert stream.relay_at_once(attempt_id, EVENT) == EVENT
    driver.holds = "response"
    driver.data(up, b"%x\r\n%s\r\n0\r\n\r\n" % (len(DONE), DONE))
    assert stream.waits_for
    assert stream.relay_at_once(attempt_id, EVENT) is None
    driver.holds = ""
    driver.finish_hook()
    assert stream.relay_at_once(attempt_id, EVENT) is None


@dataclass
class Preparing(ScriptedPlan):
    """Makes something ready for each answer."""

    make_ready: Callable[[], object] = field(default=list)

    def start(self) -> Step:
        return Send(self.wires.pop(0), make_ready=self.make_ready)

    def on_head(self, head: Head) -> Step:
        if head.status == 503:
            return Send(self.wires.pop(0), make_ready=self.make_ready)
        return super().on_head(head)


async def test_answer_is_made_ready_once_the_request_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []
    usual = asyncio.StreamWriter.write

    def write(writer: asyncio.StreamWriter, data: bytes) -> None:
        if BEARER in data:
            order.append("request")
        usual(writer, data)

    async with upstream(answer(b"503 Busy"), turn) as up:

        def plan(request: ClientRequest) -> Plan:
            wires = [wire_to(up.port, request), wire_to(up.port, request)]
            return Preparing(request, wires, make_ready=lambda: order.append("ready"))

        async with engine(plan) as proxy, client(proxy.port) as c:
            monkeypatch.setattr(asyncio.StreamWriter, "write", write)
            await c.post("/x", BODY)
            assert DONE in (await c.response()).body
    assert order == ["request", "ready"] * 2
