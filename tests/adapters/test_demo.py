"""The demo model's pace, ids and clock."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from addons.adapters.demo import paced, plan_demo
from addons.core.providers.demo import DEMO_SLUG, demo_entry
from addons.core.routes import Route
from addons.core.turn import Answer, ClientRequest


class Collector:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.written.append(data)


async def test_chunks_are_written_whole_and_in_order() -> None:
    sink = Collector()
    await paced([b"one", b"two", b"three"], 0)(sink)
    assert sink.written == [b"one", b"two", b"three"]


async def test_stream_pauses_between_chunks() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await paced([b"x"] * 5, 0.01)(Collector())
    assert loop.time() - start >= 0.04


class LeavingClient(Collector):
    async def write(self, data: bytes) -> None:
        await super().write(data)
        raise asyncio.CancelledError


async def test_writing_ends_when_the_client_leaves() -> None:
    sink = LeavingClient()
    with pytest.raises(asyncio.CancelledError):
        await paced([b"one", b"two"], 0)(sink)
    assert sink.written == [b"one"]


def test_turn_has_its_own_id_and_time() -> None:
    route = Route(DEMO_SLUG, "demo", "demo", DEMO_SLUG, demo_entry(), plan_demo)
    request = ClientRequest(
        "POST", "/v1/responses", (), orjson.dumps({"model": DEMO_SLUG, "input": "hi"})
    )
    steps = [plan_demo(request, route).start() for _ in range(2)]
    first, second = (orjson.loads(s.reply.body) for s in steps if isinstance(s, Answer))
    assert first["id"] != second["id"]
    assert first["created_at"] > 1_700_000_000
