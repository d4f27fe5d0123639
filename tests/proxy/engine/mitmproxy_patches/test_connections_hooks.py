"""Hooks that are called directly do what mitmproxy's own way of calling them does."""

from __future__ import annotations

import asyncio

import pytest
from mitmproxy.connection import Client
from mitmproxy.exceptions import AddonHalt, OptionsError
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy.layers.tcp import TcpStartHook
from mitmproxy.proxy.server_hooks import ClientConnectedHook, ClientDisconnectedHook
from mitmproxy.test import tflow

from addons.proxy.engine.mitmproxy_patches.connections import call_hooks_directly


class Heard:
    def __init__(self, name: str, said: list[str]) -> None:
        self.name = name
        self._said = said

    def client_connected(self, client: Client) -> None:
        self._said.append(f"{self.name} {client.id}")


class Waits(Heard):
    async def client_connected(self, client: Client) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().client_connected(client)


class Halts(Heard):
    def client_connected(self, client: Client) -> None:
        super().client_connected(client)
        raise AddonHalt


class Fails(Heard):
    def client_connected(self, client: Client) -> None:
        super().client_connected(client)
        raise ValueError(client.id)


class Holds:
    """An addon with another one inside."""

    def __init__(self, *addons: object) -> None:
        self.name = "holds"
        self.addons = addons


class Updated(Heard):
    def update(self, flows: list[object]) -> None:
        self._said += [f"{self.name} {type(each).__name__}" for each in flows]


async def test_hooks_that_are_called_directly_do_what_mitmproxy_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said: dict[bool, list[str]] = {False: [], True: []}
    client = tflow.tclient_conn()
    for directly, heard in said.items():
        world = Master(Options())
        world.addons.add(Waits("a", heard), Holds(Fails("b", heard), Heard("not reached", heard)))
        if directly:
            call_hooks_directly(world)
        await world.addons.handle_lifecycle(ClientConnectedHook(client))
        await world.addons.handle_lifecycle(ClientDisconnectedHook(client))
        world.addons.add(Updated("d", heard), Halts("e", heard), Heard("f", heard))
        await world.addons.handle_lifecycle(ClientConnectedHook(client))
        await world.addons.handle_lifecycle(TcpStartHook(tflow.ttcpflow()))
    names = [each.partition(" ")[0] for each in said[True]]
    assert said[True] == said[False]
    assert names == ["a", "b", "a", "b", "d", "e", "d"]
    assert caplog.text.count("Addon error") == 4


async def test_exception_that_mitmproxy_lets_through_is_let_through() -> None:
    class Refuses:
        def client_connected(self, _: Client) -> None:
            raise OptionsError

    world = Master(Options())
    world.addons.add(Refuses())
    call_hooks_directly(world)
    with pytest.raises(OptionsError):
        await world.addons.handle_lifecycle(ClientConnectedHook(tflow.tclient_conn()))
