"""The two Masters that carry turns, in this loop: the one of `codex-shim serve`, and stock mitmdump with the addon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.tools.dump import DumpMaster

from addons.proxy.addon import CodexShim
from addons.proxy.engine.engine import Engine
from addons.proxy.master import ListenOptions, ShimMaster
from tests.support.engine import MakePlan, TestRouter


@dataclass(frozen=True)
class Proxy:
    """A Master that listens, whose turns follow the plans of a test."""

    engine: Engine
    port: int


def environment(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "PATH": "", "CODEX_SHIM_STATE_DIR": str(folder / "state")}


@asynccontextmanager
async def serve(folder: Path, make: MakePlan) -> AsyncIterator[Proxy]:
    """The Master of `codex-shim serve`: hooks run at once."""
    ready = asyncio.Event()
    listen = ListenOptions("127.0.0.1", 0, folder / "models.json")
    master = ShimMaster(listen, lambda _: ready.set(), environment(folder))
    async with _run(master, master.shim, make, ready) as proxy:
        yield proxy


class StockMaster(DumpMaster):
    def __init__(self, ready: asyncio.Event) -> None:
        super().__init__(Options(), with_termlog=False, with_dumper=False)
        self._ready = ready

    async def running(self) -> None:
        await super().running()
        self._ready.set()


@asynccontextmanager
async def mitmdump(folder: Path, make: MakePlan) -> AsyncIterator[Proxy]:
    """Stock mitmdump: each hook runs in a task."""
    ready = asyncio.Event()
    master = StockMaster(ready)
    shim = CodexShim(environment(folder))
    master.addons.add(shim)
    # where `-s` puts it: before the addon that chooses mitmproxy's own layers
    chain = master.addons.chain
    chain.insert(chain.index(master.addons.get("scriptloader")), chain.pop())
    master.options.update(
        mode=["reverse:http://127.0.0.1:9"],
        listen_host="127.0.0.1",
        listen_port=0,
        confdir=str(folder),
        codex_shim_settings=str(folder / "models.json"),
    )
    async with _run(master, shim, make, ready) as proxy:
        yield proxy


@asynccontextmanager
async def _run(
    master: Master, shim: CodexShim, make: MakePlan, ready: asyncio.Event
) -> AsyncIterator[Proxy]:
    task = asyncio.create_task(master.run())  # noqa: TID251, RUF100  awaited below
    await ready.wait()
    shim.engine.router = TestRouter(make)
    port = master.addons.get("proxyserver").listen_addrs()[0][1]
    try:
        yield Proxy(shim.engine, port)
    finally:
        master.shutdown()
        await task


StartMaster = Callable[[Path, MakePlan], AbstractAsyncContextManager[Proxy]]
MASTERS: dict[str, StartMaster] = {"serve": serve, "mitmdump": mitmdump}
