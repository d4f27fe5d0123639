"""What an interpreter does before and after its program, for a program that runs in a process that exists already.

Invariant: the output is written, the threads and the exit functions have ended, and the exit code is that of an
interpreter. Only the memory is not taken to pieces, which takes half of the time of a short command.
"""

from __future__ import annotations

import atexit
import io
import os
import signal
import sys
import threading
from typing import TextIO

MAX_DESCRIPTORS = 1 << 10


def run_as_main(code: str) -> None:
    """Run the code as `python -c` does, and end the process."""
    status = 0
    try:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
    except SystemExit as left:
        if left.code is not None and not isinstance(left.code, int):
            raise
        status = left.code or 0
    except KeyboardInterrupt as interrupted:
        sys.excepthook(KeyboardInterrupt, interrupted, interrupted.__traceback__)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream:
                stream.flush()
    except (OSError, ValueError):
        sys.exit(status)  # the interpreter says what is wrong
    os._exit(status & 0xFF)


def open_standard_streams() -> None:
    """Open stdin, stdout and stderr as the interpreter does when it starts."""
    sys.stdin = sys.__stdin__ = _opened(0, "r", sys.stdin)  # type: ignore[misc,assignment]
    sys.stdout = sys.__stdout__ = _opened(1, "w", sys.stdout)  # type: ignore[misc,assignment]
    sys.stderr = sys.__stderr__ = _opened(2, "w", sys.stderr)  # type: ignore[misc,assignment]


def _opened(number: int, mode: str, like: TextIO) -> TextIO | None:
    try:
        os.fstat(number)
    except OSError:
        return None
    is_unbuffered = mode == "w" and bool(os.environ.get("PYTHONUNBUFFERED"))
    return io.TextIOWrapper(
        open(number, f"{mode}b", 0 if is_unbuffered else -1, closefd=False),
        like.encoding,
        like.errors,
        newline="\n",
        line_buffering=not is_unbuffered and (number == 2 or os.isatty(number)),
        write_through=is_unbuffered,
    )
