"""Faults of upstreams whose routes have a fallback, and budgets, on every kind of route with an upstream."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from addons.core.routes import MIN_CONCURRENCY, Route, State
from tests.faults.fallback_faults import FALLBACK, FALLBACK_FAULTS, TURNS, FallbackFault
from tests.faults.oracle import Seen, seen_in, terminals
from tests.faults.outcomes import WHOLE, failed, http
from tests.faults.refusals import answers, error
from tests.faults.routes import KEY, WITH_UPSTREAM, Family, RouteKind
from tests.faults.shim import CLIENTS, HEARTBEAT, LIMITS, RunningShim, complete_answer, running_shim
from tests.support.client import Response, client
from tests.support.upstream import Exchange, Upstream, upstream
from tests.support.waiting import until

SPARE = next(replace(route, slug="spare") for route in WITH_UPSTREAM if route.name == "chat")


@dataclass
class Failover:
    """A running shim with one route, its fallback, and a clock for circuits."""

    shim: RunningShim
    spare: Upstream
    now: float

    def route(self, slug: str) -> Route:
        return self.shim.master.shim.sources.table().routes[slug]

    def write(self, budgets: object = ()) -> None:
        """Write models.json."""
        route, base = self.shim.route, f"http://127.0.0.1:{self.shim.up.port}/v1"
        rows = [
            {"slug": kind.slug, "base_url": url, "api_key": KEY, "price": {"input": 1, "output": 1}, **kind.row}
            for kind, url in ((route, base), (SPARE, f"http://127.0.0.1:{self.spare.port}/v1"))
            if kind.row
        ]  # fmt: skip
        settings: dict[str, object] = {"limits": LIMITS, "models": rows, "budgets": budgets}
        if route.family is Family.ACCOUNT:
            settings["chatgpt"] = {"fallback": [SPARE.slug]}
        else:
            rows[0]["fallback"] = [SPARE.slug]
        self.shim.settings.write_text(json.dumps(settings))

    async def turn(self, number: int) -> tuple[Seen, str]:
        """Send a turn of Codex or of an SDK. Return what it sees, and who answered."""
        before = len(self.spare.requests)
        client = list(CLIENTS)[number % len(CLIENTS)]
        response = await self.shim.ask(CLIENTS[client])
        await until(lambda: self.shim.master.shim.engine.live_turns == 0)
        is_fallback = response.header(b"x-codex-shim-fallback") is not None
        assert len(self.spare.requests) - before == is_fallback
        self.check_one_end(response, is_fallback=is_fallback)
        return seen_in(response), FALLBACK if is_fallback else "itself"

    def check_one_end(self, response: Response, *, is_fallback: bool) -> None:
        """Assert that there is one terminal event or one HTTP error."""
        if not is_fallback:
            self.shim.check_one_answer(response)
            return
        assert response.complete
        assert terminals(response.body.replace(HEARTBEAT, b"")) == 1


@asynccontextmanager
async def failover(route: RouteKind, folder: Path) -> AsyncIterator[Failover]:
    async with (
        upstream(complete_answer(SPARE)) as spare,
        running_shim(route, folder) as shim,
    ):
        running = Failover(shim, spare, time.time())
        fallbacks = shim.master.shim.sources.row_routes.fallbacks
        fallbacks.clock = lambda: running.now
        running.write()
        yield running


@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
async def test_upstream_with_a_fallback(folder: Path, route: RouteKind) -> None:
    async with failover(route, folder) as running:
        for fault in FALLBACK_FAULTS:
            await check_turns(running, fault)
            if fault.closed_for:
                await check_return(running, fault)
            running.route(route.slug).circuit.succeeded()


async def check_turns(running: Failover, fault: FallbackFault) -> None:
    """Send turns that meet a fault, and assert who answers and what the upstream gets."""
    shim = running.shim
    shim.play(fault.script(shim.route))
    for number, expected in enumerate(fault.answered_by):
        seen, who = await running.turn(number)
        assert who == expected, (fault, number, seen)
        if who == FALLBACK:
            assert WHOLE.differs(seen) == [], fault
        else:
            assert seen.terminal != "response.completed", fault
    assert shim.model_requests() == fault.requests[shim.route.family], fault


async def check_return(running: Failover, fault: FallbackFault) -> None:
    """Assert that the upstream gets nothing before its time, then one turn, and then all of them."""
    shim = running.shim
    shim.play(complete_answer(shim.route))
    running.now += fault.closed_for - 1
    assert (await running.turn(0))[1] == FALLBACK, fault
    assert shim.model_requests() == 0, fault
    running.now += 1
    assert running.route(shim.route.slug).circuit.state(running.now) is State.HALF_OPEN
    gate = asyncio.Event()
    whole = complete_answer(shim.route)

    async def waits(exchange: object) -> None:
        await gate.wait()
        await whole(exchange)  # type: ignore[arg-type]

    shim.play(waits)
    trial = asyncio.ensure_future(shim.ask(CLIENTS["codex"]))
    await until(lambda: shim.model_requests() == 1)
    other = await shim.ask(CLIENTS["codex"])
    assert other.header(b"x-codex-shim-fallback") is not None, fault
    gate.set()
    shim.check_whole(await trial)
    assert shim.model_requests() == 1, fault
    shim.play(whole)
    for number in range(2):
        seen, who = await running.turn(number)
        assert (who, WHOLE.differs(seen)) == ("itself", []), fault
    assert shim.model_requests() == 2


@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
async def test_turn_over_a_budget_is_seen_by_no_upstream(folder: Path, route: RouteKind) -> None:
    """Nor does it open a circuit."""
    async with failover(route, folder) as running:
        shim = running.shim
        running.write([{"per": "day", "tokens": 1, "name": "tiny"}])
        await running.turn(0)  # the ledger is read
        await until(lambda: bool(shim.master.shim.parts.budgets.report()))
        shim.play(complete_answer(route))
        running.spare.requests.clear()
        for number in range(TURNS):
            seen, _ = await running.turn(number)
            refused = (failed("invalid_prompt", "tiny"), http(429, "budget_exceeded", "tiny"))
            assert refused[number % 2].differs(seen) == []
        assert (shim.model_requests(), running.spare.requests) == (0, [])
        running.write()
        assert WHOLE.differs((await running.turn(0))[0]) == []


@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
async def test_fallback_over_a_budget_gets_nothing(folder: Path, route: RouteKind) -> None:
    async with failover(route, folder) as running:
        shim, limit = running.shim, FALLBACK_FAULTS[0]
        running.write([{"per": "model", "dollars": 0.000001, "model": "spare"}])
        await running.turn(0)  # the ledger is read
        await until(lambda: bool(shim.master.shim.parts.budgets.report()))
        shim.play(limit.script(route))
        for number in range(2):
            seen, who = await running.turn(number)
            assert (who, seen.terminal != "response.completed") == ("itself", True)
        assert running.spare.requests == []


ROWS = [route for route in WITH_UPSTREAM if route.family is not Family.ACCOUNT]


@pytest.mark.parametrize("route", ROWS, ids=str)
async def test_turns_of_a_failing_row_share_few_retries(folder: Path, route: RouteKind) -> None:
    """Envoy's retry budget: 12 turns that are refused at once are 12 requests and the retries of three, not 36 requests."""
    turns, gate = 12, asyncio.Event()
    asked: list[asyncio.Future[Response]] = []
    refuse = answers("503 Service Unavailable", error())(route)

    async def at_once(exchange: Exchange) -> None:
        if gate.is_set():
            # a retry: the others have none left, and end
            await until(lambda: sum(each.done() for each in asked) >= turns - MIN_CONCURRENCY)
        await gate.wait()
        await refuse(exchange)

    async with running_shim(route, folder) as shim:
        shim.play(at_once)
        asked += [asyncio.ensure_future(shim.ask(CLIENTS["codex"])) for _ in range(turns)]
        await until(lambda: shim.model_requests() == turns)
        gate.set()
        seen = [seen_in(await each) for each in asked]
        assert {each.terminal for each in seen} == {"response.failed"}
        assert shim.model_requests() == turns + 2 * MIN_CONCURRENCY
        await until(lambda: shim.master.shim.engine.live_turns == 0)
        shim.play(refuse)
        await shim.ask(CLIENTS["codex"])
        assert shim.model_requests() == 3, "no retry of an ended turn is counted"


@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
async def test_trial_whose_client_leaves_is_followed_by_another(
    folder: Path, route: RouteKind
) -> None:
    async with failover(route, folder) as running:
        shim, limit = running.shim, FALLBACK_FAULTS[0]
        shim.play(limit.script(route))
        await running.turn(0)
        running.now += limit.closed_for

        async def waits(exchange: Exchange) -> None:
            await exchange.closed()

        shim.play(waits)
        async with client(shim.port) as trial:
            await shim.post(trial, CLIENTS["codex"])
            await until(lambda: shim.model_requests() == 1)
            trial.close()
            await until(lambda: shim.master.shim.engine.live_turns == 0)
        shim.play(complete_answer(route))
        assert (await running.turn(0))[1] == "itself"
