"""The whole proxy as a client meets it: the product's own Master and addon, in this loop, on a socket.

Never does: reach a real backend. Invariant: nothing arrives at the reverse target, of which `conftest.home` makes sure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from addons.proxy.addon import CodexShim
from addons.proxy.master import ListenOptions, ShimMaster
from tests.fakes.account import Account
from tests.support.client import Response, client
from tests.support.upstream import Exchange, Upstream

TURN = b'{"model":"gpt-5.5","stream":true,"input":[]}'
DEMO = b'{"model":"shim-demo","stream":true,"input":"hi"}'
DONE = b'data: {"type":"response.completed","response":{"id":"r"}}\n\n'


async def whole_turn(exchange: Exchange) -> None:
    await exchange.sse_head()
    await exchange.chunk(DONE)
    await exchange.end()


@dataclass
class Home:
    """The files and the environment of one user."""

    folder: Path
    backend: Upstream
    """The ChatGPT backend."""
    sink: Upstream
    """The reverse target, where nothing may ever arrive."""

    @property
    def env(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PATH": "",
            "CODEX_SHIM_STATE_DIR": str(self.folder / "state"),
            "CODEX_SHIM_CHATGPT_BASE_URL": f"http://127.0.0.1:{self.backend.port}/codex",
        }

    @property
    def settings(self) -> Path:
        return self.folder / "models.json"

    @property
    def auth(self) -> Path:
        return self.folder / ".codex" / "auth.json"

    def log_in(self, account: Account | None = None) -> None:
        self.auth.parent.mkdir(exist_ok=True)
        (account or Account()).write(self.auth.parent)

    @property
    def turns(self) -> int:
        return sum(b"/responses" in request.line for request in self.backend.requests)


@dataclass
class Running:
    master: ShimMaster

    @property
    def shim(self) -> CodexShim:
        return self.master.shim

    @property
    def port(self) -> int:
        return int(self.master.address.rpartition(":")[2])

    async def get(self, path: str, *lines: bytes) -> Response:
        async with client(self.port) as c:
            await c.get(path, *lines)
            return await c.response()

    async def post(self, body: bytes, *lines: bytes) -> Response:
        async with client(self.port) as c:
            await c.post("/v1/responses", body, *lines)
            return await c.response()

    async def health(self) -> Mapping[str, object]:
        error_reply: Mapping[str, object] = orjson.loads((await self.get("/health")).body)
        return error_reply

    async def slugs(self) -> list[str]:
        return [row["id"] for row in orjson.loads((await self.get("/v1/models")).body)["data"]]


@asynccontextmanager
async def listening(listen: ListenOptions, env: Mapping[str, str]) -> AsyncIterator[Running]:
    ready = asyncio.Event()
    master = ShimMaster(listen, lambda _: ready.set(), env)
    task = asyncio.create_task(master.run())  # noqa: TID251, RUF100  awaited below
    await ready.wait()
    try:
        yield Running(master)
    finally:
        master.shutdown()  # type: ignore[no-untyped-call]
        await task


def running(home: Home, **env: str) -> AbstractAsyncContextManager[Running]:
    return listening(ListenOptions("127.0.0.1", 0, home.settings), {**home.env, **env})


def code_of(response: Response) -> str:
    assert response.header(b"content-type") == b"application/json"
    code: str = orjson.loads(response.body)["error"]["code"]
    return code
