"""Runs turns through `cursor-agent --print`: one child per turn, whose lines go to the turn's stream.

Another runner has to provide what `PrintRunner.source` returns: a `LocalSource` that writes lines as
`addons.core.cursor.lines` describes them. Never does: put a prompt on a command line or into a log, wait for a child
after its result. Invariant: at most `max_concurrent` children exist at once, and at most one of them is starting; the
end of a turn, for any reason, ends its child.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager

from addons.adapters.system.guarded_process import GONE_SECONDS, Child, Command
from addons.adapters.system.tasks import spawn
from addons.core.cursor import error_patterns as errors
from addons.core.cursor.command import turn_command
from addons.core.cursor.lines import TICK, LineSplitter, control_line, event_line
from addons.core.cursor.reader import LOGIN, parse_event
from addons.core.cursor.settings import IDLE_SECONDS, START_SECONDS, TOTAL_SECONDS
from addons.core.errors import Problem
from addons.core.providers.cursor import ChildTurn
from addons.core.turn import LocalSource, Sink

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
"""The interval of empty lines that show a live runner. Must be less than the stall limit."""
ERROR_OUTPUT_BYTES = 64 * 1024
"""The limit on stored output that is not an event."""
STDERR_DRAIN_SECONDS = 1.0


class PrintRunner:
    """Runs the turns. `binary` and `env` are called when a turn starts, `request_refresh` when the login is missing."""

    def __init__(
        self,
        max_children: int,
        binary: Callable[[], str],
        env: Callable[[], Mapping[str, str]],
        request_refresh: Callable[[], None],
    ) -> None:
        self.slots = asyncio.Semaphore(max_children)
        self.starting = asyncio.Lock()
        self.binary = binary
        self.env = env
        self._doubt = request_refresh
        self._children: set[Child] = set()

    def source(self, turn: ChildTurn) -> LocalSource:
        """Return the source that writes one turn."""

        async def write(sink: Sink) -> None:
            async with _ticking(sink):
                problem = await self._run(turn, sink)
            if problem:
                await sink.write(control_line(problem))

        return write

    async def close(self) -> None:
        """End every child, including those whose turn is over."""
        children = list(self._children)
        for child in children:
            child.end()
        if children:
            await asyncio.wait({child.gone for child in children}, timeout=GONE_SECONDS)

    async def _run(self, turn: ChildTurn, sink: Sink) -> Problem | None:
        attempt = Attempt(self, turn, sink)
        problem = await attempt.run()
        if attempt.is_retryable:
            log.info("cursor-agent collided with another one at its start; starting it again")
            attempt = Attempt(self, turn, sink)
            problem = await attempt.run()
        if attempt.is_logged_out:
            self._doubt()
        return problem

    def register(self, child: Child) -> None:
        """Track a child until it is gone; then release its slot."""
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


class ErrorOutput:
    """The last output of a child that is not an event."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._size = 0

    def add(self, line: bytes) -> None:
        """Store a line. Events, which a child may mirror to stderr, hold the conversation and are dropped."""
        if not line.strip() or event_line(line) is not None:
            return
        self._lines.append(line[:ERROR_OUTPUT_BYTES])
        self._size += len(self._lines[-1])
        while self._size > ERROR_OUTPUT_BYTES:
            self._size -= len(self._lines.popleft())

    def __str__(self) -> str:
        return b"\n".join(self._lines).decode("utf-8", "replace")


