"""`codex-shim test`: one small turn per model, and one line per result.

Never does: test the demo model while there is another one, spend more than one turn on a model. Invariant: results are
written in the order of the models; the exit code is 0 only if every model answered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import typer

from addons.adapters.route_sources import RouteSources
from addons.adapters.system.local_token import read_token
from addons.core.routes import Route, route_label
from shim_cli.commands.model import find_route
from shim_cli.console.errors import NO_MODEL_ADVICE, CliError
from shim_cli.console.format import short_seconds
from shim_cli.console.next_command import next_command
from shim_cli.console.printable import printable_line
from shim_cli.state.daemon import ensure_started
from shim_cli.state.sources import open_sources_with_warnings, refresh_cursor_login
from shim_cli.state.turn_client import ShimClient, TurnProblem, TurnResult

TEXT = "Reply with the single word OK."
AT_ONCE = 4
"""How many models are asked at the same time."""
EMPTY = TurnProblem("empty_answer", "the answer has no text and no call")


def check_models(
    env: Mapping[str, str],
    port: int,
    settings: Path | None,
    slugs: Sequence[str],
    *,
    every: bool,
    as_json: bool,
) -> int:
    """Ask each model once and write the results. Return the exit code: 1 if one failed. Raises CliError."""
    sources = open_sources_with_warnings(env, settings)
    refresh_cursor_login(sources)
    table = sources.table()
    named = list(dict.fromkeys(find_route(table, slug).slug for slug in slugs))
    routes = [table.routes[slug] for slug in named or _chosen(sources, every=every)]
    if not routes:
        msg = "no model is available"
        raise CliError(msg, NO_MODEL_ADVICE)
    started = ensure_started(env, port, settings)
    if not started.was_running:
        typer.echo(started.notice(port), err=True)
    client = ShimClient(started.url, read_token(env))
    results = []
    for route, result in _results(client, routes):
        results.append(_plain(result, route))
        if not as_json:
            typer.echo("\n".join(_lines(result, route, max(len(each.slug) for each in routes))))
    failed = sum(not each["ok"] for each in results)
    if as_json:
        counts = {"ok": len(results) - failed, "failed": failed}
        typer.echo(json.dumps({"models": results, **counts}, ensure_ascii=False))
    return 1 if failed else 0


def _chosen(sources: RouteSources, *, every: bool) -> list[str]:
    """Return the slugs to test: each row of models.json, and of each other provider the first live model, or all."""
    rows = {row.slug for row in sources.rows.rows}
    chosen, providers = list[str](), set[str]()
    for route in sources.table().routes.values():
        is_first = route.live and route.provider not in providers
        if route.slug in rows or (route.live and (every or is_first)):
            chosen.append(route.slug)
        if route.live and route.slug not in rows:
            providers.add(route.provider)
    return chosen


def _results(client: ShimClient, routes: Sequence[Route]) -> Iterator[tuple[Route, TurnResult]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from zip(routes, pool.map(lambda route: _ask(client, route), routes), strict=True)


def _ask(client: ShimClient, route: Route) -> TurnResult:
    if not route.live:
        return TurnResult(route.slug, problem=TurnProblem("hidden", route.unavailable_reason))
    result = client.run(route.slug, TEXT, lambda _: None)
    if not result.problem and not result.text.strip() and not result.calls:
        result.problem = EMPTY
    return result


def _lines(result: TurnResult, route: Route, width: int) -> Iterator[str]:
    problem = result.problem
    if not problem:
        yield f"ok    {result.slug:<{width}}  {short_seconds(result.seconds)}  {route_label(route)}"
        return
    yield f"FAIL  {result.slug:<{width}}  {printable_line(problem.message)}"
    yield f"{'':<{width + 8}}{next_command(problem.code, problem.message)}"


def _plain(result: TurnResult, route: Route) -> dict[str, object]:
    problem = result.problem
    follow_up = next_command(problem.code, problem.message) if problem else ""
    return {
        **result.plain(),
        "provider": route.provider,
        "label": route_label(route),
        "next": follow_up,
    }
