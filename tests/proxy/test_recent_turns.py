"""The last turns are remembered within bounds, and only their masked structure is written."""

from __future__ import annotations

import asyncio
import threading

import orjson
import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addons.core.codex.threads import PURPOSE, WHAT_IF
from addons.core.telemetry.record import METADATA_KEY
from addons.proxy import recent_turns
from addons.proxy.recent_turns import (
    MAX_TURNS,
    FinishedTurn,
    RecentTurns,
    is_shown,
    is_turn,
    written_by_thread,
)
from tests.core.server.sources import Collected
from tests.views.samples import RESPONSES_EVENTS, RESPONSES_REQUEST, attempt, metadata, sse

BODY = orjson.dumps(RESPONSES_REQUEST)


def turn(body: bytes = BODY, path: str = "/v1/responses", method: str = "POST") -> http.HTTPFlow:
    flow = tflow.tflow(resp=True)
    flow.request = http.Request.make(method, f"http://127.0.0.1:9{path}", body)
    assert flow.response
    flow.response.content = sse(RESPONSES_EVENTS)
    return flow


async def masked(turns: RecentTurns, id_prefix: str = "") -> dict[str, object] | None:
    source = turns.find(id_prefix)
    if source is None:
        return None
    sink = Collected()
    await source(sink)
    written: dict[str, object] = orjson.loads(sink.data)
    return written


async def test_newest_turn_is_written_masked() -> None:
    turns = RecentTurns()
    turns.keep(turn(b'{"model": "older"}'))
    newest = turn()
    newest.metadata[METADATA_KEY] = metadata(attempt(BODY, b"{}"))
    turns.keep(newest)

    written = await masked(turns)

    assert written
    assert written["id"] == newest.id
    text = orjson.dumps(written).decode()
    assert '"slug":"fast"' in text
    for word in ("Fix the", "Be brief", "I will look", "older"):
        assert word not in text


async def test_turn_is_found_by_the_start_of_its_id() -> None:
    turns = RecentTurns()
    first, second = turn(), turn()
    for flow in (first, second):
        turns.keep(flow)

    found = await masked(turns, first.id[:12])

    assert found
    assert found["id"] == first.id
    assert turns.find("nope") is None
    assert turns.ids == [first.id, second.id]


async def original_in(turns: RecentTurns, id_prefix: str = "") -> dict[str, object] | None:
    source = turns.original(id_prefix)
    if source is None:
        return None
    sink = Collected()
    await source(sink)
    written: dict[str, object] = orjson.loads(sink.data)
    return written


async def test_original_is_the_newest_turn_of_the_user_with_its_text() -> None:
    turns, mine, helper, compared = RecentTurns(), turn(), turn(), turn()
    mine.metadata[METADATA_KEY] = metadata(attempt(BODY, b"{}"))
    assert mine.response
    mine.response.headers["content-type"] = "text/event-stream"
    helper.request.headers["x-codex-turn-metadata"] = '{"request_kind":"thread_title"}'
    compared.request.headers[PURPOSE.decode()] = WHAT_IF
    reviewer = turn()
    reviewer.metadata[METADATA_KEY] = {"slug": "codex-auto-review"}
    for flow in (turn(), mine, helper, compared, reviewer):
        turns.keep(flow)
    written = await original_in(turns)
    assert written
    assert (written["id"], orjson.loads(str(written["body"]))) == (mine.id, RESPONSES_REQUEST)
    assert "I will look" in str(written["answer"])
    assert await original_in(turns, helper.id[:9]), "one that is named may be a helper's"
    assert compared.id not in turns.ids, "it would replace the turns that it is about"
    compact = turn(path="/v1/responses/compact")
    turns.keep(compact)
    refused = await original_in(turns, compact.id)
    assert refused
    assert "only turns of /responses" in str(refused["refused"])


async def test_newest_turn_that_is_too_large_is_not_replaced_by_an_older_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recent_turns, "MAX_BYTES", 2 * len(BODY) + 4096)
    turns, helper, large = RecentTurns(), turn(), turn(BODY[:-1] + b" " * 9000 + b"}")
    helper.request.headers["x-codex-turn-metadata"] = '{"request_kind":"thread_title"}'
    for flow in (turn(), large, helper):
        turns.keep(flow)
    assert turns.original("") is None
    last = turn()
    turns.keep(last)
    written = await original_in(turns)
    assert written
    assert written["id"] == last.id


def test_without_a_turn_there_is_no_source() -> None:
    assert RecentTurns().find("") is None
    assert RecentTurns().ids == []


@pytest.mark.parametrize(
    ("path", "method", "is_one"),
    [
        ("/v1/responses", "POST", True),
        ("/responses/compact", "POST", True),
        ("/v1/responses?x=1", "POST", True),
        ("/v1/responses", "GET", False),
        ("/health", "GET", False),
        ("/api/turns", "GET", False),
    ],
)
def test_only_turns_are_remembered(path: str, method: str, is_one: bool) -> None:
    turns = RecentTurns()
    turns.keep(turn(path=path, method=method))

    assert is_turn(turn(path=path, method=method)) is is_one
    assert bool(turns.ids) is is_one


@pytest.mark.parametrize(
    ("path", "method", "is_one"),
    [
        ("/v1/responses", "POST", True),
        ("/v1/alpha/search", "POST", True),
        ("/images/edits?x", "POST", True),
        ("/v1/alpha/search", "GET", False),
        ("/v1/models", "POST", False),
    ],
)
def test_views_show_turns_and_forwarded_requests(path: str, method: str, is_one: bool) -> None:
    assert is_shown(turn(path=path, method=method)) is is_one


def test_older_turns_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    turns, flows = RecentTurns(), [turn() for _ in range(MAX_TURNS + 1)]
    for flow in flows:
        turns.keep(flow)
    assert turns.ids == [flow.id for flow in flows[1:]], "by number"

    monkeypatch.setattr(recent_turns, "MAX_BYTES", 3 * FinishedTurn.of(flows[1]).size)
    turns.keep(flows[0])
    assert turns.ids == [flows[-2].id, flows[-1].id, flows[0].id], "by size"
    turns.keep(turn(b"x" * 10 * FinishedTurn.of(flows[1]).size))
    assert turns.ids == [], "one that is too large alone"


def test_size_includes_the_bodies_of_the_record() -> None:
    flow = turn()
    bare = FinishedTurn.of(flow).size
    flow.metadata[METADATA_KEY] = metadata(attempt(b"x" * 1000, b"y" * 500))

    assert FinishedTurn.of(flow).size == bare + 1500


async def test_masking_runs_on_a_thread() -> None:
    threads: list[bool] = []

    def make() -> bytes:
        threads.append(threading.current_thread() is threading.main_thread())
        return b"{}"

    sink = Collected()
    await asyncio.wait_for(written_by_thread(make)(sink), 10)
    assert threads == [False]
    assert sink.data == b"{}"
