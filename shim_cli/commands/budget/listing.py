"""`codex-shim budget`: the budgets with what is spent.

Reads the ledger; the shim need not run. Never does: change a file. Invariant: the sums are those that a shim starts with.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from addons.adapters.ledger.budget_keeper import (
    budget_report,
    local_day,
    read_spending,
    with_slugs,
)
from addons.adapters.ledger.usage_report import shipped_prices
from addons.adapters.system.paths import budget_lifts_file, ledger_file
from shim_cli.commands.budget.lift import read_lifts
from shim_cli.console.budgets import budget_text
from shim_cli.console.errors import CliError
from shim_cli.state.sources import open_sources_with_warnings

NONE = "There are no budgets. `budgets` in models.json sets them; see docs/configuration.md."


def list_budgets(env: Mapping[str, str], settings: Path | None, *, as_json: bool) -> int:
    """Write the budgets. Return the exit code; raises CliError."""
    now = time.time()
    report = _report(env, settings, now)
    if as_json:
        typer.echo(json.dumps({"budgets": report}, ensure_ascii=False))
    elif report:
        typer.echo("\n".join(_lines(report, now)))
    else:
        typer.echo(NONE)
    return 0


def _report(env: Mapping[str, str], settings: Path | None, now: float) -> list[dict[str, object]]:
    sources, path = open_sources_with_warnings(env, settings), ledger_file(env)
    table, budgets = sources.table(), sources.settings.budgets
    try:
        spending = read_spending(path, math.inf, shipped_prices(sources.rows.rows), table)
    except sqlite3.Error as error:
        advice = f"Check {path}. If it is damaged, move it away: the shim creates a new one."
        msg = f"the ledger cannot be read: {error}"
        raise CliError(msg, advice) from error
    lifts = read_lifts(budget_lifts_file(env), now)
    return budget_report(with_slugs(budgets, table), spending, lifts, local_day(now))


def _lines(report: Sequence[Mapping[str, object]], now: float) -> list[str]:
    names = [str(one["name"]) for one in report]
    width = max(map(len, names))
    return [
        f"{number:>3} {name:<{width}}  {budget_text(one, now)}"
        for number, (name, one) in enumerate(zip(names, report, strict=True), 1)
    ]
