"""`codex-shim generate`: the model catalog and a config.toml that use the shim, in our own state folder.

Never does: write under Codex's home. Invariant: a catalog that Codex would not start with never replaces one that it
would: it is tried in the installed binary, or without one against the rules that we know.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import tomlkit
import typer

from addons.core.codex_provider import token_in_environment, token_in_file
from addons.core.routes import RouteTable
from addons.origins.codex_cli import CodexCli
from addons.origins.files import FileAccessError, write_atomic
from addons.origins.fitting import fit_to
from addons.origins.local_token import read_token
from addons.origins.paths import catalog_file, standalone_config_file, token_file
from shim_cli.defaults import NOTHING_LIVE, models, serve_command
from shim_cli.errors import CliError
from shim_cli.provider_config import command_to_try, config_of
from shim_cli.table import ask_cursor, open_sources

SHOWN_PROBLEMS = 5


def generate(env: Mapping[str, str], port: int, settings: Path | None) -> int:
    """Write both files and say what to try. Raises CliError; the files are then unchanged."""
    table = _table(env, settings)
    if not table.live:
        msg = "no model is available, so there is no catalog to write"
        raise CliError(msg, NOTHING_LIVE)
    fit = fit_to(CodexCli.find(env), table)
    _refuse_if(fit.problems)
    table = fit.table
    catalog_path, config_path = catalog_file(env), standalone_config_file(env)
    slug, token = _first_choice(table), read_token(env)
    config = config_of(slug, port, catalog_path, token_in_file(token) if token else None)
    shown = config_of(slug, port, catalog_path, token_in_environment() if token else None)
    _write(catalog_path, fit.catalog)
    _write(config_path, tomlkit.dumps(config).encode())
    lines = [
        *_summary(table),
        *(f"  {slug} is left out: {table.routes[slug].hidden_because}" for slug in fit.refused),
        f"  catalog  {catalog_path}",
        f"  config   {config_path}",
        fit.trouble or "Codex was tried with this catalog and starts.",
        "Nothing in Codex's own folder was changed. Start the shim, then try it:",
        f"  {serve_command(port)}",
        f"  {command_to_try(shown, token_file(env) if token else None)}",
    ]
    typer.echo("\n".join(lines))
    return 0


def _table(env: Mapping[str, str], settings: Path | None) -> RouteTable:
    """The table with the account's models as they are now, as far as they can be asked for."""
    sources = open_sources(env, settings)
    ask_cursor(sources)
    asyncio.run(sources.refresh())
    if sources.catalog.error:
        typer.echo(f"codex-shim: {sources.catalog.error}", err=True)
    return sources.table()


def _first_choice(table: RouteTable) -> str:
    listed = (route for route in table.live if route.entry.get("visibility") == "list")
    return next(listed, table.live[0]).slug


def _refuse_if(reasons: Sequence[str]) -> None:
    if reasons:
        shown = "; ".join(reasons[:SHOWN_PROBLEMS])
        more = f" (and {len(reasons) - SHOWN_PROBLEMS} more)" if reasons[SHOWN_PROBLEMS:] else ""
        msg = f"Codex would not start with the new catalog, so it was not written: {shown}{more}"
        raise CliError(msg, "Correct the row in models.json, then run `codex-shim generate` again.")


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomic(path, data)
    except FileAccessError as error:
        raise CliError(str(error), "Set CODEX_SHIM_STATE_DIR to a folder of yours.") from error


def _summary(table: RouteTable) -> list[str]:
    counts = Counter(route.provider for route in table.live)
    providers = ", ".join(f"{count} {provider}" for provider, count in counts.items())
    lines = [f"Wrote {models(len(table.live))}: {providers}."]
    hidden = len(table.routes) - len(table.live)
    if hidden:
        lines.append(f"  {models(hidden)} hidden; `codex-shim list --all` says why.")
    return lines
