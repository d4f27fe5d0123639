"""The last turns are remembered within bounds, and only their masked structure can be asked for."""

from __future__ import annotations

import asyncio
import threading

import orjson
import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addons.core.front import AnswerPlan
from addons.core.turn import ClientRequest, Fault, FaultKind, Synthesize
from addons.proxy import kept
from addons.proxy.kept import MOST_TURNS, Kept, LastTurns, MaskedPlan, is_turn
from addons.views.kept import KEY
from tests.views.samples import RESPONSES_EVENTS, RESPONSES_REQUEST, attempt, metadata, sse

BODY = orjson.dumps(RESPONSES_REQUEST)


class Collected:
    """A sink."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


def turn(body: bytes = BODY, path: str = "/v1/responses", method: str = "POST") -> http.HTTPFlow:
    flow = tflow.tflow(resp=True)
    flow.request = http.Request.make(method, f"http://127.0.0.1:9{path}", body)
    assert flow.response
    flow.response.content = sse(RESPONSES_EVENTS)
    return flow


async def ask(turns: LastTurns, query: str = "") -> dict[str, object]:
    plan = turns.plan(ClientRequest("GET", f"/api/turns{query}", (), b""))
    if isinstance(plan, AnswerPlan):
        refusal: dict[str, object] = orjson.loads(plan.reply.body)
        return refusal
    step = plan.start()
    assert isinstance(step, Synthesize)
    sink = Collected()
    await step.origin(sink)
    answer: dict[str, object] = orjson.loads(step.translator.feed(sink.data))
    return answer


async def test_newest_turn_is_given_masked() -> None:
    turns = LastTurns()
    turns.keep(turn(b'{"model": "older"}'))
    newest = turn()
    newest.metadata[KEY] = metadata(attempt(BODY, b"{}"))
    turns.keep(newest)

    answer = await ask(turns)

    assert answer["id"] == newest.id
    text = orjson.dumps(answer).decode()
    assert '"slug":"fast"' in text
    for word in ("Fix the", "Be brief", "I will look", "older"):
        assert word not in text


async def test_a_turn_is_found_by_the_start_of_its_id() -> None:
    turns = LastTurns()
    first, second = turn(), turn()
    for flow in (first, second):
        turns.keep(flow)

    assert (await ask(turns, f"?id={first.id[:12]}"))["id"] == first.id
    error = (await ask(turns, "?id=nope"))["error"]
    assert isinstance(error, dict)
    assert f"{first.id}, {second.id}" in error["message"]


async def test_without_a_turn_it_says_so() -> None:
    error = (await ask(LastTurns()))["error"]

    assert isinstance(error, dict)
    assert error["message"].startswith("No turn has ended")


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
async def test_only_turns_are_remembered(path: str, method: str, is_one: bool) -> None:
    turns = LastTurns()
    turns.keep(turn(path=path, method=method))

    assert is_turn(turn(path=path, method=method)) is is_one
    assert ("id" in await ask(turns)) is is_one


async def test_older_turns_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    turns, flows = LastTurns(), [turn() for _ in range(MOST_TURNS + 1)]
    for flow in flows:
        turns.keep(flow)
    assert "error" in await ask(turns, f"?id={flows[0].id}")
    assert (await ask(turns, f"?id={flows[1].id}"))["id"] == flows[1].id

    monkeypatch.setattr(kept, "MOST_BYTES", 3 * Kept.of(flows[1]).size)
    turns.keep(flows[0])
    assert "error" in await ask(turns, f"?id={flows[-3].id}")
    assert (await ask(turns, f"?id={flows[-2].id}"))["id"] == flows[-2].id
    turns.keep(turn(b"x" * 10 * Kept.of(flows[1]).size))
    assert "error" in await ask(turns)


def test_size_counts_what_is_kept_beside_the_flow() -> None:
    flow = turn()
    bare = Kept.of(flow).size
    flow.metadata[KEY] = metadata(attempt(b"x" * 1000, b"y" * 500))

    assert Kept.of(flow).size == bare + 1500


async def test_masking_runs_beside_the_streams() -> None:
    threads: list[bool] = []

    def make() -> bytes:
        threads.append(threading.current_thread() is threading.main_thread())
        return b"{}"

    step = MaskedPlan(make).start()
    assert isinstance(step, Synthesize)
    await asyncio.wait_for(step.origin(Collected()), 10)
    assert threads == [False]
    assert step.translator.finish() == b""
    assert step.translator.fail(Fault(FaultKind.INTERNAL, "x")) == b""
