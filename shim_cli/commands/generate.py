"""`codex-shim generate`: write a model catalog and a sample config.toml into the state folder.

Never does: write under Codex's home. Invariant: a catalog that Codex would reject never replaces a valid one. The
installed Codex validates it, or the built-in rules if no Codex is installed.
"""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import tomlkit
import typer

from addons.adapters.codex.accepted_models import filter_accepted
from addons.adapters.codex.activate import uses_api_key, uses_chatgpt_login
from addons.adapters.codex.cli import CodexCli
from addons.adapters.system.files import FileAccessError, write_atomic
from addons.adapters.system.local_token import read_token
from addons.adapters.system.paths import catalog_file, standalone_config_file, token_file
from addons.core.codex.provider_config import (
    TOKEN_VARIABLE,
    arguments,
    config_for,
    token_in_environment,
    token_in_file,
)
from addons.core.routes import RouteTable
from shim_cli.console.command_line import command
from shim_cli.console.errors import NO_MODEL_ADVICE, STATE_FOLDER_ADVICE, CliError
from shim_cli.console.format import model_count
from shim_cli.state.sources import open_sources_with_warnings, refresh_cursor_login

MAX_PROBLEMS = 5


def generate(env: Mapping[str, str], port: int, settings: Path | None) -> int:
    """Write both files and print a command to try. Raises CliError; the files are then unchanged."""
    table = _table(env, settings)
    if not table.live:
        msg = "no model is available, so there is no catalog to write"
        raise CliError(msg, NO_MODEL_ADVICE)
    fit = filter_accepted(CodexCli.find(env), table)
    _refuse_if(fit.problems)
    table = fit.table
    catalog_path, config_path = catalog_file(env), standalone_config_file(env)
    slug, token = _default_slug(table), read_token(env)
    make = partial(
        config_for,
        slug,
        port,
        str(catalog_path),
        chatgpt_login=uses_chatgpt_login(env),
        api_key=uses_api_key(env),
        websocket=table.websocket,
        searches=table.searches,
    )
    config = make(token_in_file(token) if token else None)
    shown = make(token_in_environment() if token else None)
    _write(catalog_path, fit.catalog)
    _write(config_path, tomlkit.dumps(config).encode())
    lines = [
        *_summary(table),
        *(f"  {slug} is left out: {table.routes[slug].unavailable_reason}" for slug in fit.refused),
        f"  catalog  {catalog_path}",
        f"  config   {config_path}",
        fit.fallback_reason or "Codex starts with this catalog.",
        "Codex's own folder was not changed. Start the shim, then try it:",
        f"  {command('serve', port)}",
        f"  {command_to_try(shown, token_file(env) if token else None)}",
    ]
    typer.echo("\n".join(lines))
    return 0


def command_to_try(config: Mapping[str, object], token: Path | None = None) -> str:
    """Return the `codex -c …` line with the same effect for one run, quoted for a POSIX shell.

    `token` is the file of the local token, if the config names the variable that holds it.
    """
    line = shlex.join(["codex", *arguments(config)])
    if token is None:
        return line
    return f'{TOKEN_VARIABLE}="$(cat {shlex.quote(str(token))})" {line}'


def _table(env: Mapping[str, str], settings: Path | None) -> RouteTable:
    """Return the route table, with the account's current models if the account can be reached."""
    sources = open_sources_with_warnings(env, settings)
    refresh_cursor_login(sources)
    asyncio.run(sources.refresh())
    if sources.catalog.error:
        typer.echo(f"codex-shim: {sources.catalog.error}", err=True)
    return sources.table()


def _default_slug(table: RouteTable) -> str:
    listed = (route for route in table.live if route.entry.get("visibility") == "list")
    return next(listed, table.live[0]).slug


def _refuse_if(reasons: Sequence[str]) -> None:
    if reasons:
        shown = "; ".join(reasons[:MAX_PROBLEMS])
        more = f" (and {len(reasons) - MAX_PROBLEMS} more)" if reasons[MAX_PROBLEMS:] else ""
        msg = f"Codex would not start with the new catalog, so it was not written: {shown}{more}"
        raise CliError(msg, "Correct the row in models.json, then run `codex-shim generate` again.")


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomic(path, data)
    except FileAccessError as error:
        raise CliError(str(error), STATE_FOLDER_ADVICE) from error


def _summary(table: RouteTable) -> list[str]:
    counts = Counter(route.provider for route in table.live)
    providers = ", ".join(f"{count} {provider}" for provider, count in counts.items())
    lines = [f"Wrote {model_count(len(table.live))}: {providers}."]
    hidden = len(table.routes) - len(table.live)
    if hidden:
        lines.append(f"  {model_count(hidden)} hidden; `codex-shim list --all` shows why.")
    return lines
