"""The one error of the CLI: what happened and the next command to type, on stderr, exit code 1.

Never does: show a traceback. Invariant: a command either returns its exit code or raises `CliError`.
"""

from __future__ import annotations

import sys
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
