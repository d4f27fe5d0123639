"""The Cursor routes: the binary, its login, what Cursor may do, and whether it has the models.

Never does: log in, run a turn. Invariant: what it says of the login is what the route table goes by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from addons.core.cursor.catalog import policy
from addons.core.cursor.status import DISABLED, NOT_FOUND, ON_WINDOWS, listed_models
from addons.core.errors import Problem
from addons.origins.cursor import CursorRoutes
from shim_cli.defaults import models
from shim_cli.doctor.finding import Found, Subject

CHOSEN = (DISABLED, NOT_FOUND, ON_WINDOWS)
"""Not to have Cursor is no fault."""


def cursor(subject: Subject) -> Iterator[Found]:
    """Look at the routes that go to Cursor."""
    sources = subject.sources
    if isinstance(sources, str):
        return
    agent = sources.cursor.agent
    for problem in sources.cursor.settings.problems:
        yield "WARN", problem, f"unset {problem.partition(':')[0]}"
    if agent.available in CHOSEN:
        yield "INFO", agent.available.reason
        return
    if agent.available.reason:
        yield "WARN", agent.available.reason, _advice(agent.available.binary)
        return
    live = [route.slug for route in sources.table().live if route.provider == "cursor"]
    yield "OK", f"{models(len(live))}: {', '.join(live)}, through {agent.available.binary}"
    yield "INFO", policy(sources.cursor.settings)
    yield from _workspace(sources.cursor)
    yield from _models(sources.cursor)


def _advice(binary: str) -> str:
    return f"{binary} login" if binary else "unset CURSOR_AGENT_BIN"


def _workspace(cursor: CursorRoutes) -> Iterator[Found]:
    named = cursor.settings.workspace
    if not named:
        yield "INFO", "it works in the folder that Codex names, else where the shim was started"
        return
    folder = cursor.workspaces.choose(None)
    if isinstance(folder, Problem):
        yield "FAIL", folder.message, "unset CODEX_SHIM_CURSOR_WORKSPACE"
    else:
        yield "INFO", f"it works in {folder} alone"


def _models(cursor: CursorRoutes) -> Iterator[Found]:
    try:
        listed = listed_models(asyncio.run(cursor.agent.models()))
    except (OSError, TimeoutError):
        yield "INFO", "Cursor does not say which models it has"
        return
    settings = cursor.settings
    for model in (settings.model, settings.fast_model):
        if listed and model not in listed:
            yield "WARN", f"Cursor does not list the model {model}", "cursor-agent models"
