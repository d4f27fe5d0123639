"""Faults of the shim as a process: killed, out of file descriptors, out of disk space, port in use."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.shim import shim_command
from tests.fakes.account import Account
from tests.faults.healthy import TEXT
from tests.faults.oracle import seen_in
from tests.faults.routes import KEY, WITH_UPSTREAM, Family
from tests.faults.shim import CODEX, LIMITS
from tests.shim_cli.forks.client import started
from tests.shim_cli.run import finished
from tests.support.client import Client, Response, client
from tests.support.measured import MEASURED
from tests.support.ports import free_port
from tests.support.upstream import Exchange, Script, Upstream, upstream
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)
ROUTES = WITH_UPSTREAM


@dataclass
class Machine:
    """A user's files with a row for every route, and the shim as a process."""

    folder: Path
    env: dict[str, str]
    port: int
    ups: dict[str, Upstream]
    process: subprocess.Popen[str] | None = None

    async def start(self, limit: str = "", log_file: str = "log") -> None:
        """Start the shim, and wait until it answers. `limit` is code that sets a limit of the process."""
        with (self.folder / log_file).open("ab") as log:
            self.process = started(
                shim_command("serve", "--port", str(self.port)),
                env=self.env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                before=limit,
            )
        await self.answers()

    async def answers(self) -> None:
        """Wait until the shim answers."""
        async with asyncio.timeout(30):
            while await self._health() != 200:  # noqa: ASYNC110  another process has no event
                await asyncio.sleep(0.02)

    async def _health(self) -> int:
        assert self.process
        assert self.process.poll() is None, self.log
        try:
            async with client(self.port) as c:
                await c.get("/health")
                return (await c.response()).status
        except (OSError, asyncio.IncompleteReadError):
            return 0

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def end(self, number: int) -> int:
        assert self.process
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, 30)

    async def works(self) -> None:
        """Assert that every route gets a whole answer."""
        for route in ROUTES:
            async with client(self.port) as c:
                await self.post(c, route.slug if route.family is Family.ACCOUNT else route.name)
                response = await c.response()
            seen = seen_in(response)
            assert (seen.terminal, seen.text) == ("response.completed", TEXT), (route, seen)

    async def post(self, c: Client, slug: str) -> None:
        body = json.dumps({"model": slug, "stream": True, "input": "hi"}).encode()
        await c.post("/v1/responses", body, CODEX)


def answers(whole: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        if exchange.request.line.startswith(b"GET"):
            await exchange.whole(b"", status=b"404 Not Found")
            return
        await exchange.sse_head()
        await exchange.chunk(whole)
        await exchange.end()

    return script


def hold(begin: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(begin)
        await exchange.closed()

    return script


@asynccontextmanager
async def machine(folder: Path) -> AsyncIterator[Machine]:
    """Run upstreams for every route, and write the user's files."""
    ups = {route.name: upstream(answers(route.healthy.all)) for route in ROUTES}
    async with (
        ups["chatgpt"] as chatgpt,
        ups["chat"] as chat,
        ups["messages"] as messages,
        ups["native"] as native,
    ):
        running = {"chatgpt": chatgpt, "chat": chat, "messages": messages, "native": native}
        rows = [
            {"slug": r.name, "base_url": f"http://127.0.0.1:{running[r.name].port}/v1", "api_key": KEY, **r.row}
            for r in ROUTES
            if r.row
        ]  # fmt: skip
        settings = folder / "models.json"
        settings.write_text(json.dumps({"limits": dict(LIMITS), "models": rows}))
        settings.chmod(0o600)
        (folder / ".codex").mkdir()
        Account().write(folder / ".codex")
        env = {
            **MEASURED,
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "CODEX_SHIM_STATE_DIR": str(folder / "state"),
            "CODEX_SHIM_SETTINGS": str(settings),
            "CODEX_SHIM_CHATGPT_BASE_URL": f"http://127.0.0.1:{chatgpt.port}/codex",
        }
        one = Machine(folder, env, free_port(), running)
        try:
            yield one
        finally:
            if one.process and one.process.poll() is None:
                one.process.kill()
                one.process.wait(10)
        assert "Traceback" not in one.log, one.log


async def test_killed_shim_starts_again_and_every_route_works(tmp_path: Path) -> None:
    async with machine(tmp_path) as one:
        await one.start()
        one.ups["chat"].scripts[:] = [hold(ROUTES[1].healthy.begin)]
        async with client(one.port) as c:
            await one.post(c, "chat")
            begun = await c.head()
            await c.chunk()
            assert await one.end(signal.SIGKILL) == -signal.SIGKILL
            assert not (await c.rest(begun)).complete
        await until(one.ups["chat"].gone.is_set)
        one.ups["chat"].scripts[:] = [answers(ROUTES[1].healthy.all)]
        await one.start()
        await one.works()
        assert await one.end(signal.SIGTERM) == 0


async def test_sigterm_ends_a_stream_with_response_failed_and_the_process_with_0(
    tmp_path: Path,
) -> None:
    async with machine(tmp_path) as one:
        await one.start()
        one.ups["native"].scripts[:] = [hold(ROUTES[3].healthy.begin)]
        async with client(one.port) as c:
            await one.post(c, "native")
            begun = await c.head()
            first = await c.chunk()
            code = await one.end(signal.SIGTERM)
            response = await c.rest(begun)
        response.body = first + response.body
        assert (code, seen_in(response).code) == (0, "shutting_down")
        await until(one.ups["native"].gone.is_set)


async def test_turn_works_when_no_byte_can_be_written(tmp_path: Path) -> None:
    no_file_may_grow = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    )

    async with machine(tmp_path) as one:
        (tmp_path / "log").touch()
        await one.start(no_file_may_grow, os.devnull)
        await one.works()
        assert await one.end(signal.SIGTERM) == 0
    left = [path for path in (tmp_path / "state").rglob("*") if path.suffix == ".tmp"]
    assert left == []


async def test_shim_recovers_after_it_ran_out_of_file_descriptors(tmp_path: Path) -> None:
    few_files = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))"

    async with machine(tmp_path) as one:
        await one.start(few_files)
        held = [await asyncio.open_connection("127.0.0.1", one.port) for _ in range(100)]
        for _, writer in held:
            writer.close()
        # Connections that still wait in the queue of the listener are closed; then descriptors are free again.
        await one.answers()
        await one.works()
        assert await one.end(signal.SIGTERM) == 0


async def test_used_port_is_reported_and_the_first_shim_continues(tmp_path: Path) -> None:
    async with machine(tmp_path) as one:
        await one.start()
        again = shim_command("serve", "--port", str(one.port))
        second = await asyncio.to_thread(finished, again, one.env, tmp_path)
        assert (second.returncode, "port is in use" in second.stderr) == (1, True)
        await one.works()
        assert await one.end(signal.SIGTERM) == 0


def test_reader_distinguishes_a_cut_from_an_end() -> None:
    cut = Response(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", b"data: {}\n\n")
    assert seen_in(cut).terminal == ""
