"""A budget of models.json at the boundary: the turn that exceeds it is refused for good, and no upstream sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
import pytest

from addons.adapters.ledger.budget_keeper import BudgetKeeper
from addons.adapters.system.paths import budget_lifts_file
from addons.core.telemetry.budgets import dump_lifts
from shim_cli.commands.budget.lift import lift_budget
from tests.boundary.surfaces import Home, Running, running
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.http_messages import Gate
from tests.fakes.model_upstream import KEY, Held, Refuse, say
from tests.support.client import Response
from tests.support.waiting import until

CAP = [{"per": "day", "dollars": 0.03}]
PRICE = {"input": 8, "output": 14}
"""An answer of the fake upstream then costs $0.010076."""
CODEX = b"originator: codex_exec"


@pytest.fixture
def up() -> Iterator[ChatUpstream]:
    with ChatUpstream() as running_upstream:
        running_upstream.default_answer = say("hello")
        yield running_upstream
    assert running_upstream.objections == []


def write(
    home: Home,
    up: ChatUpstream,
    budgets: object = CAP,
    price: Mapping[str, float] | None = PRICE,
    **settings: object,
) -> None:
    row = {"slug": "row", "model": "fake", "provider": "generic-chat-completion-api"}
    row |= {"base_url": up.base_url, "api_key": KEY}
    priced = {**row, "price": price} if price else row
    other = {**row, "slug": "other", "model": "fake-2", "price": {"input": 0, "output": 0}}
    text = json.dumps({"models": [priced, other], "budgets": budgets, **settings})
    home.settings.write_text(text)
    home.settings.chmod(0o600)


@dataclass
class Budgeted:
    """A running shim whose sums are known."""

    proxy: Running

    @property
    def budgets(self) -> BudgetKeeper:
        return self.proxy.shim.parts.budgets

    async def turn(self, *lines: bytes, slug: str = "row", thread: str = "t1") -> Response:
        body = {"model": slug, "stream": True, "input": "hi"}
        response = await self.proxy.post(
            orjson.dumps(body), b"thread-id: " + thread.encode(), *lines
        )
        await until(lambda: self.proxy.shim.engine.live_turns == 0)
        return response


@asynccontextmanager
async def budgeted(home: Home) -> AsyncIterator[Budgeted]:
    async with running(home) as proxy:
        shim = Budgeted(proxy)
        await until(lambda: bool(shim.budgets.report()))
        yield shim


def last_event(response: Response) -> Mapping[str, str]:
    """Return the error of a failed stream."""
    data = response.body.rpartition(b"data: ")[2]
    error: Mapping[str, str] = orjson.loads(data)["response"]["error"]
    return error


async def test_fourth_turn_of_a_small_cap_is_refused_and_the_upstream_sees_three(
    home: Home, up: ChatUpstream
) -> None:
    write(home, up)
    async with budgeted(home) as shim:
        for _ in range(3):
            assert b"response.completed" in (await shim.turn(CODEX)).body
        refused = await shim.turn(CODEX)
        again = await shim.turn()
    assert len(up.bodies) == 3
    error = last_event(refused)
    assert (refused.status, error["code"]) == (200, "invalid_prompt")
    assert "day-dollars ($0.03 per day) is used up: $0.0302 spent" in error["message"]
    assert "`codex-shim budget lift day-dollars --for 1h`" in error["message"]
    of_sdk = orjson.loads(again.body)["error"]
    assert (again.status, of_sdk["code"]) == (429, "budget_exceeded")
    assert of_sdk["message"] == error["message"]


async def test_restarted_shim_remembers_what_was_spent(home: Home, up: ChatUpstream) -> None:
    write(home, up)
    async with budgeted(home) as shim:
        for _ in range(3):
            await shim.turn(CODEX)
    async with budgeted(home) as shim:
        refused = await shim.turn(CODEX)
    assert "$0.0302 spent" in last_event(refused)["message"]
    assert len(up.bodies) == 3


async def test_no_turn_starts_before_the_ledger_is_read(
    home: Home, up: ChatUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BudgetKeeper, "_is_ready", lambda _: False)
    write(home, up)
    async with running(home) as proxy:
        waits = await Budgeted(proxy).turn(CODEX)
    error = last_event(waits)
    assert (error["code"], up.bodies) == ("rate_limit_exceeded", [])
    assert error["message"].endswith("Please try again in 1s.")


async def test_lifted_budget_admits_the_next_turn_and_applies_again(
    home: Home, up: ChatUpstream, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, up, [{"per": "day", "tokens": 1, "name": "tiny"}])
    async with budgeted(home) as shim:
        assert (await shim.turn()).status == 429
        await asyncio.to_thread(lift_budget, home.env, home.settings, "tiny", "1h")
        assert (await shim.turn()).status == 200
        budget_lifts_file(home.env).write_bytes(dump_lifts({"tiny": 1.0}))
        assert (await shim.turn()).status == 429
    assert "lifted for 1 h" in capsys.readouterr().out
    assert len(up.bodies) == 1


async def test_running_turn_counts_with_its_estimate(home: Home, up: ChatUpstream) -> None:
    gate = Gate()
    up.play(Held(say("hello"), b"he", gate))
    write(home, up, [{"per": "day", "tokens": 20}])
    async with budgeted(home) as shim:
        first = asyncio.ensure_future(shim.turn())
        await until(lambda: len(up.bodies) == 1)
        refused = await shim.proxy.post(b'{"model":"row","stream":true,"input":"hi"}')
        gate.open()
        assert (await first).status == 200
    assert refused.status == 429
    message = orjson.loads(refused.body)["error"]["message"]
    assert "0 tokens spent, running turns may cost 1" in message


async def test_row_without_a_price_is_refused_unless_the_user_allows_it(
    home: Home, up: ChatUpstream
) -> None:
    write(home, up, price=None)
    async with budgeted(home) as shim:
        refused = await shim.turn()
        assert (await shim.turn(slug="other")).status == 200
        write(home, up, [{**CAP[0], "unknown_price": "allow"}], price=None)
        allowed = await shim.turn()
    assert (refused.status, allowed.status) == (429, 200)
    assert "the price of row is unknown" in orjson.loads(refused.body)["error"]["message"]


async def test_sub_agent_spends_the_budget_of_the_thread_that_started_it(
    home: Home, up: ChatUpstream
) -> None:
    write(home, up, [{"per": "thread", "dollars": 0.015}, {"per": "agent", "dollars": 0.015}])
    child = (b"session-id: t1", b"x-openai-subagent: collab_spawn")
    async with budgeted(home) as shim:
        assert (await shim.turn(*child, thread="t2")).status == 200
        assert (await shim.turn()).status == 200
        refused = await shim.turn(*child, thread="t3")
        assert (await shim.turn(thread="t4")).status == 200
    assert (refused.status, len(up.bodies)) == (429, 3)
    assert "thread-dollars" in orjson.loads(refused.body)["error"]["message"]


async def test_restarted_shim_knows_the_threads_of_sub_agents(home: Home, up: ChatUpstream) -> None:
    write(home, up, [{"per": "thread", "dollars": 0.008}])
    child = (b"session-id: t1", b"x-openai-subagent: collab_spawn")
    async with budgeted(home) as shim:
        assert (await shim.turn(*child, thread="t2")).status == 200
    async with budgeted(home) as shim:
        assert (await shim.turn(*child, thread="t3")).status == 429
        assert (await shim.turn(thread="t1")).status == 429
        assert (await shim.turn(thread="t4")).status == 200


async def test_fallback_that_a_budget_does_not_allow_is_not_asked(
    home: Home, up: ChatUpstream
) -> None:
    write(home, up, [{"per": "day", "dollars": 0.0000001}])
    settings = json.loads(home.settings.read_text())
    settings["models"][1]["fallback"] = ["row"]
    home.settings.write_text(json.dumps(settings))
    up.default_answer = Refuse(402, "Insufficient Balance")
    async with budgeted(home) as shim:
        refused = await shim.turn(slug="other")
    assert refused.status == 429
    assert [body["model"] for body in up.bodies] == ["fake-2"]


async def test_budget_is_reported_and_warned_of_once(
    home: Home, up: ChatUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    write(home, up, [{"per": "model", "dollars": 0.012}])
    async with budgeted(home) as shim:
        await shim.turn()
        await shim.turn()
        health = await shim.proxy.health()
    assert health["budgets"] == [
        {
            "name": "model-dollars",
            "per": "model",
            "model": "row",
            "unit": "dollars",
            "spent": 0.020152,
            "limit": 0.012,
            "lifted_until": None,
        }
    ]
    warnings = [one.getMessage() for one in caplog.records if "Budget" in one.getMessage()]
    assert warnings == [
        "Budget model-dollars ($0.0120 per model): $0.0101 spent. `codex-shim budget` shows all budgets."
    ]


async def test_budget_that_is_added_later_counts_what_was_spent_before(
    home: Home, up: ChatUpstream
) -> None:
    write(home, up, [])
    async with running(home) as proxy:
        shim = Budgeted(proxy)
        assert (await shim.turn()).status == 200
        assert not shim.budgets.is_counting
        await asyncio.to_thread(proxy.shim.parts.turn_log.close)
        write(home, up, [{"per": "day", "dollars": 0.01}])
        await shim.turn()
        await until(lambda: bool(shim.budgets.report()))
        before = len(up.bodies)
        assert (await shim.turn()).status == 429
        assert len(up.bodies) == before