class Attempt:
    """One child of a turn, from the queue to its result."""

    def __init__(self, runner: PrintRunner, turn: ChildTurn, sink: Sink) -> None:
        self._runner = runner
        self._turn = turn
        self._sink = sink
        self._child: Child
        self._stderr_task: asyncio.Task[None]
        self._lines = LineSplitter()
        self._output = ErrorOutput()
        self._failure_kind: errors.FailureKind | None = None
        self._has_begun = False
        self._has_result = False
        self._is_over = False
        """Whether the result, or another final event, has been read."""

    @property
    def is_retryable(self) -> bool:
        """Whether it failed only because another cursor-agent started at the same moment."""
        return self._failure_kind is errors.FailureKind.RACE and not self._has_begun

    @property
    def is_logged_out(self) -> bool:
        """Whether it failed because there is no login."""
        return self._failure_kind is errors.FailureKind.AUTH

    async def run(self) -> Problem | None:
        """Run the child to its end. Return its problem, unless its own events hold one."""
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
                        self._runner.register(self._child)
                        undo.callback(self._release_child)
                        total.reschedule(asyncio.get_running_loop().time() + limit)
                        problem = await self._until_begun()
                    return problem or await self._until_result()
            except TimeoutError:
                return errors.timeout_problem("it did not finish", limit, TOTAL_SECONDS)

    async def _start(self) -> Problem | None:
        turn, binary = self._turn, self._runner.binary()
        if not binary:
            return errors.start_failure("cursor-agent", "it was found before and is gone now")
        argv = turn_command(binary, turn.model, turn.workspace, turn.settings)
        command = Command(argv, turn.workspace, self._runner.env(), turn.prompt)
        try:
            self._child = await Child.start(command)
        except OSError as error:
            return errors.start_failure(binary, error.strerror or type(error).__name__)
        self._stderr_task = spawn(
            self._read_stderr(self._child.stderr), "read cursor-agent's stderr"
        )
        return None

    def _release_child(self) -> None:
        if self._has_result:
            self._child.end_after(self._turn.settings.exit_seconds)
            return
        log.info("ending a cursor-agent without a result (guard %d)", self._child.pid)
        self._child.end()

    async def _until_begun(self) -> Problem | None:
        limit = self._turn.settings.start_seconds
        try:
            async with asyncio.timeout(limit):
                while not self._has_begun:
                    if not await self._forward(await self._child.read()):
                        return None if self._is_over else await self._exit_problem()
        except TimeoutError:
            if errors.classify(errors.plain_output(str(self._output))) is errors.FailureKind.OTHER:
                return errors.timeout_problem("it did not begin", limit, START_SECONDS)
            return self._failure("cursor-agent did not begin")
        return None

    async def _until_result(self) -> Problem | None:
        limit = self._turn.settings.idle_seconds
        while not self._is_over:
            try:
                async with asyncio.timeout(limit):
                    data = await self._child.read()
            except TimeoutError:
                return errors.timeout_problem("it printed nothing", limit, IDLE_SECONDS)
            if not await self._forward(data) and not self._is_over:
                return await self._exit_problem()
        return None

    async def _forward(self, data: bytes) -> bool:
        """Write the events of a read to the stream. Return whether more may follow."""
        events = []
        for line in self._lines.feed(data) if data else self._lines.finish():
            event = event_line(line)
            if event is None:
                self._output.add(line)
            elif not self._is_over:
                self._note(event)
                events.append(event)
        if events:
            await self._sink.write(b"\n".join(events) + b"\n")
        return bool(data)

    def _note(self, line: bytes) -> None:
        if self._has_begun and b'"result"' not in line:
            return
        event = parse_event(line) or {}
        kind = event.get("type")
        self._has_begun = self._has_begun or isinstance(kind, str)
        if kind == "result":
            self._has_result = self._is_over = True
            self._failure_kind = (
                errors.classify(str(event.get("result"))) if event.get("is_error") else None
            )
        elif kind == "system" and event.get("subtype") == "init":
            self._is_over = event.get("apiKeySource") != LOGIN

    async def _exit_problem(self) -> Problem:
        """Return the problem of a child whose output ended without a result."""
        code = await self._child.exit_code(self._turn.settings.exit_seconds)
        await asyncio.wait({self._stderr_task}, timeout=STDERR_DRAIN_SECONDS)
        if code is None:
            return self._failure("cursor-agent closed its output and gave no result")
        return self._failure(errors.describe_exit(code))

    def _failure(self, happened: str) -> Problem:
        text = str(self._output)
        self._failure_kind = errors.classify(errors.plain_output(text))
        return errors.failure(text, happened)

    async def _read_stderr(self, stderr: asyncio.StreamReader) -> None:
        lines = LineSplitter(ERROR_OUTPUT_BYTES)
        while data := await stderr.read(ERROR_OUTPUT_BYTES):
            for line in lines.feed(data):
                self._output.add(line)
        for line in lines.finish():
            self._output.add(line)
