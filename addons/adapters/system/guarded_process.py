"""A child process that cannot outlive the shim, because a guard process supervises it.

The guard (`process_guard.py`) holds one end of a socket, this process the other. Closing this end ends the child; it
needs no wait, and the operating system does it when this process dies. Never does: put the child's input on a command
line, wait for a stream that a grandchild keeps open. Invariant: four seconds after `end`, or after the death of this
process, no process of the child is left.
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

from addons.adapters.system.tasks import spawn
from addons.adapters.system.umask import users_umask

GUARD = Path(__file__).with_name("process_guard.py")
READ_BYTES = 256 * 1024
DRAIN_SECONDS = 0.5
"""How long a read waits for output that is still in the pipe after the child has ended."""
GONE_SECONDS = 4.0
"""Longer than a guard needs for a program that ignores SIGTERM."""
GUARD_SECONDS = 6.0
"""A guard that exceeds its own limits is killed; on Linux its program dies with it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run. `argv[0]` is an absolute path; `stdin` is written, then the pipe is closed."""

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    stdin: bytes = b""


class Child:
    """One running child. Created by `start`."""

    def __init__(self, guard: subprocess.Popen[bytes], lifeline: socket.socket) -> None:
        self._guard = guard
        self._lifeline = lifeline
        self._transports: list[asyncio.BaseTransport] = []
        self._reading: asyncio.Task[bytes] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._group: int | None = None
        self._is_ending = False
        self._is_read = True
        """Whether a reader may still want the output in the pipes."""
        self._stdout: asyncio.StreamReader
        self._control: asyncio.StreamWriter
        self.stderr: asyncio.StreamReader
        self.ended: asyncio.Task[int | None]
        """Done when the program has ended: its exit code, or None when the guard ended it."""
        self.gone: asyncio.Task[None]
        """Done when no process of the child is left."""

    @classmethod
    async def start(cls, command: Command) -> Self:
        """Start the child. Raises OSError. A cancelled start leaves no process behind."""
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
        """Return the next output on stdout; empty at its end, or after the child has ended and all output was read."""
        reading = self._reading = self._reading or spawn(
            self._stdout.read(READ_BYTES), "read a child"
        )
        await asyncio.wait({reading, self.ended}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            await asyncio.wait({reading}, timeout=DRAIN_SECONDS)
        if not reading.done():
            return b""
        self._reading = None
        return reading.result()

    async def exit_code(self, seconds: float) -> int | None:
        """Return the exit code; None if the child has not ended within the limit, or did not end by itself."""
        await asyncio.wait({self.ended}, timeout=seconds)
        return self.ended.result() if self.ended.done() else None

    def end(self) -> None:
        """End the child and every process that it started. Does not wait; may be called more than once."""
        self._stop_reading()
        if not self._is_ending and not self.gone.done():
            self._is_ending = True
            self._control.write_eof()
            self._call_later(GUARD_SECONDS, self._guard.kill)

    async def end_and_wait(self) -> None:
        """End the child, and wait until none of its processes is left."""
        self.end()
        await asyncio.wait({self.gone}, timeout=GONE_SECONDS)

    def end_after(self, seconds: float) -> None:
        """End the child after this time, unless it ends by itself before."""
        self._stop_reading()
        self._call_later(seconds, self.end)

    def when_gone(self, call: Callable[[], object]) -> None:
        """Call this when no process of the child is left."""
        self.gone.add_done_callback(lambda _: call())

    def _call_later(self, seconds: float, call: Callable[[], None]) -> None:
        if not self.gone.done():
            self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def _abandon(self) -> None:
        self._close()
        self._lifeline.close()
        self._guard.kill()
        self._guard.wait()

    async def _open(self, stdin: bytes) -> None:
        reports, self._control = await asyncio.open_connection(sock=self._lifeline)
        self._transports.append(self._control.transport)
        self._stdout = await self._reader_of(self._guard.stdout)
        self.stderr = await self._reader_of(self._guard.stderr)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._guard.stdin)
        self._transports.append(transport)
        # The transport writes in the background. A child that stops reading is not an error.
        transport.write(stdin)
        transport.close()
        self.ended = spawn(self._read_exit_code(reports), "read a child's exit code")
        self.gone = spawn(self._wait_until_gone(reports), "wait for a child's end")

    async def _reader_of(self, pipe: object) -> asyncio.StreamReader:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        self._transports.append(transport)
        return reader

    async def _read_exit_code(self, reports: asyncio.StreamReader) -> int | None:
        self._group = await _read_number(reports)
        return await _read_number(reports)

    async def _wait_until_gone(self, reports: asyncio.StreamReader) -> None:
        try:
            await asyncio.wait({self.ended})
            with contextlib.suppress(ConnectionError):
                await reports.read()
        except asyncio.CancelledError:
            # the loop ends, and with its end of the lifeline the child
            self._close()
            raise
        if await asyncio.to_thread(self._guard.wait) < 0 and self._group:
            # The guard was killed before it could end the group.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)
        for handle in self._timers:
            handle.cancel()
        if not self._is_read:
            self._close()

    def _stop_reading(self) -> None:
        self._is_read = False
        if self.gone.done():
            self._close()

    def _close(self) -> None:
        if self._reading:
            self._reading.cancel()
        for transport in self._transports:
            transport.close()


def _start_guard(command: Command) -> tuple[subprocess.Popen[bytes], socket.socket]:
    own_end, guard_end = socket.socketpair()
    with contextlib.ExitStack() as undo, guard_end:
        undo.callback(own_end.close)
        lifeline = guard_end.fileno()
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
    return process, own_end


async def _read_number(reports: asyncio.StreamReader) -> int | None:
    try:
        line = await reports.readline()
    except ConnectionError:
        return None
    return int(line) if line.strip() else None


async def output_of(command: Command) -> bytes:
    """Run a command to its end and return its stdout. Raises OSError; a cancelled call ends the command."""
    child = await Child.start(command)
    try:
        output = b""
        while data := await child.read():
            output = (output + data)[:READ_BYTES]
        return output
    finally:
        await child.end_and_wait()
