"""The model servers on this machine that rows use: asked again and again while the shim runs.

The last state is a file of the state folder, so that a command shows what the running shim knows. Never does: ask a server
that no row names, or one on another machine; wake or load a model; let a turn wait. Invariants: without such a row nothing
is asked and no file is written; a server is asked by one thread at a time, and the less often the longer it does not answer.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import orjson

from addons.adapters.system.files import CachedFile, FileAccessError, write_atomic
from addons.adapters.system.paths import Env, state_dir
from addons.adapters.system.threads import in_thread
from addons.core.json_values import as_object
from addons.core.secrets import Origin
from addons.core.settings.local_rows import server_of, servers_of
from addons.core.settings.row import ModelRow
from addons.core.upstream.local.lists import KINDS, Interest
from addons.core.upstream.local.state import (
    NO_FACTS,
    UNKNOWN,
    LocalFacts,
    LocalServer,
    ServerState,
    down_text,
    facts_of,
)

log = logging.getLogger(__name__)

UP_SECONDS = 30.0
"""How often a server that answers is asked."""
DOWN_SECONDS, MAX_DOWN_SECONDS = 2.0, 30.0
"""How often one is asked that does not: at first, and at most after the pause has doubled each time."""
ANSWER_SECONDS = 3.0

States = Mapping[LocalServer, ServerState]


def local_servers_file(env: Env) -> Path:
    """Return the path of the file."""
    return state_dir(env) / "local-servers.json"


@dataclass(slots=True)
class _Schedule:
    """When a server is asked. Monotonic seconds."""

    due: float = 0.0
    pause: float = field(default_factory=lambda: DOWN_SECONDS)


class LocalServers:
    """The states of all servers. `poll` is called by one task; everything else at any time."""

    def __init__(self, env: Env, clock: Callable[[], float] = time.time) -> None:
        self.path = local_servers_file(env)
        """The path of the file, which may not exist."""
        self._clock = clock
        self._schedules: dict[LocalServer, _Schedule] = {}
        self._rows: Sequence[ModelRow] = ()
        self._servers: Mapping[LocalServer, frozenset[str]] = {}
        self._by_slug: Mapping[str, LocalServer] = {}
        self._failed: set[LocalServer] = set()
        """Those whose failure of an unknown kind was logged."""
        self._written: Future[None] | None = None
        self.states = _read(self.path)
        """A new object after each change. A command knows what the file said when it began."""

    def facts(self, row: ModelRow) -> LocalFacts:
        """Return what the server of a row means for it; nothing if it is no server on this machine."""
        server = server_of(row)
        if server is None or server not in self.states:
            return NO_FACTS
        return facts_of(server, self.states[server], row.model, self._clock())

    @property
    def down(self) -> Sequence[tuple[LocalServer, float, str]]:
        """The servers that do not answer, each with the time from which on and a text for the user."""
        now = self._clock()
        return [
            (server, state.down_since, down_text(server, state.down_since, now))
            for server, state in self.states.items()
            if state.down_since is not None
        ]

    async def poll(self, rows: Sequence[ModelRow]) -> bool:
        """Ask the servers of these rows that are due. Return whether there are any."""
        if rows is not self._rows:
            self._note_rows(rows)
        servers = self._servers
        if not servers and not self.states:
            return False
        import asyncio  # noqa: PLC0415  50 ms, and `codex-shim list` only reads the file

        now = time.monotonic()
        due = [server for server, schedule in self._schedules.items() if schedule.due <= now]
        known = [self.states.get(server, UNKNOWN) for server in due]
        found = await asyncio.gather(
            *(
                self._asked(server, state, servers[server])
                for server, state in zip(due, known, strict=True)
            )
        )
        kept = {server: state for server, state in self.states.items() if server in servers}
        await self._use({**kept, **dict(zip(due, found, strict=True))})
        return bool(servers)

    def _note_rows(self, rows: Sequence[ModelRow]) -> None:
        self._rows, self._servers = rows, servers_of(rows)
        named = ((row.slug, server_of(row)) for row in rows)
        self._by_slug = {
            slug: server for slug, server in named if server and server in self._servers
        }
        self._schedules = {one: self._schedules.get(one) or _Schedule() for one in self._servers}

    def turn_ended(self, slug: str) -> None:
        """Ask the server of a row soon: a turn may have loaded its model, or found that it does not answer."""
        if server := self._by_slug.get(slug):
            self._schedules[server].due = 0.0

    async def stop(self) -> None:
        """Leave no word about servers that do not answer: nobody asks them any more."""
        if self._schedules:
            await self._use(
                {one: replace(state, down_since=None) for one, state in self.states.items()}
            )

    async def _asked(
        self, server: LocalServer, state: ServerState, names: frozenset[str]
    ) -> ServerState:
        import asyncio  # noqa: PLC0415  see `poll`

        from addons.adapters.local.client import (  # noqa: PLC0415
            NoListError,
            UnreachableError,
            ask_models,
        )

        interest = Interest(names, state.models)
        ask = partial(ask_models, server.kind, server.origin, ANSWER_SECONDS, interest)
        try:
            state = state.listed(await asyncio.wrap_future(in_thread(ask, "local models")))
        except UnreachableError as error:
            state = state.down(self._clock()) if error.is_down else state.unlisted()
        except NoListError:
            state = state.unlisted()
        except Exception as error:  # noqa: BLE001  error boundary: the other servers are asked all the same
            state = state.unlisted()
            if server not in self._failed:
                self._failed.add(server)
                log.warning(
                    "What the server at %s sends cannot be used (%s). Its rows stay as models.json has them.",
                    server.origin,
                    type(error).__name__,
                )
        self._schedule(server, is_down=state.down_since is not None)
        return state

    def _schedule(self, server: LocalServer, *, is_down: bool) -> None:
        schedule = self._schedules[server]
        pause = schedule.pause if is_down else UP_SECONDS
        schedule.pause = min(schedule.pause * 2, MAX_DOWN_SECONDS) if is_down else DOWN_SECONDS
        schedule.due = time.monotonic() + pause

    async def _use(self, states: States) -> None:
        if states == self.states:
            return
        import asyncio  # noqa: PLC0415  see `poll`

        self.states = states
        data = orjson.dumps([_plain(server, state) for server, state in states.items()])
        write = partial(self._write, data, self._written)
        self._written = in_thread(write, "local servers")
        await asyncio.wrap_future(self._written)

    def _write(self, data: bytes, before: Future[None] | None) -> None:
        """Write after the last writing has ended: that of a cancelled poll goes on."""
        if before:
            before.result()
        with contextlib.suppress(FileAccessError, OSError):
            # memory has it; the next change tries again
            write_atomic(self.path, data)


def _read(path: Path) -> States:
    try:
        return parse_states(CachedFile(path).read())
    except FileAccessError:
        return {}


def _plain(server: LocalServer, state: ServerState) -> dict[str, object]:
    return {"kind": server.kind, "origin": str(server.origin), **state.plain()}


def parse_states(data: bytes | None) -> States:
    """Return the states of a file. What cannot be read is left out: a file may come from another version."""
    try:
        rows = orjson.loads(data) if data else []
    except orjson.JSONDecodeError:
        return {}
    found = {}
    for row in rows if isinstance(rows, list) else []:
        fields = as_object(row)
        with contextlib.suppress(TypeError, ValueError):
            server = LocalServer(str(fields.get("kind")), Origin.of(str(fields.get("origin"))))
            if server.kind in KINDS:
                found[server] = ServerState.of_plain(fields)
    return found
