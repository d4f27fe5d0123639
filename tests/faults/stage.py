"""The product's own Master and addon on a socket, one route, one upstream that can be told to fail, and what must hold.

Invariant: whoever leaves the stage has shown that nothing of the shim is left: no task, socket, file descriptor,
temporary file or child process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from addons.core.providers import tries
from addons.origins.demo import PAUSE_SECONDS, paced
from addons.proxy.master import ListenOptions, ShimMaster
from tests.conformance import check
from tests.fakes.account import Account
from tests.fakes.cursor import FakeCursor
from tests.faults.oracle import Seen, events_of, seen_in, terminals
from tests.faults.routes import KEY, Family, RouteKind
from tests.faults.speech import TEXT
from tests.proxy.cursor_shim import body_of
from tests.support.client import Client, Response, client
from tests.support.upstream import Exchange, Script, Upstream, upstream
from tests.support.waiting import settle, until

BOUND_SECONDS = 20.0
"""No turn of the matrix may take longer, whatever happens: all its timers are below a second."""
LIMITS: Mapping[str, float] = {
    "head_seconds": 0.4,
    "connect_seconds": 5.0,
    "heartbeat_seconds": 0.15,
    "stall_seconds": 15.0,
    "linger_seconds": 0.2,
    "drain_seconds": 0.2,
}
CODEX, SDK = b"originator: codex_exec", b"user-agent: openai-python"
CLIENTS: Mapping[str, bytes] = {"codex": CODEX, "sdk": SDK}
HEARTBEAT = b'event: response.heartbeat\ndata: {"type":"response.heartbeat"}\n\n'
QUICKER = 10
"""By how much the pauses between an attempt and the next one are shortened."""


@dataclass
class Work:
    """Counts the requests that the upstream is busy with."""

    running: int = 0
    begun: int = 0

    def counted(self, script: Script) -> Script:
        async def counting(exchange: Exchange) -> None:
            self.running += 1
            self.begun += 1
            try:
                await script(exchange)
            finally:
                self.running -= 1

        return counting


@dataclass
class Stage:
    """A running shim with one route."""

    route: RouteKind
    master: ShimMaster
    up: Upstream
    folder: Path
    work: Work = field(default_factory=Work)

    @property
    def port(self) -> int:
        return int(self.master.address.rpartition(":")[2])

    @property
    def settings(self) -> Path:
        return self.folder / "models.json"

    @property
    def auth(self) -> Path:
        return self.folder / ".codex" / "auth.json"

    @property
    def fake(self) -> FakeCursor:
        """The agent of a route that has one."""
        return FakeCursor(self.folder / "fake")

    def hold(self) -> None:
        """The next answers begin, and then wait until the other side leaves."""
        self.play(_holds(self.route))
        if self.route.agent:
            self.fake.play("hang_in_the_middle")

    @property
    def body(self) -> bytes:
        if self.route.agent:
            return body_of("hi", str(self.folder))
        asked = [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        ]
        return json.dumps({"model": self.route.slug, "stream": True, "input": asked}).encode()

    def play(self, *scripts: Script) -> None:
        """What the upstream does from now on, one script a request; the last one repeats."""
        self.up.scripts[:] = [self.work.counted(script) for script in scripts]
        if self.route.agent:
            self.fake.play("answer")
        self.up.requests.clear()

    def model_requests(self) -> int:
        """Requests of turns: the account's list of models is asked for in the background."""
        return sum(b"POST" in request.line for request in self.up.requests)

    async def ask(self, who: bytes) -> Response:
        """One turn on a connection of its own, within the bound."""
        async with asyncio.timeout(BOUND_SECONDS), client(self.port) as c:
            await self.post(c, who)
            return await c.response()

    async def post(self, c: Client, who: bytes) -> None:
        await c.post("/v1/responses", self.body, who)

    async def works(self) -> None:
        """The invariant after every fault: the next turns on new connections are answered whole."""
        await until(lambda: self.work.running == 0)
        for who in CLIENTS.values():
            self.play(whole(self.route))
            response = await self.ask(who)
            self.is_whole(response)

    def is_whole(self, response: Response) -> None:
        """A whole answer in a whole stream, and nothing but that."""
        seen = seen_in(response)
        assert response.complete
        assert (seen.status, seen.terminal) == (200, "response.completed"), seen
        if self.route.family is not Family.LOCAL:
            assert seen.text == TEXT
        self.is_one_answer(response)

    def is_one_answer(self, response: Response, echoes: int = 1) -> None:
        """Exactly one terminal event, or one HTTP error; what we write ourselves keeps every rule of the API.

        Where no byte is changed, an upstream's own `echoes` of the end pass: clients stop at the first.
        """
        kind = response.header(b"content-type") or b""
        assert response.complete
        if not (kind.startswith(b"text/event-stream") and response.status == 200):
            return
        own = response.body.replace(HEARTBEAT, b"")
        if self.route.verbatim:
            assert terminals(own) == echoes, own[-500:]
        elif len(events_of(own)) > 1:
            check(own)

    def never_more_than_said(self, seen: Seen, *, short: bool) -> None:
        """A short answer is never told as a whole one."""
        if short:
            assert seen.terminal != "response.completed", seen


