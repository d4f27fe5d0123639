"""`codex-shim list`: the rows of the one route table, as the proxy itself builds it.

Never does: ask the running shim, or any upstream. Invariant: a hidden row is shown with the reason for which it is
hidden, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from addons.core.routes import Route
from shim_cli.table import NOTHING_LIVE, open_sources


def write_list(
    env: Mapping[str, str], settings: Path | None, *, show_all: bool, as_json: bool
) -> int:
    """Write the live routes, or all of them. Gives the exit code: 1 when none is live."""
    table = open_sources(env, settings).table()
    routes = tuple(table.routes.values()) if show_all else table.live
    if as_json:
        typer.echo(json.dumps([_record(route) for route in routes], ensure_ascii=False))
    else:
        for line in lines_of(routes):
            typer.echo(line)
    if table.live:
        return 0
    typer.echo(f"codex-shim: no model is available\n{NOTHING_LIVE}", err=True)
    return 1


def lines_of(routes: Sequence[Route]) -> list[str]:
    """One line per route; below a hidden one, why."""
    width = max((len(route.slug) for route in routes), default=0)
    lines = []
    for route in routes:
        where = f"{route.model} ({route.provider})"
        lines.append(f"{route.slug:<{width}}  {route.display_name}  ->  {where}")
        if not route.live:
            lines.append(f"{'':<{width}}  hidden: {route.hidden_because}")
    return lines


def _record(route: Route) -> dict[str, object]:
    return {
        "slug": route.slug,
        "display_name": route.display_name,
        "model": route.model,
        "provider": route.provider,
        "live": route.live,
        "hidden_because": route.hidden_because,
    }
