"""Each drill does what its row of docs/faults.md says, on every kind of route, for Codex and for SDKs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from addons.core.providers import row_attempts
from addons.core.upstream.protocol import Protocol
from shim_cli.drill.drills import ALIASES, ANSWERS, DRILLS, STALL_SECONDS, Action, Drill, End, find
from tests.faults.conftest import folder as folder  # noqa: PLC0414  the fixture
from tests.faults.fault import PATIENT_SECONDS
from tests.faults.oracle import seen_in
from tests.faults.refusals import REFUSALS
from tests.faults.routes import WITH_UPSTREAM, RouteKind
from tests.faults.shim import CLIENTS, RunningShim, running_shim
from tests.faults.stream_faults import SHORT_STALL, STREAM_FAULTS
from tests.support.upstream import Exchange, Script
from tests.support.waiting import settle

ROWS = {fault.name: fault for fault in (*REFUSALS, *STREAM_FAULTS)}
PROTOCOLS = {
    "chatgpt": Protocol.RESPONSES,
    "native": Protocol.RESPONSES,
    "chat": Protocol.CHAT,
    "messages": Protocol.MESSAGES,
}
MESSAGE = "message of the upstream"


def script_of(drill: Drill, route: RouteKind) -> Script:
    """Return what the drill's upstream does, as a script of the fault tests."""
    actions = drill.actions(ANSWERS[PROTOCOLS[route.name]])

    async def script(exchange: Exchange) -> None:
        for action in actions:
            await _does(exchange, action)

    return script


async def _does(exchange: Exchange, action: Action) -> None:
    if isinstance(action, bytes):
        await exchange.send(action)
    elif action is End.CLOSE:
        exchange.writer.close()
    elif action is End.RESET:
        # the reset must not overtake what was written
        await asyncio.sleep(0.05)
        exchange.cut()
    else:
        await exchange.closed()


@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
async def test_each_drill_is_its_row(
    route: RouteKind, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_attempts, "EARLY_SECONDS", PATIENT_SECONDS)
    async with running_shim(route, folder, limits=SHORT_STALL) as shim:
        wrong = {
            (drill.name, client): differences
            for drill in DRILLS
            for client in CLIENTS
            if (differences := await differences_of(shim, drill, client))
        }
        assert wrong == {}
        await shim.check_next_turns()


async def differences_of(shim: RunningShim, drill: Drill, client: str) -> list[str]:
    """Return in what a turn with the drill differs from the row of the same name."""
    fault, route = ROWS[drill.name], shim.route
    # an idle connection would be used, and a turn on it sent again
    await settle()
    shim.master.shim.engine.pool.clear()
    shim.play(script_of(drill, route))
    response = await shim.ask(CLIENTS[client])
    seen = seen_in(response)
    shim.check_incomplete(seen, incomplete=fault.incomplete)
    found = fault.pair(route.family).for_client(client).differs(seen)
    if shim.model_requests() != fault.request_count(route.family):
        found.append(f"{shim.model_requests()} requests")
    return found


def test_names_are_rows_and_aliases_are_names() -> None:
    names = [drill.name for drill in DRILLS]
    assert len(set(names)) == len(names) >= 18
    assert set(names) <= ROWS.keys()
    assert set(ALIASES.values()) <= set(names)
    assert not set(ALIASES) & set(names)
    for alias, name in ALIASES.items():
        assert find(alias) is find(name) is not None
    assert find("bogus") is None


def test_silent_drills_have_a_limit_that_a_person_waits_for() -> None:
    for drill in DRILLS:
        is_silent = End.HOLD in drill.actions(ANSWERS[Protocol.CHAT])
        assert drill.limits == ({"stall_seconds": STALL_SECONDS} if is_silent else {}), drill.name
