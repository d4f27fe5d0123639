"""The data of the dashboard, over the Master of `codex-shim serve`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from addons.adapters.ledger.turn_log import TurnLogWriter
from addons.adapters.web.dashboard import Event
from addons.core.routes import Cause
from addons.core.telemetry.outcomes import COMPLETE, ERRORS
from addons.core.telemetry.record import AttemptRecord
from addons.proxy.master import ListenOptions, ShimMaster
from tests.adapters.records import turn
from tests.support.client import Client, client
from tests.support.waiting import until

DEMO = b'{"model":"shim-demo","stream":true,"input":"hi"}'


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[ShimMaster, int]]:
    """Run a shim on an empty machine, which offers the demo model."""
    env = {"HOME": str(folder), "PATH": "", "CODEX_SHIM_STATE_DIR": str(folder / "state"), "CODEX_SHIM_DISABLE_CHATGPT": "1"}  # fmt: skip
    ready = asyncio.Event()
    master = ShimMaster(ListenOptions("127.0.0.1", 0), lambda _: ready.set(), env)
    task = asyncio.create_task(master.run())  # noqa: TID251, RUF100  awaited below
    await ready.wait()
    try:
        yield master, int(master.address.rpartition(":")[2])
    finally:
        master.shutdown()  # type: ignore[no-untyped-call]
        await task


async def events(c: Client) -> AsyncIterator[dict[str, Any]]:
    await c.get("/api/events")
    assert (await c.head()).header(b"content-type") == b"text/event-stream"
    while data := await c.chunk():
        for block in data.decode().split("\n\n"):
            if block.startswith("data: "):
                yield orjson.loads(block[6:])


async def test_listener_receives_ended_turns(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, port), client(port) as watcher, client(port) as c:
        stream = events(watcher)
        hello = await anext(stream)
        assert (hello["kind"], hello["turns"], hello["running"]) == ("hello", [], [])
        await c.post("/v1/responses", DEMO, b"thread-id: t")
        assert (await c.response()).complete
        async for event in stream:
            if event["kind"] == "turn":
                break
        turn = event["turn"]
        assert (turn["slug"], turn["route"], turn["ok"]) == ("shim-demo", "demo", True)
        assert turn["output"] > 0
        assert (turn["label"], turn["message"]) == ("demo", COMPLETE)
        assert turn["id"]
        assert turn["thread"] == "t"
        assert "hi" not in turn.values()


async def test_later_listener_receives_recorded_turns(tmp_path: Path) -> None:
    async with running(tmp_path) as (master, port), client(port) as c:
        await c.post("/v1/responses", DEMO)
        await c.response()
        await asyncio.to_thread(master.shim.parts.turn_log.close)
        async with client(port) as watcher:
            hello = await anext(events(watcher))
            await watcher.get("/health")
        assert [turn["slug"] for turn in hello["turns"]] == ["shim-demo"]
        await c.get("/api/usage?since=24h")
        usage = orjson.loads((await c.response()).body)
        assert usage["all"]["turns"] == 1
        assert [one["key"] for one in usage["models"]] == ["shim-demo"]
        assert usage["days"][0]["input"] == usage["all"]["input"] > 0


async def test_listener_receives_what_was_recorded_before_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    log = TurnLogWriter(folder / "access.jsonl", folder / "usage.sqlite")
    used = ((b"x-codex-primary-used-percent", b"42"),)
    attempt = AttemptRecord("http://a", "", "POST", 0.0, answer_headers=used, outcome="429")
    log.note(turn(route="chatgpt", status=429, error="rate_limit_exceeded", attempts=[attempt]))
    log.close()
    async with running(tmp_path) as (_, port), client(port) as watcher:
        hello = await anext(events(watcher))
    [recorded] = hello["turns"]
    assert (recorded["label"], recorded["message"]) == ("ChatGPT", ERRORS["rate_limit_exceeded"])
    assert [one["outcome"] for one in recorded["tries"]] == ["429"]
    [quota] = hello["quota"]
    assert (quota["label"], quota["windows"][0]["used_percent"]) == ("ChatGPT", 42)


async def test_report_says_when_a_window_is_empty(tmp_path: Path) -> None:
    folder, now = tmp_path / "state", time.time()
    log = TurnLogWriter(folder / "access.jsonl", folder / "usage.sqlite")
    for minutes, used in ((30, b"40"), (10, b"60")):
        head = (
            (b"x-codex-primary-used-percent", used),
            (b"x-codex-primary-window-minutes", b"300"),
            (b"x-codex-primary-reset-at", b"%d" % (now + 7200)),
        )
        began = now - 60 * minutes
        attempt = AttemptRecord("http://a", "", "POST", began, answer_headers=head)
        log.note(turn(id=f"f{minutes}", route="chatgpt", started=began, attempts=[attempt]))
    log.close()
    async with running(tmp_path) as (_, port), client(port) as c:
        await c.get("/api/usage?since=24h")
        [burn] = orjson.loads((await c.response()).body)["burn"]
    assert (burn["label"], burn["name"]) == ("ChatGPT", "primary")
    assert 39 < burn["percent_per_hour"] <= 40, "20 points in half an hour"
    assert abs(burn["empty_at"] - (now + 3600)) < 120


async def test_recorded_and_ended_turns_have_the_same_fields(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    log = TurnLogWriter(folder / "access.jsonl", folder / "usage.sqlite")
    log.note(turn())
    log.close()
    async with running(tmp_path) as (master, port), client(port) as watcher:
        stream = events(watcher)
        hello = await anext(stream)
        master.shim.parts.dashboard.turn_ended(turn())
        assert (await anext(stream))["turn"] == hello["turns"][0]


async def test_open_dashboard_does_not_delay_shutdown(tmp_path: Path) -> None:
    async with running(tmp_path) as (master, port), client(port) as watcher:
        stream = events(watcher)
        await anext(stream)
        assert master.shim.engine.live_turns == 1
        assert master.shim.engine.running == []
        began = time.monotonic()
    assert time.monotonic() - began < master.shim.engine.limits.drain_seconds


async def test_listener_that_leaves_is_removed(tmp_path: Path) -> None:
    async with running(tmp_path) as (master, port):
        async with client(port) as watcher:
            await anext(events(watcher))
        await until(lambda: not master.shim.parts.dashboard.listeners)


async def test_report_without_turns_is_empty(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, port), client(port) as c:
        await c.get("/api/usage?since=7d")
        usage = orjson.loads((await c.response()).body)
    assert (usage["all"]["turns"], usage["models"], usage["days"]) == (0, [], [])
    assert usage["burn"] == []


async def test_slow_listener_loses_the_oldest_events_and_still_ends(tmp_path: Path) -> None:
    async with running(tmp_path) as (master, _):
        slow: asyncio.Queue[Event | None] = asyncio.Queue(2)
        master.shim.parts.dashboard.listeners.add(slow)
        for number in range(3):
            master.shim.parts.dashboard.turn_ended(turn(slug=str(number)))
        assert slow.qsize() == 2
        assert "'slug': '1'" in repr(slow.get_nowait()), "the oldest was dropped"
        master.shim.parts.dashboard.close()
        assert "'slug': '2'" in repr(slow.get_nowait())
        assert slow.get_nowait() is None


async def test_one_listener_too_many_is_a_503(tmp_path: Path) -> None:
    async with running(tmp_path) as (master, port), client(port) as c:
        master.shim.parts.dashboard.listeners |= {asyncio.Queue() for _ in range(8)}
        await c.get("/api/events")
        assert (await c.response()).status == 503


async def test_listener_is_told_what_is_not_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as (master, port), client(port) as watcher:
        stream = events(watcher)
        assert (await anext(stream))["unavailable"] == []
        circuit = master.shim.parts.sources.table().routes["shim-demo"].circuit
        circuit.failed(Cause.USED_UP, time.time(), time.time() + 60)
        told = (await anext(stream))["unavailable"]
    assert told[0].startswith("shim-demo is used up until ")


async def test_listener_is_told_of_budgets(tmp_path: Path) -> None:
    budget = {"name": "day-dollars", "spent": 1.0, "limit": 2.0, "lifted_until": None}
    async with running(tmp_path) as (master, port), client(port) as watcher:
        stream = events(watcher)
        assert (await anext(stream))["budgets"] == []
        master.shim.parts.budgets.report = lambda: [budget]  # type: ignore[method-assign]
        assert (await anext(stream))["budgets"] == [budget]
