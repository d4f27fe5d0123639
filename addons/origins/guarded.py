"""A child process that cannot outlive us: started behind a guard, fed, listened to, ended.

The guard (`guard.py`) holds one end of a socket, we the other. Ending a child is to close our end, which takes no wait
and is done for us when we die. Never does: put what a child reads on a command line, wait for a stream that a
grandchild keeps open. Invariant: after `end`, or our own death, nothing of the child is left within four seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from addons.origins.tasks import spawn
from addons.origins.umask import users_umask

GUARD = Path(__file__).with_name("guard.py")
READ_BYTES = 256 * 1024
REST_SECONDS = 0.5
"""What is left in the pipes when a child has ended comes within this."""
GONE_SECONDS = 4.0
"""More than a guard takes for the most stubborn program."""
GUARD_SECONDS = 6.0
"""A guard that takes longer than its own limits is killed, and on Linux its program dies with it."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run. `argv[0]` is an absolute path; `stdin` is given, then its stdin is closed."""

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    stdin: bytes = b""


class Child:
    """One running child. `start` makes it."""

    def __init__(self, guard: subprocess.Popen[bytes], lifeline: socket.socket) -> None:
        self._guard = guard
        self._lifeline = lifeline
        self._transports: list[asyncio.BaseTransport] = []
        self._reading: asyncio.Task[bytes] | None = None
        self._ends: list[asyncio.TimerHandle] = []
        self._group: int | None = None
        self._ordered = False
        self._is_heard = True
        """Somebody may want what is still in the pipes."""
        self._stdout: asyncio.StreamReader
        self._control: asyncio.StreamWriter
        self.stderr: asyncio.StreamReader
        self.ended: asyncio.Task[int | None]
        """Done when the program has ended: its exit code, or None when we have ended it."""
        self.gone: asyncio.Task[None]
        """Done when nothing of it is left."""

    @classmethod
    async def start(cls, command: Command) -> Self:
        """Start it. Raises OSError. When this is cancelled nothing is left of it either."""
        child = cls(*_start_guard(command))
        opening = spawn(child._open(command.stdin), "open a child's pipes")
        try:
            await asyncio.shield(opening)
        except OSError:
            child._abandon()
            raise
        except asyncio.CancelledError:
            await asyncio.wait({opening})
            if opening.exception():
                child._abandon()
            else:
                await child.end_and_wait()
            raise
        return child

    @property
    def pid(self) -> int:
        """The guard's process id, for the log."""
        return self._guard.pid

    async def read(self) -> bytes:
        """What it says next on stdout; empty when it has closed that, or has ended and the rest was read."""
        reading = self._reading = self._reading or spawn(
            self._stdout.read(READ_BYTES), "read a child"
        )
        await asyncio.wait({reading, self.ended}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            await asyncio.wait({reading}, timeout=REST_SECONDS)
        if not reading.done():
            return b""
        self._reading = None
        return reading.result()

    async def exit_code(self, seconds: float) -> int | None:
        """Its exit code; None when it has not ended by then, or not by itself."""
        await asyncio.wait({self.ended}, timeout=seconds)
        return self.ended.result() if self.ended.done() else None

    def end(self) -> None:
        """End it with everything that it has started; nobody reads on. Takes no wait; may be called twice."""
        self._stop_hearing()
        if not self._ordered and not self.gone.done():
            self._ordered = True
            self._control.write_eof()
            self._later(GUARD_SECONDS, self._guard.kill)

    async def end_and_wait(self) -> None:
        """End it, and wait until nothing of it is left."""
        self.end()
        await asyncio.wait({self.gone}, timeout=GONE_SECONDS)

    def end_after(self, seconds: float) -> None:
        """Give it this time to end by itself; nobody reads on."""
        self._stop_hearing()
        self._later(seconds, self.end)

    def when_gone(self, call: Callable[[], object]) -> None:
        """Call this once nothing of it is left."""
        self.gone.add_done_callback(lambda _: call())

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        if not self.gone.done():
            self._ends.append(asyncio.get_running_loop().call_later(seconds, call))

    def _abandon(self) -> None:
        self._close()
        self._lifeline.close()
        self._guard.kill()
        self._guard.wait()

    async def _open(self, stdin: bytes) -> None:
        told, self._control = await asyncio.open_connection(sock=self._lifeline)
        self._transports.append(self._control.transport)
        self._stdout = await self._reader_of(self._guard.stdout)
        self.stderr = await self._reader_of(self._guard.stderr)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._guard.stdin)
        self._transports.append(transport)
        # The loop writes on while we listen. A child that reads no more gets no more, and is no error.
        transport.write(stdin)
        transport.close()
        self.ended = spawn(self._hear_guard(told), "a child's exit code")
        self.gone = spawn(self._see_it_go(told), "a child's end")

    async def _reader_of(self, pipe: object) -> asyncio.StreamReader:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        self._transports.append(transport)
        return reader

    async def _hear_guard(self, told: asyncio.StreamReader) -> int | None:
        self._group = await _number(told)
        return await _number(told)

    async def _see_it_go(self, told: asyncio.StreamReader) -> None:
        await asyncio.wait({self.ended})
        with contextlib.suppress(ConnectionError):
            await told.read()
        if await asyncio.to_thread(self._guard.wait) < 0 and self._group:
            # it was killed before it could do its work
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)
        for handle in self._ends:
            handle.cancel()
        if not self._is_heard:
            self._close()

    def _stop_hearing(self) -> None:
        self._is_heard = False
        if self.gone.done():
            self._close()

    def _close(self) -> None:
        if self._reading:
            self._reading.cancel()
        for transport in self._transports:
            transport.close()


def _start_guard(command: Command) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as undo, theirs:
        undo.callback(ours.close)
        lifeline = theirs.fileno()
        guard = [sys.executable, "-I", "-S", str(GUARD), str(lifeline), f"{users_umask():o}"]
        process = subprocess.Popen(  # noqa: S603  the user's own binary, and no shell
            [*guard, *command.argv],
            cwd=command.cwd,
            env=dict(command.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(lifeline,),
            start_new_session=True,
        )
        undo.pop_all()
    return process, ours


async def _number(told: asyncio.StreamReader) -> int | None:
    try:
        line = await told.readline()
    except ConnectionError:
        return None
    return int(line) if line.strip() else None


async def output_of(command: Command) -> bytes:
    """Run a command to its end and give what it said on stdout. Raises OSError; when cancelled it is ended."""
    child = await Child.start(command)
    try:
        said = b""
        while data := await child.read():
            said = (said + data)[:READ_BYTES]
        return said
    finally:
        await child.end_and_wait()
