"""Run a console script and end the process with its exit code.

Never does: show a traceback, unless CODEX_SHIM_DEBUG is set. Invariant: a failure is reported in two lines; the second
says what to type next.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import TracebackType

from addons.adapters.system.paths import NoHomeError
from shim_cli.console.errors import CliError


def run(program: Callable[[], object]) -> None:
    """Run a console script, which ends the process with its exit code or raises."""
    sys.excepthook = _report_bug
    try:
        program()
    except CliError as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _drop_output()
        sys.exit(1)
    except NoHomeError as error:
        CliError(str(error), "Set it to a folder of yours, then run the command again.").show()
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        advice = "Check the path and its permissions, then run `codex-shim doctor`."
        CliError(f"{where}{error.strerror or error}", advice).show()
        sys.exit(1)


def _drop_output() -> None:
    """Let the end of the process write what nobody reads to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _report_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Report an unexpected exception by its type; with CODEX_SHIM_DEBUG, print the traceback."""
    if os.environ.get("CODEX_SHIM_DEBUG"):
        sys.__excepthook__(kind, error, trace)
        return
    advice = "This is a bug. Run it again with CODEX_SHIM_DEBUG=1 and report the output."
    CliError(f"internal error: {kind.__name__}", advice).show()
