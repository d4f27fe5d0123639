"""Every fault of an upstream on every route with an upstream, for Codex and for SDKs, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.fault import Fault
from tests.faults.in_turn import by_limits, check_in_turn
from tests.faults.oracle import seen_in
from tests.faults.refusals import REFUSALS
from tests.faults.routes import WITH_UPSTREAM, RouteKind
from tests.faults.shim import CLIENTS, RunningShim, running_shim
from tests.faults.stream_faults import STREAM_FAULTS

GROUPS = by_limits((*REFUSALS, *STREAM_FAULTS))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
@pytest.mark.parametrize("group", GROUPS)
async def test_upstream_fault(folder: Path, route: RouteKind, group: str) -> None:
    faults = GROUPS[group]
    async with running_shim(route, folder, limits=faults[0].limits) as shim:
        await check_in_turn(shim, faults, check_turns)


async def check_turns(shim: RunningShim, fault: Fault) -> None:
    for client in CLIENTS:
        await check_fault(shim, fault, client)
    await shim.check_next_turns()


async def check_fault(shim: RunningShim, fault: Fault, client: str) -> None:
    """Send one turn that meets the fault, and assert everything that must hold for it."""
    route = shim.route
    shim.play(fault.script(route))
    response = await shim.ask(CLIENTS[client])
    seen = seen_in(response)
    expected = fault.pair(route.family).for_client(client)
    assert expected.differs(seen) == [], (client, seen)
    if not expected.passed:
        shim.check_one_answer(response, fault.echoes)
    shim.check_incomplete(seen, incomplete=fault.incomplete)
    assert shim.model_requests() == fault.request_count(route.family), client
