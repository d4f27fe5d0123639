"""The one error of the CLI: what happened and the next command to type, on stderr, exit code 1.

Never does: show a traceback. Invariant: a command either returns its exit code or raises `CliError`.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import IO, Any

import click


class CliError(click.ClickException):
    """Ends a command. `message` says what happened; `advice` is what to do next, with the command to type."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the error: one line, and one more when there is advice."""
        stream = file or sys.stderr
        stream.write(f"codex-shim: {self.message}\n")
        if self.advice:
            stream.write(f"{self.advice}\n")


def tell_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last resort for a bug of ours: two lines; the traceback only for who asks for it."""
    if os.environ.get("CODEX_SHIM_DEBUG"):
        sys.__excepthook__(kind, error, trace)
        return
    advice = "This is a bug. Run it again with CODEX_SHIM_DEBUG=1 and report what it prints."
    CliError(f"failed inside: {kind.__name__}", advice).show()
