"""The composition: the parts are connected, and changed settings replace only the sources and the router."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import orjson
import pytest

from addons.core.secrets import Origin
from addons.core.usage import Window
from addons.proxy import composition
from addons.proxy.heap import INFLATION, LARGE_BODY
from tests.adapters.records import turn
from tests.boundary.surfaces import DEMO, Home, Running, running
from tests.support.waiting import until


async def test_changed_settings_keep_the_engine(home: Home) -> None:
    other = home.folder / "other.json"
    other.write_text('{"aliases": {"mine": "shim-demo"}, "limits": {"drain_seconds": 3}}')
    async with running(home) as proxy:
        engine = proxy.shim.engine
        proxy.master.options.update(codex_shim_settings=str(other))
        assert (await proxy.post(b'{"model":"mine","input":"hi"}')).status == 200
        assert proxy.shim.engine is engine
        assert engine.limits.drain_seconds == 3


async def test_changed_settings_keep_the_children_of_cursor(home: Home) -> None:
    async with running(home) as proxy:
        parts = proxy.shim.parts
        sources, router, cursor = parts.sources, parts.engine.router, parts.sources.cursor
        proxy.master.options.update(codex_shim_settings=str(home.folder / "other.json"))
        assert parts.sources is proxy.shim.sources is not sources
        assert parts.engine.router is not router
        assert parts.sources.cursor is cursor


async def test_port_is_that_of_the_listener(home: Home) -> None:
    async with running(home) as proxy:
        assert proxy.shim.parts.port == proxy.port > 0


async def test_ended_turn_reaches_every_part_that_records_it(home: Home) -> None:
    async with running(home) as proxy:
        parts = proxy.shim.parts
        assert (await proxy.post(DEMO)).status == 200
        await asyncio.to_thread(parts.turn_log.close)
        models = orjson.loads((await proxy.get("/api/models")).body)["models"]
        [last] = [row["last"] for row in models if row["slug"] == "shim-demo"]
        assert last["ok"] is True
        assert len(parts.recent_turns.ids) == 1
        usage = orjson.loads((await proxy.get("/api/usage")).body)
        assert usage["all"]["turns"] == 1


async def test_request_for_an_unknown_model_is_no_turn_of_the_dashboard(home: Home) -> None:
    async with running(home) as proxy:
        parts = proxy.shim.parts
        events: asyncio.Queue[object] = asyncio.Queue()
        parts.dashboard.listeners.add(events)  # type: ignore[arg-type]
        assert (await proxy.post(b'{"model":"mistyped","input":"hi"}')).status == 404
        assert (await proxy.post(DEMO)).status == 200
        parts.dashboard.listeners.clear()
        await asyncio.to_thread(parts.turn_log.close)
        usage = orjson.loads((await proxy.get("/api/usage")).body)
    assert [one["turn"]["slug"] for one in iter_queue(events)] == ["shim-demo"]
    assert [one["key"] for one in usage["models"]] == ["shim-demo"]


def iter_queue(queue: asyncio.Queue[object]) -> Iterator[Any]:
    while not queue.empty():
        yield queue.get_nowait()


async def test_last_turn_of_an_earlier_process_is_known_by_the_slug_of_its_route(
    home: Home,
) -> None:
    (home.folder / "models.json").write_text('{"aliases": {"mine": "shim-demo"}}')

    async def last(proxy: Running) -> dict[str, object] | None:
        models = orjson.loads((await proxy.get("/api/models")).body)["models"]
        [found] = [row["last"] for row in models if row["slug"] == "shim-demo"]
        return cast("dict[str, object] | None", found)

    async with running(home) as proxy:
        await proxy.shim.parts.recall_last_turns()
        assert await last(proxy) is None, "there is no ledger yet"
        await proxy.post(b'{"model":"mine","input":"hi"}')
        await proxy.post(b'{"model":"unknown","input":"hi"}')
        ended = await last(proxy)
    assert ended
    async with running(home) as proxy:
        async with asyncio.timeout(20):
            while await last(proxy) is None:  # noqa: ASYNC110  what is watched has no event
                await asyncio.sleep(0.01)
        assert await last(proxy) == ended


async def test_only_a_large_turn_starts_the_trim_of_the_heap(home: Home) -> None:
    async with running(home) as proxy:
        parts = proxy.shim.parts
        parts._turn_ended(turn(bytes_in=LARGE_BODY - 1))
        assert parts._heap._due is None
        # the upstream's body of a compressed one, and one that is compressed for the upstream, too
        plain, packed = b" " * LARGE_BODY, b" " * (LARGE_BODY // INFLATION)
        for large in (
            {"bytes_in": LARGE_BODY},
            {"bytes_out": LARGE_BODY},
            {"bytes_in": 9, "upstream_body": plain},
            {"bytes_in": 9, "upstream_body": packed, "upstream_encoding": b"zstd"},
        ):
            parts._heap.close()
            parts._turn_ended(turn(**large))
            assert parts._heap._due is not None, large


async def test_heap_is_trimmed_after_many_turns(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "MANY_TURNS", 3)
    async with running(home) as proxy:
        parts, given = proxy.shim.parts, list[int]()
        parts._heap._trim = lambda: given.append(1)
        for number in range(1, 8):
            parts._turn_ended(turn(bytes_in=LARGE_BODY - 1))
            await until(lambda: len(given) == number // 3)  # noqa: B023  awaited here


async def test_health_reports_quotas_as_plain_numbers(home: Home) -> None:
    async with running(home) as proxy:
        window = Window("primary", 40.0, 300, 1_800_000_000.0)
        proxy.shim.parts.turn_log.quotas = {"chatgpt": {"primary": window}}
        assert (await proxy.health())["quota"] == {"chatgpt": [window.plain()]}


async def test_own_port_is_no_outbound_proxy(home: Home) -> None:
    async with running(home, http_proxy="http://127.0.0.1:9") as proxy:
        upstream_proxy = proxy.shim.engine.upstream_proxy
        assert upstream_proxy(Origin.of("http://127.0.0.1:1")) is None
        assert upstream_proxy(Origin.of("https://model.example")) is None
        assert upstream_proxy(Origin.of("http://model.example")) == ("http", ("127.0.0.1", 9))
    async with running(home) as proxy:
        env = proxy.shim.parts._env
        assert isinstance(env, dict)
        env["http_proxy"] = f"http://127.0.0.1:{proxy.port}"
        assert proxy.shim.engine.upstream_proxy(Origin.of("http://model.example")) is None
