"""`codex-shim try`: one turn through the shim, shown as it streams.

Never does: write a control character of an answer to the terminal, run a tool that the model calls. Invariant: stdout
holds the answer's text, or one JSON object; the exit code is 0 only for a turn that was completed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer

from addons.adapters.system.local_token import read_token
from addons.core.routes import Route, route_label
from shim_cli.commands.model import default_slug, find_route
from shim_cli.console.errors import CliError
from shim_cli.console.format import short_seconds
from shim_cli.console.next_command import next_command
from shim_cli.console.printable import printable, printable_line
from shim_cli.state.daemon import ensure_started
from shim_cli.state.sources import open_sources_with_warnings
from shim_cli.state.turn_client import ShimClient, TurnResult

DEFAULT_TEXT = "Say hello in one short sentence."
MAX_ARGUMENTS = 200
"""How many characters of a call's arguments are shown."""


def try_turn(
    env: Mapping[str, str],
    port: int,
    settings: Path | None,
    text: str,
    requested: str | None,
    *,
    as_json: bool,
) -> int:
    """Run one turn and write its answer. Return the exit code: 1 if the turn failed. Raises CliError."""
    route = _route(env, settings, requested)
    started = ensure_started(env, port, settings)
    if not started.was_running:
        typer.echo(started.notice(port), err=True)
    client = ShimClient(started.url, read_token(env))
    result = client.run(route.slug, text, (lambda _: None) if as_json else _write)
    if as_json:
        typer.echo(json.dumps(_plain(result, route), ensure_ascii=False))
        return 1 if result.problem else 0
    if result.text:
        typer.echo()
    if result.text or result.calls or not result.problem:
        for line in summary(result, route):
            typer.echo(line, err=True)
    if not result.problem:
        return 0
    problem = result.problem
    msg = f"the turn failed at {hop(route)}: {problem.message}"
    raise CliError(msg, f"Next: {next_command(problem.code, problem.message)}")


def hop(route: Route) -> str:
    """Return who answers the turns of a route: `DeepSeek, model deepseek-v4`."""
    return f"{route_label(route)}, model {route.slug}"


def summary(result: TurnResult, route: Route) -> Iterator[str]:
    """Yield the calls of a turn, one a line, and a line with its model, time and usage."""
    for call in result.calls:
        arguments = printable_line(call.arguments)
        more = "…" if len(arguments) > MAX_ARGUMENTS else ""
        yield f"call  {printable_line(call.name)} {arguments[:MAX_ARGUMENTS]}{more}"
    first = result.first_text_seconds
    parts = [
        route.slug,
        route_label(route),
        short_seconds(result.seconds)
        + (f", first text after {short_seconds(first)}" if first is not None else ""),
    ]
    if usage := result.usage:
        parts.append(f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out")
    yield " · ".join(parts)


def _write(text: str) -> None:
    sys.stdout.write(printable(text))
    sys.stdout.flush()


def _plain(result: TurnResult, route: Route) -> dict[str, object]:
    problem = result.problem
    follow_up = next_command(problem.code, problem.message) if problem else ""
    return {
        **result.plain(),
        "provider": route.provider,
        "label": route_label(route),
        "next": follow_up,
    }


def _route(env: Mapping[str, str], settings: Path | None, requested: str | None) -> Route:
    table = open_sources_with_warnings(env, settings).table()
    if requested is not None:
        return find_route(table, requested)
    return find_route(table, default_slug(env, table))
