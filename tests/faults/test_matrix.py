"""Every fault of an upstream on every route that has one, for Codex and for SDKs, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.fault import Fault
from tests.faults.oracle import seen_in
from tests.faults.refusals import REFUSALS
from tests.faults.routes import WITH_UPSTREAM, RouteKind
from tests.faults.stage import CLIENTS, Stage, stage
from tests.faults.streams import STREAMS


@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
@pytest.mark.parametrize("fault", [*REFUSALS, *STREAMS], ids=str)
async def test_fault(folder: Path, route: RouteKind, fault: Fault) -> None:
    async with stage(route, folder, limits=fault.limits) as one:
        for client in CLIENTS:
            await meets(one, fault, client)
        await one.works()


async def meets(one: Stage, fault: Fault, client: str) -> None:
    """One turn that meets the fault, and everything that has to hold for it."""
    route = one.route
    one.play(fault.script(route))
    response = await one.ask(CLIENTS[client])
    seen = seen_in(response)
    told = fault.pair(route.family).of(client)
    assert told.differs(seen) == [], (client, seen)
    if not told.passed:
        one.is_one_answer(response, fault.echoes)
    one.never_more_than_said(seen, short=fault.short)
    assert one.model_requests() == fault.asked(route.family), client
