"""Turns through `cursor-agent --print`: one child a turn, its lines to the turn's stream.

Another way to run a turn has to give what `PrintRunner.origin` gives: a `SyntheticOrigin` that writes lines as
`addons.core.cursor.lines` describes them. Never does: put a prompt on a command line or into a log, wait for a child
once its result is here. Invariant: at most `max_concurrent` children at once, of which one is starting; a turn that
ends, however it ends, ends its child.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager

from addons.core.cursor import words
from addons.core.cursor.command import turn_command
from addons.core.cursor.lines import TICK, LineSplitter, control_line, event_line
from addons.core.cursor.reader import LOGIN, parse_event
from addons.core.cursor.settings import IDLE_SECONDS, START_SECONDS, TOTAL_SECONDS
from addons.core.errors import Problem
from addons.core.providers.cursor import ChildTurn
from addons.core.turn import Sink, SyntheticOrigin
from addons.origins.guarded import GONE_SECONDS, Child, Command
from addons.origins.tasks import spawn

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
"""How often the stream is told that the origin lives. Must be less than the stall limit."""
WORDS_BYTES = 64 * 1024
"""How much is kept of what a child says beside its events."""
LAST_WORDS_SECONDS = 1.0


class PrintRunner:
    """Runs them. `binary` and `env` are asked for when a turn starts; `doubt` is told of a turn that was logged out."""

    def __init__(
        self,
        most: int,
        binary: Callable[[], str],
        env: Callable[[], Mapping[str, str]],
        doubt: Callable[[], None],
    ) -> None:
        self.slots = asyncio.Semaphore(most)
        self.starting = asyncio.Lock()
        self.binary = binary
        self.env = env
        self._doubt = doubt
        self._children: set[Child] = set()

    def origin(self, turn: ChildTurn) -> SyntheticOrigin:
        """Make what writes one turn."""

        async def write(sink: Sink) -> None:
            async with _ticking(sink):
                problem = await self._run(turn, sink)
            if problem:
                await sink.write(control_line(problem))

        return write

    async def close(self) -> None:
        """End every child, those too whose turn is over."""
        children = list(self._children)
        for child in children:
            child.end()
        if children:
            await asyncio.wait({child.gone for child in children}, timeout=GONE_SECONDS)

    async def _run(self, turn: ChildTurn, sink: Sink) -> Problem | None:
        attempt = Attempt(self, turn, sink)
        problem = await attempt.run()
        if attempt.may_be_repeated:
            log.info("cursor-agent met another one at its start; started once more")
            attempt = Attempt(self, turn, sink)
            problem = await attempt.run()
        if attempt.is_logged_out:
            self._doubt()
        return problem

    def adopt(self, child: Child) -> None:
        """Take a child into the books until nothing of it is left; its slot is free then."""
        self._children.add(child)
        child.when_gone(lambda: self._children.discard(child))
        child.when_gone(self.slots.release)


@asynccontextmanager
async def _ticking(sink: Sink) -> AsyncIterator[None]:
    async def tick() -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await sink.write(TICK)

    ticks = spawn(tick(), "cursor ticks")
    try:
        yield
    finally:
        ticks.cancel()


class Words:
    """What a child says that is no event: the last of it."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._size = 0

    def take(self, line: bytes) -> None:
        """Keep a line. Events, which a child may mirror to stderr, are the conversation and are not kept."""
        if not line.strip() or event_line(line) is not None:
            return
        self._lines.append(line[:WORDS_BYTES])
        self._size += len(self._lines[-1])
        while self._size > WORDS_BYTES:
            self._size -= len(self._lines.popleft())

    def __str__(self) -> str:
        return b"\n".join(self._lines).decode("utf-8", "replace")


