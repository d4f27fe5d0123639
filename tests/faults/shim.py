"""A running shim with one route and one upstream with scripted faults, and the invariants after every fault.

Invariant: after `leaves_nothing` the process has no task, socket, file descriptor, temporary file or child process more
than before.
"""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from addons.adapters.demo import PAUSE_SECONDS, paced
from addons.core.masking import mask
from addons.core.providers import row_attempts
from addons.core.routes import RouteRetries, TurnRetries
from addons.proxy.master import ListenOptions, ShimMaster
from tests.boundary.cursor_shim import body_of
from tests.conformance import check
from tests.fakes.account import Account
from tests.fakes.cursor import FakeCursor
from tests.faults.healthy import TEXT
from tests.faults.oracle import Seen, events_of, seen_in, terminals
from tests.faults.routes import KEY, Family, RouteKind
from tests.support.client import Client, Response, client
from tests.support.upstream import Exchange, Script, Upstream, upstream
from tests.support.waiting import settle, until

BOUND_SECONDS = 20.0
"""The limit for every turn. All timers in these tests are below a second."""
LIMITS: Mapping[str, float] = {
    "head_seconds": 0.4,
    "body_seconds": 3.0,
    "connect_seconds": 5.0,
    "heartbeat_seconds": 0.15,
    "stall_seconds": 15.0,
    "linger_seconds": 0.2,
    "drain_seconds": 0.05,
}
CODEX, SDK = b"originator: codex_exec", b"user-agent: openai-python"
CLIENTS: Mapping[str, bytes] = {"codex": CODEX, "sdk": SDK}
HEARTBEAT = b'event: response.heartbeat\ndata: {"type":"response.heartbeat"}\n\n'
PAUSE_DIVISOR = 20
"""Pauses between attempts and between chunks of the demo are divided by this."""


@dataclass
class Work:
    """Counts the requests that the upstream is working on."""

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
class RunningShim:
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
        """The fake agent of a Cursor route."""
        return FakeCursor(self.folder / "fake")

    def hold(self) -> None:
        """Let the next answers begin and then wait until the connection ends."""
        self.play(_holds(self.route))
        if self.route.agent:
            self.fake.play("hang_in_the_middle")

    @property
    def body(self) -> bytes:
        if self.route.agent:
            return body_of("hi", str(self.folder))
        items = [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        ]
        return json.dumps({"model": self.route.slug, "stream": True, "input": items}).encode()

    def play(self, *scripts: Script) -> None:
        """Set the scripts of the upstream, one for each request. The last one repeats."""
        self.up.scripts[:] = [self.work.counted(script) for script in scripts]
        if self.route.agent:
            self.fake.play("answer")
        self.up.requests.clear()

    def forget_upstream(self) -> None:
        """Use no connection of earlier turns, and trust the upstream, as a shim that has just started does."""
        pool = self.master.shim.engine.pool
        pool.drop_origin(("127.0.0.1", self.up.port))
        pool._distrusted.clear()

    def model_requests(self) -> int:
        """Return the number of turn requests. The list of the account's models is requested in the background."""
        return sum(b"POST" in request.line for request in self.up.requests)

    async def ask(self, who: bytes) -> Response:
        """Send one turn on a new connection. Fail after `BOUND_SECONDS`."""
        async with asyncio.timeout(BOUND_SECONDS), client(self.port) as c:
            await self.post(c, who)
            return await c.response()

    async def post(self, c: Client, who: bytes) -> None:
        await c.post("/v1/responses", self.body, who)

    async def check_next_turns(self) -> None:
        """Assert that the next turns on new connections get whole answers."""
        await until(lambda: self.work.running == 0)
        for who in CLIENTS.values():
            self.play(complete_answer(self.route))
            response = await self.ask(who)
            self.check_whole(response)

    def check_whole(self, response: Response) -> None:
        """Assert that the response is a complete stream with the whole answer."""
        seen = seen_in(response)
        assert response.complete
        assert (seen.status, seen.terminal) == (200, "response.completed"), seen
        if self.route.family is not Family.LOCAL:
            assert seen.text == TEXT
        self.check_one_answer(response)

    def check_one_answer(self, response: Response, terminal_events: int = 1) -> None:
        """Assert that there is exactly one terminal event or HTTP error, and that events of the shim follow the API.

        A native route passes every terminal event of the upstream. Clients stop at the first.
        """
        kind = response.header(b"content-type") or b""
        assert response.complete
        if not (kind.startswith(b"text/event-stream") and response.status == 200):
            return
        own = response.body.replace(HEARTBEAT, b"")
        if self.route.verbatim:
            assert terminals(own) == terminal_events, own[-500:]
        elif len(events_of(own)) > 1:
            check(own)

    def check_incomplete(self, seen: Seen, *, incomplete: bool) -> None:
        """Assert that an incomplete answer is not reported as a whole one."""
        if incomplete:
            assert seen.terminal != "response.completed", seen


