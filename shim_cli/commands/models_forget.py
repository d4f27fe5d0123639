"""`codex-shim model forget`: drop what was learnt about a model, so that its upstream is asked afresh.

Never does: send a request, change models.json. Invariant: only the named model's traits are dropped; a running shim
applies that to its next turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from addons.adapters.system.file_lock import LockedError
from addons.adapters.system.files import FileAccessError
from addons.adapters.traits_store import FileTraits
from addons.core.settings.near_miss import nearest
from addons.core.settings.row import ModelRow
from shim_cli.console.errors import STATE_FOLDER_ADVICE, CliError
from shim_cli.state.sources import open_sources

NOTHING = "Nothing was learnt about {which}."


def forget_models(env: Mapping[str, str], slug: str | None, settings: Path | None) -> int:
    """Forget one model, or all with None. Return the exit code."""
    sources = open_sources(env, settings)
    traits = sources.row_routes.traits
    if slug is None:
        return _forget(traits, set(traits.scopes), "any model")
    rows = {row.slug: row for row in sources.rows.rows}
    route = sources.table().resolve(slug)
    row = rows.get(route.slug if route else slug)
    if row is None or row.target is None:
        known = sorted(slug for slug, one in rows.items() if one.target)
        near = nearest(slug, known)
        meant = f". Did you mean {near!r}?" if near else ""
        problem = f"{slug} is no row of models.json{meant}"
        advice = f"Rows: {', '.join(known)}" if known else "`codex-shim list` shows all models."
        raise CliError(problem, advice)
    return _forget(traits, scopes_of(row, traits), row.slug)


def scopes_of(row: ModelRow, traits: FileTraits) -> set[str]:
    """Return the scopes of a row's model at its upstream, in any protocol."""
    if row.target is None:
        return set()
    at = row.target.traits_scope.partition(":")[2]
    return {scope for scope in traits.scopes if scope.partition(":")[2] == at}


def _forget(traits: FileTraits, scopes: set[str], which: str) -> int:
    known = [traits.current(scope) for scope in scopes]
    facts = sum(len(one.entries) + len(one.refused_items) for one in known)
    if not facts:
        typer.echo(NOTHING.format(which=which))
        return 0
    try:
        traits.forget(scopes)
    except (FileAccessError, LockedError, OSError) as error:
        raise CliError(str(error), STATE_FOLDER_ADVICE) from error
    typer.echo(f"Forgot {facts} learnt {'fact' if facts == 1 else 'facts'} about {which}.")
    return 0
