"""The watch of the contract: one turn in a while, on a thread, names only, Codex only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addons.adapters.codex.contracts import read_seen
from addons.adapters.system import tasks
from addons.core.contract.seen import MAX_SEEN
from addons.core.telemetry.record import METADATA_KEY
from addons.proxy.recent_turns import INTERVAL_SECONDS, MAX_BODY_BYTES, ContractWatch
from tests.core.contract.requests import PRIVATE, turn

PLANTED = [{"type": "function", "name": "planted_tool"}]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def flow(body: bytes = b"", path: str = "/v1/responses", **headers: str) -> http.HTTPFlow:
    made = tflow.tflow()
    content = body or turn(tools=PLANTED).body
    given = {"originator": "codex_exec", "user-agent": "codex_exec/0.172.0 (Linux)", **headers}
    fields = http.Headers([(name.encode(), value.encode()) for name, value in given.items()])
    made.request = http.Request.make("POST", f"http://127.0.0.1:9{path}", content, fields)
    made.metadata[METADATA_KEY] = {"unknown_events": ["response.planted"]}
    return made


async def watched(home: Path, *flows: http.HTTPFlow, clock: Clock | None = None) -> set[str]:
    env = {"CODEX_SHIM_STATE_DIR": str(home)}
    watch = ContractWatch(env, clock or Clock())
    for one in flows:
        watch.ended(one)
        await asyncio.gather(*tasks._running)
    seen = read_seen(env)
    assert PRIVATE not in repr(seen)
    return {one.name for one in seen}


async def test_planted_names_are_noted_without_text(tmp_path: Path) -> None:
    seen = await watched(tmp_path, flow())
    assert {"function planted_tool", "response.planted"} <= seen
    (entry,) = (
        one for one in read_seen({"CODEX_SHIM_STATE_DIR": str(tmp_path)}) if one.section == "event"
    )
    assert entry.client == "codex_exec/0.172.0"  # fmt: skip


async def test_compressed_body_is_read(tmp_path: Path) -> None:
    request = flow()
    request.request.encode("zstd")
    assert "function planted_tool" in await watched(tmp_path, request)


async def test_unknown_endpoint_is_noted_without_ids(tmp_path: Path) -> None:
    seen = await watched(
        tmp_path, flow(b"{}", "/v1/things/0199aaaa-0000-7000-8000-00000000abcd?key=1")
    )
    assert "POST /things/ID" in seen


async def test_other_clients_are_not_looked_at(tmp_path: Path) -> None:
    assert await watched(tmp_path, flow(originator="another")) == set()


async def test_turn_of_a_comparison_is_not_looked_at(tmp_path: Path) -> None:
    asked = flow()
    asked.request.headers["codex-shim-purpose"] = "what-if"
    assert await watched(tmp_path, asked) == set()


async def test_request_of_one_turn_in_a_while_is_read(tmp_path: Path) -> None:
    clock = Clock()
    first = flow(turn(tools=[{"type": "function", "name": "first"}]).body)
    second = flow(turn(tools=[{"type": "function", "name": "second"}]).body)
    env = {"CODEX_SHIM_STATE_DIR": str(tmp_path)}
    watch = ContractWatch(env, clock)
    for moment in (0.0, INTERVAL_SECONDS - 1, INTERVAL_SECONDS):
        clock.now = 100.0 + moment
        watch.ended(first if not moment else second)
        await asyncio.gather(*tasks._running)
        names = {one.name for one in read_seen(env)}
        assert {"function first", "response.planted"} <= names
        assert ("function second" in names) == (moment == INTERVAL_SECONDS)


async def test_unknown_event_is_noted_at_once(tmp_path: Path) -> None:
    one, other = flow(), flow()
    other.metadata[METADATA_KEY] = {"unknown_events": ["response.planted", "response.other"]}
    assert {"response.planted", "response.other"} <= await watched(tmp_path, one, other)


async def test_large_body_is_not_read(tmp_path: Path) -> None:
    large = turn(tools=PLANTED, padding="x" * MAX_BODY_BYTES).body
    assert "function planted_tool" not in await watched(tmp_path, flow(large))


async def test_body_that_is_large_when_decoded_is_not_read(tmp_path: Path) -> None:
    large = flow(turn(tools=PLANTED, padding="x" * MAX_BODY_BYTES).body)
    large.request.encode("zstd")
    assert "function planted_tool" not in await watched(tmp_path, large)


async def test_new_names_of_events_in_every_turn_are_not_noted_for_ever(tmp_path: Path) -> None:
    watch = ContractWatch({"CODEX_SHIM_STATE_DIR": str(tmp_path)}, Clock())
    many, more = flow(), flow()
    many.metadata[METADATA_KEY] = {"unknown_events": [f"response.e{at}" for at in range(MAX_SEEN)]}
    more.metadata[METADATA_KEY] = {"unknown_events": ["response.more"]}
    watch.ended(many)
    await asyncio.gather(*tasks._running)
    watch.ended(more)
    assert not tasks._running


async def test_damaged_bodies_are_no_error(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    assert await watched(tmp_path, flow(b"{not JSON", **{"content-encoding": "zstd"})) <= {"response.planted", "POST /responses"}  # fmt: skip
    assert not recwarn
