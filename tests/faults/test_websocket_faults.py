"""Every fault of an upstream on every route, for Codex over a WebSocket; the connection serves the next turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.fault import Fault
from tests.faults.in_turn import by_limits, check_in_turn
from tests.faults.refusals import REFUSALS
from tests.faults.routes import WITH_UPSTREAM, RouteKind
from tests.faults.shim import CODEX, RunningShim, complete_answer, running_shim
from tests.faults.stream_faults import STREAM_FAULTS
from tests.faults.websocket import over_websocket, turn
from tests.support.waiting import until
from tests.support.websocket import websocket

GROUPS = by_limits((*REFUSALS, *STREAM_FAULTS))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
@pytest.mark.parametrize("group", GROUPS)
async def test_upstream_fault_over_a_websocket(folder: Path, route: RouteKind, group: str) -> None:
    faults = GROUPS[group]
    async with running_shim(route, folder, limits=faults[0].limits) as shim:
        await check_in_turn(shim, faults, check_turns)


async def check_turns(shim: RunningShim, fault: Fault) -> None:
    """Let one turn meet the fault, and the next one on the same connection succeed."""
    route = shim.route
    shim.play(fault.script(route))
    async with websocket(shim.port, CODEX) as socket:
        seen, _ = await turn(socket, shim)
        expected = over_websocket(fault, route.family)
        assert expected.differs(seen) == [], seen
        shim.check_incomplete(seen, incomplete=fault.incomplete)
        assert shim.model_requests() == fault.request_count(route.family)
        await until(lambda: shim.work.running == 0)
        shim.play(complete_answer(route))
        seen, _ = await turn(socket, shim)
        assert seen.terminal == "response.completed"
    await shim.check_next_turns()
