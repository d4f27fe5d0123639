"""Standard outputs: a line of a command, and streams for a process that serves, which drop what they cannot take.

A disk that is full, a terminal that is gone and a pipe that nobody reads must not end or stop the turns of clients.

Never does: wait for a reader for longer than `PATIENCE_SECONDS`, once. Invariant: writing to `sys.stdout` and
`sys.stderr` raises no OSError, and the descriptors 0 to 2 are never those of a client's socket.
"""

from __future__ import annotations

import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PATIENCE_SECONDS = 0.05
"""How long a reader may be late. Once it was, nothing waits for it until it reads again."""
PIECE_BYTES = 4096
"""What a pipe takes without blocking when it says that it can be written to (POSIX, `PIPE_BUF`)."""


class LossyFile(io.FileIO):
    """A descriptor for writing that drops what it cannot write."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_late = False

    def write(self, data: ReadableBuffer) -> int:
        """Write what can be written. Return the length of `data` in any case."""
        view = memoryview(data).cast("B")
        try:
            for start in range(0, len(view), PIECE_BYTES):
                if not self._is_ready() or super().write(view[start : start + PIECE_BYTES]) is None:
                    break
        except OSError:
            pass
        return len(view)

    def _is_ready(self) -> bool:
        if not hasattr(select, "poll"):
            return True
        poll = select.poll()
        poll.register(self.fileno(), select.POLLOUT)
        wait = 0 if self._is_late else PATIENCE_SECONDS
        self._is_late = not poll.poll(wait * 1000)
        return not self._is_late


def echo(text: str, *, err: bool = False) -> None:
    """Write a line to stdout or stderr, as `click.echo` does: without colours where nobody sees them, in UTF-8 for ASCII."""
    stream = sys.stderr if err else sys.stdout
    if "\033" not in text:
        # a line that cannot be encoded is written by click: nothing of it was
        with suppress(UnicodeEncodeError):
            stream.write(f"{text}\n")
            stream.flush()
            return
    import click  # noqa: PLC0415  commands that need no other library of the command line do without it

    click.echo(text, err=err)


def open_missing_files() -> None:
    """Open the null device for each standard file that the process was started without, as `>&-` of a shell does."""
    for descriptor in range(3):
        _ensure_open(descriptor)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - open until the end
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def drop_lost_output() -> None:
    """Replace `sys.stdout` and `sys.stderr` by streams that drop what their descriptors cannot take."""
    for descriptor in range(3):
        _ensure_open(descriptor)
    sys.stdout = _lossy(sys.stdout, 1)
    sys.stderr = _lossy(sys.stderr, 2)


def _ensure_open(descriptor: int) -> None:
    """Open the null device for a descriptor that is closed. The next socket would get its number."""
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)


def _lossy(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is not None:
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):
            # no file of the system: what a test puts there
            return stream
    encoding = getattr(stream, "encoding", None) or "utf-8"
    buffer = io.BufferedWriter(LossyFile(descriptor))
    return io.TextIOWrapper(buffer, encoding, errors="backslashreplace", line_buffering=True)
