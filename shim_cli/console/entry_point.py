"""Run a console script and end the process with its exit code.

Never does: show a traceback, unless CODEX_SHIM_DEBUG is set. Invariant: a failure is reported in two lines; the second
says what to type next.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

import typer

from addons.adapters.system.paths import NoHomeError
from shim_cli.console.errors import CliError


def run(program: typer.Typer, name: str) -> None:
    """Run a console script. Ends the process with the command's exit code."""
    sys.excepthook = _report_bug
    try:
        # Not `program()`: typer would replace this excepthook with its own traceback printer.
        typer.main.get_command(program)(prog_name=name)
    except KeyboardInterrupt:
        sys.exit(130)
    except NoHomeError as error:
        CliError(str(error), "Set it to a folder of yours, then run the command again.").show()
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        advice = "Check the path and its permissions, then run `codex-shim doctor`."
        CliError(f"{where}{error.strerror or error}", advice).show()
        sys.exit(1)


def _report_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Report an unexpected exception by its type; with CODEX_SHIM_DEBUG, print the traceback."""
    if os.environ.get("CODEX_SHIM_DEBUG"):
        sys.__excepthook__(kind, error, trace)
        return
    advice = "This is a bug. Run it again with CODEX_SHIM_DEBUG=1 and report the output."
    CliError(f"internal error: {kind.__name__}", advice).show()
