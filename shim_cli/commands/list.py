"""`codex-shim list`: the route table, as the proxy builds it.

Never does: send a request to an upstream. The installed cursor-agent is run, for its login status, and a running shim is
asked which upstreams do not answer now.
Invariant: a hidden model is shown with the reason, or not at all.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from shim_cli.console.errors import NO_MODEL_ADVICE
from shim_cli.console.outputs import echo
from shim_cli.console.terminal import fitted, is_terminal
from shim_cli.state.list_cache import ListingInputs, RecordingEnv, load_listing, save_listing
from shim_cli.state.listing import ListedModel, Listing
from shim_cli.state.run_state import live_ports, run_dir

if TYPE_CHECKING:
    from shim_cli.console.tables import Column, Row

NO_CURSOR = "cursor-agent is not installed"
INDENT = 2
"""Blanks before what follows the first line of a text."""
DEMO = "demo"
"""The provider of the demo model. That it is hidden is no news: other models are available."""


def write_list(
    env: Mapping[str, str], settings: Path | None, *, show_all: bool, as_json: bool
) -> int:
    """Write the live models, or all of them. Return the exit code: 1 if no model is live."""
    listing = load_listing(env, settings) or _build(env, settings)
    for problem in listing.problems:
        echo(f"codex-shim: {problem}", err=True)
    models = listing.models if show_all else listing.live
    if as_json:
        echo(json.dumps([asdict(model) for model in models], ensure_ascii=False))
    else:
        if models and is_terminal():
            _write_table(env, models)
        else:
            _echo(format_lines(models))
        # on stdout only for `--all`: otherwise it holds the models alone
        worth = (
            listing.models if show_all else [each for each in listing.models if _is_missed(each)]
        )
        stream = sys.stdout if show_all else sys.stderr
        gate = [f"privacy gate: {listing.privacy}"] if listing.privacy else []
        below = (*hidden_lines(worth), *_unavailable_lines(env), *gate)
        _echo([fitted(line, INDENT, stream) for line in below], err=not show_all)
    if listing.live:
        return 0
    echo(f"codex-shim: no model is available\n{NO_MODEL_ADVICE}", err=True)
    return 1


def format_lines(models: Sequence[ListedModel]) -> list[str]:
    """Return one line per model, and below it who describes pictures for it and what was learnt of its upstream."""
    width = max((len(model.slug) for model in models), default=0)
    lines = []
    for model in models:
        upstream = f"{model.model} ({', '.join(model.answered_by)})"
        state = "" if model.live else "  (hidden)"
        lines.append(f"{model.slug:<{width}}  {model.display_name}  ->  {upstream}{state}")
        if model.vision:
            lines.append(f"{'':<{width}}  pictures: described by {model.vision}")
        if model.learnt:
            lines.append(f"{'':<{width}}  learnt: {'; '.join(model.learnt)}")
    return lines


def _write_table(env: Mapping[str, str], models: Sequence[ListedModel]) -> None:
    from shim_cli.console.tables import terminal_console, write_table  # noqa: PLC0415

    write_table(terminal_console(env), *model_table(models))


def model_table(models: Sequence[ListedModel]) -> tuple[list[Column], list[Row]]:
    """Return the table for a terminal: a hidden model is dim and has no context."""
    from shim_cli.console.tables import Column, Row  # noqa: PLC0415

    columns = [
        Column("model", is_key=True, style="cyan"),
        Column("name"),
        Column("context", number=True),
        Column("provider"),
        Column("sent as", is_optional=True),
        Column("to", is_optional=True),
    ]
    rows = [
        Row(
            (
                model.slug,
                model.display_name,
                f"{model.context_window:,}" if model.live and model.context_window else "hidden",
                ", ".join(model.credited),
                model.model,
                model.upstream,
            ),
            style="" if model.live else "dim",
        )
        for model in models
    ]
    return columns, rows


def _is_missed(model: ListedModel) -> bool:
    """Return whether its absence is news. Without cursor-agent, Cursor is not worth a line."""
    return model.provider != DEMO and not model.hidden_because.startswith(NO_CURSOR)


def _echo(lines: Sequence[str], *, err: bool = False) -> None:
    for line in lines:
        echo(line, err=err)


def hidden_lines(models: Sequence[ListedModel]) -> list[str]:
    """Return one line per reason why models are hidden: `12 ChatGPT models hidden: The login has expired. …`."""
    groups: dict[tuple[str, str], list[str]] = {}
    for model in models:
        if not model.live:
            groups.setdefault((model.provider, model.hidden_because), []).append(model.slug)
    return [
        f"{_names(provider, slugs)} hidden: {reason}"
        for (provider, reason), slugs in groups.items()
    ]


def _unavailable_lines(env: Mapping[str, str]) -> list[str]:
    """Return what running shims do not ask now, and who answers meanwhile."""
    ports = live_ports(run_dir(env))
    if not ports:
        return []
    # imports the HTTP client of the standard library
    from shim_cli.state.health import probe  # noqa: PLC0415

    return list(dict.fromkeys(text for port in ports for text in probe(port).unavailable))


_BRANDS = {"chatgpt": "ChatGPT", "cursor": "Cursor"}


def _names(provider: str, slugs: Sequence[str]) -> str:
    brand = _BRANDS.get(provider, provider)
    return slugs[0] if len(slugs) == 1 else f"{len(slugs)} {brand} models"


def _build(env: Mapping[str, str], settings: Path | None) -> Listing:
    # Imports of 100 ms and more, not needed while the cached listing is valid.
    from addons.adapters.codex.keyring_entry import FRESH_SECONDS  # noqa: PLC0415
    from addons.adapters.codex.login_file import LoginStore  # noqa: PLC0415
    from addons.core.codex.login import Login  # noqa: PLC0415
    from shim_cli.state.sources import open_sources, refresh_cursor_login  # noqa: PLC0415

    recorded = RecordingEnv(env)
    sources = open_sources(recorded, settings)
    refresh_cursor_login(sources)
    listing = Listing.of(sources)
    login = sources.logins.current()
    ends = (
        login.expires_at if isinstance(login, Login) else None,
        sources.cursor.agent.fresh_until,
    )
    # no file shows that a keyring has changed
    keyring_end = time.time() + FRESH_SECONDS if LoginStore(recorded).uses_keyring() else None
    until = min((end for end in (*ends, keyring_end) if end is not None), default=None)
    sources.cursor.agent.save()
    inputs = ListingInputs([str(file) for file in sources.files], list(recorded.names), until)
    save_listing(listing, inputs, env, settings)
    return listing