class Attempt:
    """One child of a turn, from its place in the queue to its result."""

    def __init__(self, runner: PrintRunner, turn: ChildTurn, sink: Sink) -> None:
        self._runner = runner
        self._turn = turn
        self._sink = sink
        self._child: Child
        self._errors: asyncio.Task[None]
        self._lines = LineSplitter()
        self._words = Words()
        self._failed_as: words.Kind | None = None
        self._begun = False
        self._has_result = False
        self._over = False
        """The result is here, or an event after which nothing may follow."""

    @property
    def may_be_repeated(self) -> bool:
        """Whether it failed by nothing but the moment at which it began."""
        return self._failed_as is words.Kind.RACE and not self._begun

    @property
    def is_logged_out(self) -> bool:
        """Whether it failed for want of a login."""
        return self._failed_as is words.Kind.AUTH

    async def run(self) -> Problem | None:
        """Run it to its end. Gives what it failed with, unless its own events tell."""
        limit = self._turn.settings.total_seconds
        with ExitStack() as undo:
            await self._runner.slots.acquire()
            undo.callback(self._runner.slots.release)
            try:
                async with asyncio.timeout(None) as total:
                    async with self._runner.starting:
                        if problem := await self._start():
                            return problem
                        undo.pop_all()
                        self._runner.adopt(self._child)
                        undo.callback(self._leave)
                        total.reschedule(asyncio.get_running_loop().time() + limit)
                        problem = await self._until_begun()
                    return problem or await self._until_over()
            except TimeoutError:
                return words.late("it was not done", limit, TOTAL_SECONDS)

    async def _start(self) -> Problem | None:
        turn, binary = self._turn, self._runner.binary()
        if not binary:
            return words.no_start("cursor-agent", "it was there a moment ago and is gone")
        argv = turn_command(binary, turn.model, turn.workspace, turn.settings)
        command = Command(argv, turn.workspace, self._runner.env(), turn.prompt)
        try:
            self._child = await Child.start(command)
        except OSError as error:
            return words.no_start(binary, error.strerror or type(error).__name__)
        self._errors = spawn(
            self._hear_errors(self._child.stderr), "what cursor-agent complains of"
        )
        return None

    def _leave(self) -> None:
        if self._has_result:
            self._child.end_after(self._turn.settings.exit_seconds)
            return
        log.info("cursor-agent is ended without a result (guard %d)", self._child.pid)
        self._child.end()

    async def _until_begun(self) -> Problem | None:
        limit = self._turn.settings.start_seconds
        try:
            async with asyncio.timeout(limit):
                while not self._begun:
                    if not await self._pass_on(await self._child.read()):
                        return None if self._over else await self._why()
        except TimeoutError:
            if words.kind_of(words.said(str(self._words))) is words.Kind.OTHER:
                return words.late("it did not begin", limit, START_SECONDS)
            return self._failure("cursor-agent did not begin")
        return None

    async def _until_over(self) -> Problem | None:
        limit = self._turn.settings.idle_seconds
        while not self._over:
            try:
                async with asyncio.timeout(limit):
                    data = await self._child.read()
            except TimeoutError:
                return words.late("it said nothing", limit, IDLE_SECONDS)
            if not await self._pass_on(data) and not self._over:
                return await self._why()
        return None

    async def _pass_on(self, data: bytes) -> bool:
        """Give the stream the events of a read. False when it was the last one."""
        events = []
        for line in self._lines.feed(data) if data else self._lines.finish():
            event = event_line(line)
            if event is None:
                self._words.take(line)
            elif not self._over:
                self._note(event)
                events.append(event)
        if events:
            await self._sink.write(b"\n".join(events) + b"\n")
        return bool(data)

    def _note(self, line: bytes) -> None:
        if self._begun and b'"result"' not in line:
            return
        event = parse_event(line) or {}
        kind = event.get("type")
        self._begun = self._begun or isinstance(kind, str)
        if kind == "result":
            self._has_result = self._over = True
            self._failed_as = (
                words.kind_of(str(event.get("result"))) if event.get("is_error") else None
            )
        elif kind == "system" and event.get("subtype") == "init":
            self._over = event.get("apiKeySource") != LOGIN

    async def _why(self) -> Problem:
        """Why it says no more, although it has given no result."""
        code = await self._child.exit_code(self._turn.settings.exit_seconds)
        await asyncio.wait({self._errors}, timeout=LAST_WORDS_SECONDS)
        if code is None:
            return self._failure("cursor-agent closed its output and gave no result")
        return self._failure(words.ended(code))

    def _failure(self, happened: str) -> Problem:
        text = str(self._words)
        self._failed_as = words.kind_of(words.said(text))
        return words.failure(text, happened)

    async def _hear_errors(self, stderr: asyncio.StreamReader) -> None:
        lines = LineSplitter(WORDS_BYTES)
        while data := await stderr.read(WORDS_BYTES):
            for line in lines.feed(data):
                self._words.take(line)
        for line in lines.finish():
            self._words.take(line)
