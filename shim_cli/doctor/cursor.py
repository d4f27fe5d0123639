"""Section "Cursor passthrough": the binary, its login, its permissions and its models.

Never does: log in, run a turn. Invariant: it reports the login status that the route table uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from addons.adapters.cursor.routes import CursorRoutes
from addons.core.cursor.catalog import describe_policy
from addons.core.cursor.status import DISABLED, NOT_FOUND, ON_WINDOWS, listed_models
from addons.core.errors import Problem
from shim_cli.console.format import model_count
from shim_cli.doctor.finding import CheckResult, DoctorContext

OPTIONAL = (DISABLED, NOT_FOUND, ON_WINDOWS)
"""Cursor is optional: these states are not problems."""


def cursor(context: DoctorContext) -> Iterator[CheckResult]:
    """Check the Cursor routes."""
    sources = context.sources
    if isinstance(sources, str):
        return
    agent = sources.cursor.agent
    for problem in sources.cursor.settings.problems:
        yield "WARN", problem, f"unset {problem.partition(':')[0]}"
    if agent.available in OPTIONAL:
        yield "INFO", agent.available.reason
        return
    if agent.available.reason:
        yield "WARN", agent.available.reason, _advice(agent.available.binary)
        return
    live = [route.slug for route in sources.table().live if route.provider == "cursor"]
    yield "OK", f"{model_count(len(live))}: {', '.join(live)}, through {agent.available.binary}"
    yield "INFO", describe_policy(sources.cursor.settings)
    yield from _workspace(sources.cursor)
    yield from _models(sources.cursor)


def _advice(binary: str) -> str:
    return f"{binary} login" if binary else "unset CURSOR_AGENT_BIN"


def _workspace(cursor: CursorRoutes) -> Iterator[CheckResult]:
    named = cursor.settings.workspace
    if not named:
        yield (
            "INFO",
            "it works in the folder that Codex sends, else in the folder where the shim was started",
        )
        return
    folder = cursor.workspaces.choose(None)
    if isinstance(folder, Problem):
        yield "FAIL", folder.message, "unset CODEX_SHIM_CURSOR_WORKSPACE"
    else:
        yield "INFO", f"it works only in {folder}"


def _models(cursor: CursorRoutes) -> Iterator[CheckResult]:
    try:
        listed = listed_models(asyncio.run(cursor.agent.models()))
    except (OSError, TimeoutError):
        yield "INFO", "cursor-agent did not list its models"
        return
    settings = cursor.settings
    for model in (settings.model, settings.fast_model):
        if listed and model not in listed:
            yield "WARN", f"cursor-agent does not list the model {model}", "cursor-agent models"
