"""Faults of clients on every route, over real sockets; afterwards nothing is left and the next turn works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.acts import ACTS, ClientFault, shut_down
from tests.faults.routes import ROUTES, Family, RouteKind
from tests.faults.stage import BOUND_SECONDS, stage

CELLS = [
    pytest.param(route, fault, id=f"{fault}-{route}")
    for fault in ACTS
    for route in ROUTES
    if fault.local or route.family is not Family.LOCAL
]


@pytest.mark.parametrize(("route", "fault"), CELLS)
async def test_client(folder: Path, route: RouteKind, fault: ClientFault) -> None:
    async with stage(route, folder) as one, asyncio.timeout(2 * BOUND_SECONDS):
        await fault.act(one)
        assert one.master.shim.engine.live_turns == 0
        if fault.act is not shut_down:
            await one.works()
