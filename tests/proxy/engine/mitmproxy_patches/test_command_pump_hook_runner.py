"""Hooks run at once where no addon can wait, and only there."""

from __future__ import annotations

import logging

import pytest
from mitmproxy import http, master, options
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook, HttpResponseHook
from mitmproxy.proxy.server_hooks import ClientConnectedHook
from mitmproxy.test import tflow

from addons.proxy.engine.mitmproxy_patches.command_pump import SyncHookRunner


class Notes:
    def __init__(self) -> None:
        self.flows: list[http.HTTPFlow] = []

    def request(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)


class More(Notes):
    pass


class Raises(Notes):
    def request(self, flow: http.HTTPFlow) -> None:
        raise RuntimeError(flow)


class Waits:
    async def response(self, flow: http.HTTPFlow) -> None: ...


class Updates:
    def update(self, flows: object) -> None: ...


async def runner_with(*addons: object) -> tuple[SyncHookRunner, master.Master]:
    world = master.Master(options.Options())
    world.addons.add(*addons)
    return SyncHookRunner(world.addons), world


async def test_flow_hook_is_run_at_once() -> None:
    first, second, flow = Notes(), More(), tflow.tflow()
    runner, _ = await runner_with(first, second)
    assert runner.run(HttpRequestHook(flow))
    assert first.flows == second.flows == [flow]
    assert runner.run(HttpResponseHook(flow))


async def test_exception_of_one_addon_is_logged_and_stops_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    last = Notes()
    runner, _ = await runner_with(Raises(), last)
    assert runner.run(HttpRequestHook(tflow.tflow()))
    assert len(last.flows) == 1
    assert "Addon error" in caplog.text


@pytest.mark.parametrize("addon", [Waits(), Updates()])
async def test_no_hook_is_run_while_an_addon_may_wait(addon: object) -> None:
    notes = Notes()
    runner, world = await runner_with(notes)
    assert runner.run(HttpRequestHook(tflow.tflow()))
    world.addons.add(addon)
    assert not runner.run(HttpRequestHook(tflow.tflow()))
    assert len(notes.flows) == 1


async def test_hook_of_a_connection_is_left_to_mitmproxy() -> None:
    runner, _ = await runner_with(Notes())
    assert not runner.run(ClientConnectedHook(tflow.tflow().client_conn))
