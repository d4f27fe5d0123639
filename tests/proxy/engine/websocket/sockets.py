"""The engine with a WebSocket in front of it and a scripted upstream behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from addons.core.limits import Limits
from addons.core.server.router import is_upgrade
from addons.core.server.websocket import upgrade_plan
from addons.core.turn import ClientRequest, Plan
from tests.support.engine import QUICK, MakePlan, Running, engine, to_ports
from tests.support.upstream import Script, Upstream, upstream
from tests.support.websocket import Socket, websocket


def switching(make: MakePlan) -> MakePlan:
    """Plans that open WebSockets, and these for everything else."""

    def plan(request: ClientRequest) -> Plan:
        if is_upgrade(request):
            return upgrade_plan(request, None)
        request.notes.note_slug("m", None)
        return make(request)

    return plan


@dataclass
class Line:
    """A client, the proxy and an upstream."""

    socket: Socket
    proxy: Running
    up: Upstream


@asynccontextmanager
async def line(
    *scripts: Script, limits: Limits = QUICK, lines: tuple[bytes, ...] = (), **options: object
) -> AsyncIterator[Line]:
    async with (
        upstream(*scripts) as up,
        engine(switching(to_ports(up.port)), limits, **options) as proxy,  # type: ignore[arg-type]
        websocket(proxy.port, *lines) as socket,
    ):
        yield Line(socket, proxy, up)
