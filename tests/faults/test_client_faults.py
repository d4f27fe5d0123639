"""Faults of clients on every route, over real sockets. Afterwards nothing is left and the next turns work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults import websocket_client_faults  # noqa: F401  adds its rows
from tests.faults.client_faults import CLIENT_FAULTS, ClientFault, shut_down
from tests.faults.routes import ROUTES, Family, RouteKind
from tests.faults.shim import BOUND_SECONDS, running_shim

CELLS = [
    pytest.param(route, fault, id=f"{fault}-{route}")
    for fault in CLIENT_FAULTS
    for route in ROUTES
    if fault.local or route.family is not Family.LOCAL
]


@pytest.mark.parametrize(("route", "fault"), CELLS)
async def test_client_fault(folder: Path, route: RouteKind, fault: ClientFault) -> None:
    async with (
        running_shim(route, folder, limits=fault.limits) as shim,
        asyncio.timeout(2 * BOUND_SECONDS),
    ):
        await fault.cause(shim)
        assert shim.master.shim.engine.live_turns == 0
        if fault.cause is not shut_down:
            await shim.check_next_turns()
