"""A request on a reused connection is sent a second time only if the upstream cannot have worked on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.oracle import seen_in
from tests.faults.reuse_faults import REUSE_FAULTS, ReuseFault
from tests.faults.routes import WITH_UPSTREAM, RouteKind
from tests.faults.shim import CLIENTS, complete_answer, running_shim
from tests.support.client import client


@pytest.mark.parametrize("who", CLIENTS)
@pytest.mark.parametrize("fault", REUSE_FAULTS, ids=str)
@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
async def test_request_on_a_reused_connection(
    folder: Path, route: RouteKind, fault: ReuseFault, who: str
) -> None:
    async with running_shim(route, folder) as shim, client(shim.port) as c:
        shim.play(complete_answer(route))
        await shim.post(c, CLIENTS[who])
        shim.check_whole(await c.response())
        shim.play(fault.script, complete_answer(route))
        await shim.post(c, CLIENTS[who])
        response = await c.response()
        assert shim.model_requests() == fault.requests
        if fault.is_repeated:
            shim.check_whole(response)
        else:
            assert seen_in(response).code == "upstream_closed"
        await shim.check_next_turns()
