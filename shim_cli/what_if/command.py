"""`codex-shim what-if`: ask other models the same as a turn that has ended, and show the answers side by side.

Never does: run a tool that a model calls, start a shim, overwrite a file. Invariant: nothing is sent before the turn, the
models and the file of the page are known to be good; Ctrl-C ends the upstream work of every model.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from addons.adapters.ledger.budget_keeper import cost_of, read_outputs
from addons.adapters.ledger.usage_report import shipped_prices
from addons.adapters.system.files import FileAccessError, write_atomic
from addons.adapters.system.local_token import read_token
from addons.adapters.system.paths import ledger_file
from addons.adapters.what_if.asking import MAX_MODELS, Shim, ask_models
from addons.adapters.what_if.pages import page_path, write_page
from addons.core.routes import Route, RouteTable
from addons.core.telemetry.budgets import OutputMeans, estimated_tokens
from addons.core.telemetry.prices import PLAN_ROUTES, PriceTable
from addons.core.what_if.answer import Answer, complete
from addons.core.what_if.figures import dollars, outcome, seconds
from addons.core.what_if.original import Original
from addons.core.what_if.page import comparison_page
from shim_cli.commands.model import find_route
from shim_cli.console.browser import is_headless, open_url
from shim_cli.console.errors import STATE_FOLDER_ADVICE, CliError, UsageProblem
from shim_cli.console.format import counted
from shim_cli.console.printable import printable_line
from shim_cli.state.daemon import running_shim
from shim_cli.state.sources import open_sources_with_warnings
from shim_cli.what_if.source import turn_of

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class WhatIfOptions:
    """What to compare, and how to show it."""

    turn: str
    models: Sequence[str]
    as_json: bool = False
    html: Path | None = None
    opens_page: bool = False


def compare(
    env: Mapping[str, str], port: int, settings: Path | None, options: WhatIfOptions
) -> int:
    """Ask the models and show their answers. Return 0, 1 if one is not complete, 130 after Ctrl-C. Raises CliError."""
    _check_page(options.html)
    sources = open_sources_with_warnings(env, settings)
    routes = _routes(sources.table(), options.models)
    started = running_shim(env, port)
    shim = Shim(started.url, read_token(env))
    original = turn_of(options.turn, shim.url, shim.token)
    prices = shipped_prices(sources.rows.rows)
    typer.echo(_estimate(env, original, routes, prices), err=True)
    answers: list[Answer] = []
    is_whole = True
    try:
        asyncio.run(ask_models(shim, original, routes, answers, _say_end))
    except KeyboardInterrupt:
        is_whole = False
    recorded = [original.answer] if original.answer else []
    complete((*recorded, *answers), sources.table(), prices)
    _show(env, options, original, answers)
    if not is_whole:
        return INTERRUPTED
    return 0 if all(one.is_complete for one in answers) else 1


def _check_page(path: Path | None) -> None:
    if path is None:
        return
    if os.path.lexists(path):
        msg = f"{path} exists, and is not overwritten"
        raise CliError(msg, "Name another file, or use the state folder: --open")
    if not path.absolute().parent.is_dir():
        msg = f"the folder of {path} does not exist"
        raise CliError(msg, "Name a file in a folder that exists, or use the state folder: --open")


def _routes(table: RouteTable, names: Sequence[str]) -> list[Route]:
    if not names:
        msg = "no model is named"
        raise UsageProblem(msg, "Name one or more: codex-shim what-if LAST --as MODEL")
    found = {route.slug: route for route in (find_route(table, name) for name in names)}
    if len(found) > MAX_MODELS:
        msg = f"{len(found)} models are named, and {MAX_MODELS} can be compared"
        raise UsageProblem(msg, "Name fewer: codex-shim what-if LAST --as MODEL")
    return list(found.values())


def _estimate(
    env: Mapping[str, str], original: Original, routes: Sequence[Route], prices: PriceTable
) -> str:
    """Return what the answers may cost, as budgets estimate it."""
    try:
        means = OutputMeans(read_outputs(ledger_file(env), time.time()))
    except (sqlite3.Error, OSError):
        means = OutputMeans()
    tokens = estimated_tokens(original.body)
    each = ", ".join(_costs(routes, prices, means, tokens))
    models = counted(len(routes), "model")
    return f"Asking {models}, with about {tokens:,} tokens of input each: {each}. No tool is run."


def _costs(
    routes: Sequence[Route], prices: PriceTable, means: OutputMeans, tokens: int
) -> Iterator[str]:
    for route in routes:
        price = prices.find(route.slug, route.model)
        if route.provider in PLAN_ROUTES:
            yield f"{route.slug} on its plan"
        elif price is None:
            yield f"{route.slug} at an unknown price"
        else:
            output = means.expected((route.provider, route.model))
            amount = cost_of({"input": tokens, "output": output}, price).dollars
            yield f"{route.slug} about {dollars(amount or 0.0)}"


def _say_end(answer: Answer) -> None:
    line = f"{answer.slug}: {outcome(answer)}, {seconds(answer.seconds)}"
    typer.echo(printable_line(line), err=True)


def _show(
    env: Mapping[str, str],
    options: WhatIfOptions,
    original: Original,
    answers: Sequence[Answer],
) -> None:
    if options.as_json:
        recorded = original.answer.plain() if original.answer else None
        found = {"turn": original.id, "original": recorded, "answers": [one.plain() for one in answers]}  # fmt: skip
        # as ASCII: a text of a model may hold what a terminal acts on
        typer.echo(json.dumps(found))
    else:
        from shim_cli.what_if.terminal import write_comparison  # noqa: PLC0415  it takes 90 ms

        write_comparison(env, original.answer, answers)
    if options.html or options.opens_page:
        _write_page(env, options, original, answers)


def _write_page(
    env: Mapping[str, str],
    options: WhatIfOptions,
    original: Original,
    answers: Sequence[Answer],
) -> None:
    page = comparison_page(original, answers, time.strftime("%Y-%m-%d %H:%M:%S"))
    path = options.html or page_path(env, original.id)
    try:
        if options.html:
            write_atomic(path, page.encode())
        else:
            write_page(path, page)
    except FileAccessError as error:
        raise CliError(str(error), STATE_FOLDER_ADVICE) from error
    typer.echo(f"Page: {path}", err=True)
    if options.opens_page and not is_headless(env):
        open_url(path.absolute().as_uri())
