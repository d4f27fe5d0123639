"""`codex-shim list`: the rows of the one route table, as the proxy itself builds it.

Never does: ask the running shim, or any upstream; of Cursor's login the installed cursor-agent is asked. Invariant: a hidden row is shown with the reason for which it is
hidden, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from shim_cli.defaults import NOTHING_LIVE
from shim_cli.list_cache import Ingredients, Watched, keep, recall
from shim_cli.listing import Listed, Listing


def write_list(
    env: Mapping[str, str], settings: Path | None, *, show_all: bool, as_json: bool
) -> int:
    """Write the live models, or all of them. Gives the exit code: 1 when none is live."""
    listing = recall(env, settings) or _made(env, settings)
    for problem in listing.problems:
        typer.echo(f"codex-shim: {problem}", err=True)
    models = listing.models if show_all else listing.live
    if as_json:
        typer.echo(json.dumps([asdict(model) for model in models], ensure_ascii=False))
    elif models:
        typer.echo("\n".join(lines_of(models)))
    if listing.live:
        return 0
    typer.echo(f"codex-shim: no model is available\n{NOTHING_LIVE}", err=True)
    return 1


def lines_of(models: Sequence[Listed]) -> list[str]:
    """One line per model; below a hidden one, why."""
    width = max((len(model.slug) for model in models), default=0)
    lines = []
    for model in models:
        where = f"{model.model} ({', '.join(filter(None, (model.provider, model.upstream)))})"
        lines.append(f"{model.slug:<{width}}  {model.display_name}  ->  {where}")
        if not model.live:
            lines.append(f"{'':<{width}}  hidden: {model.hidden_because}")
    return lines


def _made(env: Mapping[str, str], settings: Path | None) -> Listing:
    # 100 ms and more, and not needed while nothing changes
    from addons.core.login import Login  # noqa: PLC0415
    from shim_cli.table import ask_cursor, sources_of  # noqa: PLC0415

    watched = Watched(env)
    sources = sources_of(watched, settings)
    ask_cursor(sources)
    listing = Listing.of(sources)
    login = sources.logins.current()
    ends = (
        login.expires_at if isinstance(login, Login) else None,
        sources.cursor.agent.fresh_until,
    )
    until = min((end for end in ends if end is not None), default=None)
    sources.cursor.agent.keep()
    made_of = Ingredients([str(file) for file in sources.files], list(watched.names), until)
    keep(listing, made_of, env, settings)
    return listing
