from __future__ import annotations

import asyncio
import sys

import httpx
import pytest

if sys.platform == "win32":
    pytest.skip("there is no uvloop for Windows", allow_module_level=True)

from mitmproxy.utils import asyncio_utils

from addons.proxy.engine.mitmproxy_patches.event_loop import EagerLoop


def test_mitmproxys_eager_tasks_run_on_uvloop() -> None:
    ran: list[str] = []

    async def step(name: str) -> str:
        ran.append(name)
        return name

    async def main() -> str:
        with asyncio_utils.set_eager_task_factory():
            task = asyncio_utils.create_task(step("eager"), name="a name", keep_ref=True)
            assert ran == ["eager"], "it waits for its turn"
            result: str = await task
            return result

    with asyncio.Runner(loop_factory=EagerLoop) as runner:
        assert runner.run(main()) == "eager"


def test_another_factory_is_set_as_it_is() -> None:
    loop = EagerLoop()
    try:
        loop.set_task_factory(None)
        assert loop.get_task_factory() is None
    finally:
        loop.close()


def test_anyio_connects_on_it() -> None:
    """The account's models are asked for with httpx, whose task groups know asyncio's own eager factory alone."""

    async def main() -> None:
        with asyncio_utils.set_eager_task_factory():
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get("http://127.0.0.1:9/")

    with (
        asyncio.Runner(loop_factory=EagerLoop) as runner,
        pytest.raises(httpx.ConnectError),
    ):
        runner.run(main())
