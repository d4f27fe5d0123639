"""The whole proxy with a fake cursor-agent on its PATH, in the test's own loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from addons.proxy.addon import CodexShim
from addons.proxy.master import ListenOptions, ShimMaster
from tests.fakes.cursor import FakeCursor
from tests.support.client import Client, Response, client
from tests.support.waiting import until

CODEX = b"originator: codex_exec"


@dataclass
class CursorHome:
    """One user with cursor-agent."""

    folder: Path
    more: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fake = FakeCursor(self.folder / "fake")
        self.fake.install()
        self.project = self.folder / "project"
        self.project.mkdir()
        self.home = self.folder / "home"
        self.home.mkdir()

    @property
    def env(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": self.fake.path,
            "CODEX_SHIM_STATE_DIR": str(self.folder / "state"),
            "CODEX_SHIM_CHATGPT_BASE_URL": "http://127.0.0.1:9/codex",
            "CODEX_SHIM_CURSOR_STATUS_SECONDS": "0.2",
            **self.fake.env,
            **self.more,
        }


@dataclass
class CursorShim:
    """The running proxy."""

    master: ShimMaster
    home: CursorHome

    @property
    def shim(self) -> CodexShim:
        return self.master.shim

    @property
    def fake(self) -> FakeCursor:
        return self.home.fake

    @property
    def port(self) -> int:
        return int(self.master.address.rpartition(":")[2])

    async def post(self, body: bytes, *lines: bytes) -> Response:
        async with client(self.port) as c:
            await c.post("/v1/responses", body, *lines)
            return await c.response()

    async def turn(self, text: str = "hello", **more: object) -> Response:
        """One turn as Codex sends it."""
        return await self.post(self.body(text, **more), CODEX)

    def body(self, text: str = "hello", **more: object) -> bytes:
        return body_of(text, str(self.home.project), **more)

    async def health(self) -> Mapping[str, Any]:
        async with client(self.port) as c:
            await c.get("/health")
            error_reply: Mapping[str, Any] = json.loads((await c.response()).body)
            return error_reply

    async def slugs(self) -> list[str]:
        async with client(self.port) as c:
            await c.get("/v1/models")
            return [row["id"] for row in json.loads((await c.response()).body)["data"]]

    async def is_live(self) -> None:
        """Wait until turns can go to Cursor."""
        await until(lambda: self.shim.sources.cursor.reason == "")

    async def all_gone(self) -> None:
        """Wait until no process of a turn is left: the promise is ten seconds."""
        await until(lambda: not self.fake.alive, 10)

    async def begins(self, c: Client, text: str = "hello", **more: object) -> None:
        """Send a turn, and read up to its first event."""
        await c.post("/v1/responses", self.body(text, **more), CODEX)
        assert (await c.head()).status == 200


def body_of(text: str, cwd: str, **more: object) -> bytes:
    """A request of Codex's, its context first."""
    context = (
        f"<environment_context>\n  <cwd>{cwd}</cwd>\n  <shell>bash</shell>\n</environment_context>"
    )
    error_reply = [
        {"type": "message", "role": role, "content": [{"type": "input_text", "text": words}]}
        for role, words in (("developer", "Be brief."), ("user", context), ("user", text))
    ]
    asked = {
        "model": "composer-2-5",
        "stream": True,
        "store": False,
        "input": error_reply,
        "tools": [],
    }
    return json.dumps({**asked, **more}).encode()


@asynccontextmanager
async def cursor_shim(home: CursorHome) -> AsyncIterator[CursorShim]:
    ready = asyncio.Event()
    listen = ListenOptions("127.0.0.1", 0, home.folder / "models.json")
    master = ShimMaster(listen, lambda _: ready.set(), home.env)
    task = asyncio.create_task(master.run())  # noqa: TID251, RUF100  awaited below
    await ready.wait()
    shim = CursorShim(master, home)
    try:
        yield shim
    finally:
        master.shutdown()  # type: ignore[no-untyped-call]
        await task
    await shim.all_gone()
