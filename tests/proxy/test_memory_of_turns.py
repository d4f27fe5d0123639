"""An ended turn is gone at once: its bodies may be megabytes, and a collection may be long in coming."""

from __future__ import annotations

import gc

import pytest
from mitmproxy import http

from addons.proxy.engine.stream import TurnStream
from tests.proxy.scripts import BODY, turn
from tests.support.client import client
from tests.support.engine import engine, to_ports
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
