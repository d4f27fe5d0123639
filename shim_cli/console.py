"""How a console script of ours runs and ends.

Never does: show a traceback to a user who has not asked for it. Invariant: what a command cannot do is told in two
lines, the second of them what to type.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

import typer

from shim_cli.errors import CliError


def run(program: typer.Typer, name: str) -> None:
    """Run a console script. Ends the process with the command's exit code."""
    sys.excepthook = _tell_bug
    try:
        # Not `program()`: typer would put its own traceback printer in the place of ours.
        typer.main.get_command(program)(prog_name=name)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        advice = "Check the path and its permissions, then run `codex-shim doctor`."
        CliError(f"{where}{error.strerror or error}", advice).show()
        sys.exit(1)


def _tell_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last resort for a bug of ours: two lines; the traceback only for who asks for it."""
    if os.environ.get("CODEX_SHIM_DEBUG"):
        sys.__excepthook__(kind, error, trace)
        return
    advice = "This is a bug. Run it again with CODEX_SHIM_DEBUG=1 and report what it prints."
    CliError(f"failed inside: {kind.__name__}", advice).show()
