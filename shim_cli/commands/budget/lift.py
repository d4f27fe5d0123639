"""`codex-shim budget lift`: lets turns exceed a budget for a while.

Never does: change models.json or the ledger. Invariant: a lift ends by itself, and leaves those of other budgets as they are.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from addons.adapters.system.file_lock import LockedError, locked
from addons.adapters.system.files import (
    CachedFile,
    FileAccessError,
    make_private_folder,
    write_atomic,
)
from addons.adapters.system.paths import budget_lifts_file
from addons.core.settings.near_miss import nearest
from addons.core.telemetry.budgets import (
    MAX_LIFT_SECONDS,
    Budget,
    Lifts,
    dump_lifts,
    parse_lifts,
)
from shim_cli.console.errors import STATE_FOLDER_ADVICE, CliError, UsageProblem
from shim_cli.console.format import rough_duration
from shim_cli.state.sources import open_sources_with_warnings

_PERIOD = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": 60, "h": 3600, "d": 86400}


def lift_budget(env: Mapping[str, str], settings: Path | None, which: str, period: str) -> int:
    """Lift one budget for a period. Return the exit code; raises CliError."""
    seconds = _seconds(period)
    budget = _find(open_sources_with_warnings(env, settings).settings.budgets, which)
    until = time.time() + seconds
    _write(budget_lifts_file(env), budget.name, until)
    if seconds:
        clock = time.strftime("%H:%M", time.localtime(until))
        lifted = f"lifted for {rough_duration(seconds)}, until {clock}"
        typer.echo(f"The budget {budget.title} is {lifted}. Running shims apply that now.")
    else:
        typer.echo(f"The budget {budget.title} applies again.")
    return 0


def _seconds(period: str) -> float:
    found = _PERIOD.fullmatch(period)
    seconds = int(found[1]) * _UNITS[found[2]] if found else MAX_LIFT_SECONDS + 1
    if seconds > MAX_LIFT_SECONDS:
        msg = f"--for {period!r} is no period of at most 7 days"
        raise UsageProblem(msg, "Examples: 30m, 1h, 2d.")
    return seconds


def _find(budgets: Sequence[Budget], which: str) -> Budget:
    names = [one.name for one in budgets]
    if which.isdecimal() and 0 < int(which) <= len(budgets):
        return budgets[int(which) - 1]
    if which in names:
        return budgets[names.index(which)]
    if not budgets:
        problem = "there are no budgets to lift"
        raise CliError(problem, "`budgets` in models.json sets them; see docs/configuration.md.")
    near = nearest(which, names)
    meant = f". Did you mean {near!r}?" if near else ""
    problem = f"there is no budget {which!r}{meant}"
    raise CliError(problem, f"Budgets: {', '.join(names)}. `codex-shim budget` lists them.")


def _write(path: Path, name: str, until: float) -> None:
    try:
        make_private_folder(path.parent)
        with locked(path.with_name(f"{path.name}.lock")):
            now = time.time()
            lifts = {**read_lifts(path, now), name: until}
            write_atomic(path, dump_lifts({key: end for key, end in lifts.items() if end > now}))
    except (FileAccessError, LockedError, OSError) as error:
        raise CliError(str(error), STATE_FOLDER_ADVICE) from error


def read_lifts(path: Path, now: float) -> Lifts:
    """Return the budgets that are lifted now. Raises CliError."""
    try:
        return parse_lifts(CachedFile(path).read(), now)
    except FileAccessError as error:
        raise CliError(str(error), STATE_FOLDER_ADVICE) from error
