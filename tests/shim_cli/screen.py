"""What a terminal of some width shows."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
from collections.abc import Callable, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console

from tests.shim_cli.forks.client import started


def drawn(write: Callable[[Console], object], width: int) -> str:
    """Return what `write` draws, without blanks at the end of a line."""
    out = io.StringIO()
    write(Console(file=out, width=width, highlight=False))
    lines = out.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= width
    return "".join(f"{line.rstrip()}\n" for line in lines)


def on_terminal(argv: Sequence[str], env: Mapping[str, str], width: int) -> str:
    """Run a program on a terminal of this width and return its output."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    with started(argv, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        output = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    assert process.returncode is not None
    return output.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux says so when the program has ended
        return b""