def _holds(route: RouteKind) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(route.speech.begin)
        await exchange.closed()

    return script


def whole(route: RouteKind) -> Script:
    """A healthy answer."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(route.speech.begin)
        await exchange.chunk(route.speech.middle + route.speech.end + route.speech.tail)
        await exchange.end()

    return script


def _environment(folder: Path, route: RouteKind, base: str) -> dict[str, str]:
    env = {
        "HOME": str(folder),
        "PATH": "",
        "TMPDIR": str(folder / "tmp"),
        "CODEX_SHIM_STATE_DIR": str(folder / "state"),
        "CODEX_SHIM_PORT": "1",
    }
    if route.agent:
        fake = FakeCursor(folder / "fake")
        fake.install()
        env |= {**fake.env, "PATH": fake.path, "CODEX_SHIM_CURSOR_STATUS_SECONDS": "0.2"}
    if route.family is Family.ACCOUNT:
        (folder / ".codex").mkdir()
        Account().write(folder / ".codex")
        env["CODEX_SHIM_CHATGPT_BASE_URL"] = f"{base}/codex"
    return env


def settings_text(route: RouteKind, base: str, limits: Mapping[str, float]) -> str:
    """The user's models.json."""
    rows = []
    if route.row:
        rows = [{"slug": route.slug, "base_url": f"{base}/v1", "api_key": KEY, **route.row}]
    return json.dumps({"limits": {**LIMITS, **limits}, "models": rows})


@asynccontextmanager
async def stage(
    route: RouteKind,
    folder: Path,
    *,
    base: str = "",
    limits: Mapping[str, float] | None = None,
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """Run the shim. `base` is where the upstream is, when that is not the stage's own."""
    async with AsyncExitStack() as stack:
        up = await stack.enter_async_context(upstream(whole(route)))
        _refuse_lists(up)
        address = base or f"http://127.0.0.1:{up.port}"
        environment = {**_environment(folder, route, address), **(env or {})}
        (folder / "tmp").mkdir(exist_ok=True)
        (folder / "models.json").write_text(settings_text(route, address, limits or {}))
        (folder / "models.json").chmod(0o600)
        master = await stack.enter_async_context(_running(folder, environment))
        one = Stage(route, master, up, folder)
        one.play(whole(route))
        if route.agent:
            await until(lambda: master.shim.sources.cursor.reason == "")
        yield one


async def _no_list(exchange: Exchange) -> None:
    await exchange.whole(b"", status=b"404 Not Found")


def _refuse_lists(up: Upstream) -> None:
    """The account's list of models is asked for in the background: it is refused, so the built-in one stays."""
    for_turns = up.next_script

    def next_script() -> Script:
        return _no_list if up.requests[-1].line.startswith(b"GET") else for_turns()

    up.next_script = next_script  # type: ignore[method-assign]


@asynccontextmanager
async def _running(folder: Path, env: Mapping[str, str]) -> AsyncIterator[ShimMaster]:
    ready = asyncio.Event()
    listen = ListenOptions("127.0.0.1", 0, folder / "models.json")
    master = ShimMaster(listen, lambda _: ready.set(), env)
    task = asyncio.create_task(master.run())  # noqa: TID251, RUF100  awaited below
    await ready.wait()
    try:
        yield master
    finally:
        master.shutdown()  # type: ignore[no-untyped-call]
        await task
        await settle()


# Nothing is left ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Footprint:
    """What this process holds."""

    tasks: int
    descriptors: int

    @classmethod
    def now(cls) -> Footprint:
        folder = Path("/proc/self/fd")
        descriptors = len(list(folder.iterdir())) if folder.is_dir() else 0
        return cls(len(asyncio.all_tasks()), descriptors)

    def covers(self, now: Footprint) -> bool:
        return now.tasks <= self.tasks and now.descriptors <= self.descriptors


def leftovers(folder: Path) -> list[str]:
    """Temporary files of ours, wherever they may be."""
    state, temporary = folder / "state", folder / "tmp"
    return sorted(
        str(path.relative_to(folder))
        for root in (state, temporary)
        for path in (root.rglob("*") if root.is_dir() else ())
        if path.is_file() and (root is temporary or path.suffix in {".tmp", ".new"})
    )


def children() -> list[int]:
    """Child processes of this process, zombies included."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        found += [int(pid) for pid in task.read_text().split()]
    return found


@asynccontextmanager
async def leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Around a stage: afterwards this process holds what it held before."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    quicker = {key: tuple(one / QUICKER for one in row) for key, row in tries.PAUSES.items()}
    faults = {key: tuple(one / QUICKER for one in row) for key, row in tries.FAULT_PAUSES.items()}
    monkeypatch.setattr(tries, "PAUSES", quicker)
    monkeypatch.setattr(tries, "FAULT_PAUSES", faults)
    monkeypatch.setattr(paced, "__defaults__", (PAUSE_SECONDS / 5,))
    before, born = Footprint.now(), children()
    yield
    gc.collect()
    await until(lambda: before.covers(Footprint.now()))
    assert leftovers(folder) == []
    assert children() == born
