"""A models.json with thousands of rows is read while streams run: none of them waits for it."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from tests.faults.routes import ROUTES
from tests.faults.shim import CODEX, RunningShim, running_shim
from tests.support.client import client
from tests.support.upstream import Exchange
from tests.support.waiting import until

CHAT = ROUTES[1]
ROWS = 6_000
LONGEST_GAP = 1.5
"""Generous: it takes longer than this to read the file, and a loaded machine has gaps of its own."""
PAUSE = 0.01


def many_rows(text: str) -> str:
    settings = json.loads(text)
    (row,) = settings["models"]
    settings["models"] += [{**row, "slug": f"row-{n}", "model": f"model-{n}"} for n in range(ROWS)]
    return json.dumps(settings)


async def test_large_settings_file_stops_no_stream(folder: Path) -> None:
    gaps: list[float] = []
    going = True

    async def steady(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(CHAT.healthy.begin)
        while going:
            await exchange.chunk(CHAT.healthy.middle)
            await asyncio.sleep(PAUSE)
        await exchange.chunk(CHAT.healthy.end + CHAT.healthy.tail)
        await exchange.end()

    async with running_shim(CHAT, folder) as shim:
        shim.play(steady)
        large = await asyncio.to_thread(many_rows, shim.settings.read_text())
        async with client(shim.port) as streaming:
            await shim.post(streaming, CODEX)
            head = await streaming.head()

            async def measure() -> None:
                last = time.monotonic()
                while data := await streaming.chunk():
                    now = time.monotonic()
                    gaps.append(now - last)
                    last = now
                    head.chunks.append(data)

            measuring = asyncio.ensure_future(measure())
            await until(lambda: len(gaps) > 10)
            await asyncio.to_thread(shim.settings.write_text, large)
            source = shim.master.shim.sources.settings_source
            began = time.monotonic()
            assert await status_of_turn(shim, "row-1") == 404, "the file was read at once"
            async with asyncio.timeout(120):
                while len(source.rows.rows) == 1:
                    await status_of_turn(shim, "no-such-row")
                    await asyncio.sleep(PAUSE)
            took = time.monotonic() - began
            assert await status_of_turn(shim, f"row-{ROWS - 1}") == 200
            going = False
            await measuring
    assert len(source.rows.rows) == ROWS + 1
    assert max(gaps) < LONGEST_GAP < took


async def status_of_turn(shim: RunningShim, slug: str) -> int:
    async with client(shim.port) as c:
        await c.post("/v1/responses", shim.body.replace(CHAT.slug.encode(), slug.encode()), CODEX)
        return (await c.head()).status
