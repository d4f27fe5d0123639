"""The error that ends a command: what happened and what to type next, on stderr, with exit code 1.

Never does: show a traceback, import a library. Invariant: a command either returns its exit code or raises `CliError`.
"""

from __future__ import annotations

import sys
from typing import IO, Any

NO_MODEL_ADVICE = "Log in with `codex login`; `codex-shim doctor` shows what else is missing."
"""Advice when no model is available."""
STATE_FOLDER_ADVICE = "Set CODEX_SHIM_STATE_DIR to a folder that you can write to."
"""Advice when a file in the state folder cannot be written."""


class CliError(Exception):
    """Ends a command. `message` says what happened; `advice` says what to type next."""

    exit_code = 1

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message on one line and the advice, if any, on the next."""
        stream = file or sys.stderr
        stream.write(f"codex-shim: {self.message}\n")
        if self.advice:
            stream.write(f"{self.advice}\n")


class UsageProblem(CliError):  # noqa: N818  a `CliError` by another exit code
    """Ends a command whose arguments are wrong, with exit code 2."""

    exit_code = 2
