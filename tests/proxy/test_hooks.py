"""The option that names hooks: in `serve`, and in stock mitmdump beside an ordinary addon."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
from mitmproxy import exceptions, http

from addons.proxy.addon import CodexShim
from addons.proxy.engine.hooked_stream import HookedStream
from addons.proxy.master import ListenOptions, ShimMaster, StartError
from tests.boundary.hook_turns import (
    CODEX,
    UPPER,
    answers,
    delta,
    events,
    native,
    sent_to,
    serving,
    use,
)
from tests.boundary.masters import StockMaster
from tests.boundary.surfaces import TURN, Home
from tests.support.client import client
from tests.support.waiting import LONGEST, until

RULE = (
    "from addons.hooks import *\ndef on_turn(turn): return turn.add_instructions('RULE')\n" + UPPER
)


async def test_hook_that_cannot_be_loaded_is_a_start_error(home: Home) -> None:
    file = home.folder / "bad.py"
    file.write_text("def on_turns(turn): return turn\n")
    with pytest.raises(
        StartError, match=r"Did you mean on_turn\? Rename it, then start codex-shim again\."
    ):
        ShimMaster(ListenOptions("127.0.0.1", 0, hooks=[str(file)]), print, home.env)


async def test_failure_of_this_program_while_it_loads_hooks_is_a_start_error(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise KeyError

    monkeypatch.setattr("addons.proxy.hooks.load_hooks", fail)
    with pytest.raises(StartError, match="internal error"):
        ShimMaster(ListenOptions("127.0.0.1", 0, hooks=["x.py"]), print, home.env)


async def test_refused_change_of_the_option_changes_nothing(home: Home) -> None:
    home.log_in()
    home.backend.scripts[:] = [answers(native(delta("hi")))]
    async with serving(home) as proxy, asyncio.timeout(LONGEST):
        engine = proxy.shim.engine
        assert (engine.stream_type, proxy.shim.parts.hooks) == (None, None)
        use(proxy, home, UPPER)
        assert engine.stream_type is HookedStream
        with pytest.raises(exceptions.OptionsError, match="does not exist"):
            proxy.master.options.update(codex_shim_hook=["none.py"])
        answer = await proxy.post(TURN, CODEX)
        assert [e["delta"] for e in events(answer.body) if "delta" in e] == ["HI"]
        use(proxy, home)
        assert proxy.shim.parts.hooks is None


class Beside:
    """An ordinary addon."""

    def __init__(self) -> None:
        self.flows: list[http.HTTPFlow] = []

    def request(self, flow: http.HTTPFlow) -> None:
        body = orjson.loads(flow.request.content or b"")
        flow.request.content = orjson.dumps({**body, "instructions": "ADDON"})

    def response(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)


async def test_hooks_work_in_mitmdump_beside_an_addon_and_when_a_flow_is_sent_again(
    home: Home, tmp_path: Path
) -> None:
    home.log_in()
    home.backend.scripts[:] = [answers(native(delta("hi")))]
    (tmp_path / "rule.py").write_text(RULE)
    ready, beside = asyncio.Event(), Beside()
    master, shim = StockMaster(ready), CodexShim(home.env)
    master.addons.add(shim)
    chain = master.addons.chain
    chain.insert(chain.index(master.addons.get("scriptloader")), chain.pop())
    master.addons.add(beside)
    master.options.update(
        mode=["reverse:http://127.0.0.1:9"],
        listen_host="127.0.0.1",
        listen_port=0,
        confdir=str(home.folder),
        store_streamed_bodies=True,
        codex_shim_settings=str(home.settings),
        codex_shim_hook=[str(tmp_path / "rule.py")],
    )
    task = asyncio.create_task(master.run())  # noqa: TID251, RUF100  awaited below
    await ready.wait()
    try:
        async with asyncio.timeout(LONGEST), client(shim.parts.port) as c:
            await c.post("/v1/responses", TURN, CODEX)
            answer = await c.response()
            await until(lambda: beside.flows)
            (flow,) = beside.flows
            again = flow.copy()
            master.commands.call("replay.client", [again])
            await until(lambda: len(beside.flows) == 2)
    finally:
        master.shutdown()  # type: ignore[no-untyped-call]
        await task
    assert [e["delta"] for e in events(answer.body) if "delta" in e] == ["HI"]
    sent = [orjson.loads(body)["instructions"] for body in sent_to(home)]
    assert sent == ["ADDON\n\nRULE"] * 2
    for one in beside.flows:
        assert orjson.loads(one.request.content or b"")["instructions"] == "ADDON"
        assert b'"HI"' in ((one.response and one.response.content) or b"")
        assert one.metadata["codex_shim"]["hooks"] == ["rule.py: instructions"]