def _holds(route: RouteKind) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(route.healthy.begin)
        await exchange.closed()

    return script


def complete_answer(route: RouteKind) -> Script:
    """Return the script of a healthy answer."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(route.healthy.begin)
        await exchange.chunk(route.healthy.middle + route.healthy.end + route.healthy.tail)
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
    """Return the content of models.json."""
    rows = []
    if route.row:
        rows = [{"slug": route.slug, "base_url": f"{base}/v1", "api_key": KEY, **route.row}]
    return json.dumps({"limits": {**LIMITS, **limits}, "models": rows})


@asynccontextmanager
async def running_shim(
    route: RouteKind,
    folder: Path,
    *,
    base: str = "",
    limits: Mapping[str, float] | None = None,
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[RunningShim]:
    """Run a shim with this route. `base` is the URL of another upstream than the shim's own."""
    async with AsyncExitStack() as stack:
        up = await stack.enter_async_context(upstream(complete_answer(route)))
        _refuse_lists(up)
        address = base or f"http://127.0.0.1:{up.port}"
        environment = {**_environment(folder, route, address), **(env or {})}
        (folder / "tmp").mkdir(exist_ok=True)
        (folder / "models.json").write_text(settings_text(route, address, limits or {}))
        (folder / "models.json").chmod(0o600)
        master = await stack.enter_async_context(_running(folder, environment))
        shim = RunningShim(route, master, up, folder)
        shim.play(complete_answer(route))
        if route.agent:
            await until(lambda: master.shim.sources.cursor.reason == "")
        yield shim


async def _no_list(exchange: Exchange) -> None:
    await exchange.whole(b"", status=b"404 Not Found")


def _refuse_lists(up: Upstream) -> None:
    """Answer the background request for the account's models with 404, so that the built-in list stays."""
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


# Leftovers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Footprint:
    """The tasks and file descriptors of this process."""

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
    """Return the temporary files of the shim."""
    state, temporary = folder / "state", folder / "tmp"
    return sorted(
        str(path.relative_to(folder))
        for root in (state, temporary)
        for path in (root.rglob("*") if root.is_dir() else ())
        if path.is_file() and (root is temporary or path.suffix in {".tmp", ".new"})
    )


def children() -> list[int]:
    """Return the child processes of this process, zombies included."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError):  # a thread that has ended meanwhile
            found += [int(pid) for pid in task.read_text().split()]
    return found


@asynccontextmanager
async def leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Assert that this process holds nothing more afterwards than before, and that routes count no turn any more."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    pauses = {
        key: tuple(pause / PAUSE_DIVISOR for pause in row)
        for key, row in row_attempts.PAUSES.items()
    }
    faults = {
        key: tuple(pause / PAUSE_DIVISOR for pause in row)
        for key, row in row_attempts.FAULT_PAUSES.items()
    }
    monkeypatch.setattr(row_attempts, "PAUSES", pauses)
    monkeypatch.setattr(row_attempts, "FAULT_PAUSES", faults)
    monkeypatch.setattr(paced, "__defaults__", (PAUSE_SECONDS / PAUSE_DIVISOR,))
    # Each shim has a local token of its own, and a mask is a set of many thousand pieces that a collection visits.
    monkeypatch.setattr(mask, "MAX_MASKS", 1)
    monkeypatch.setattr(mask, "MAX_SECRETS", 4)
    counted: list[RouteRetries] = []

    class Counted(TurnRetries):
        def __init__(self, route: RouteRetries) -> None:
            counted.append(route)
            super().__init__(route)

    monkeypatch.setattr(row_attempts, "TurnRetries", Counted)
    before, children_before = Footprint.now(), children()
    yield
    if not before.covers(Footprint.now()):
        gc.collect()  # a reference cycle may hold a socket; a collection after each test would take longer than the test
    await until(lambda: before.covers(Footprint.now()))
    assert {(one.running, one.retrying) for one in counted} <= {(0, 0)}, "a turn counts for ever"
    assert leftovers(folder) == []
    assert children() == children_before
