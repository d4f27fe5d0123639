"""Section "Settings": is models.json valid, and is each of its rows usable?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from addons.adapters.api_keys import is_open_to_others
from addons.adapters.otel.start import key_file
from addons.adapters.route_sources import own_ports
from addons.adapters.system.files import CachedFile, FileAccessError
from addons.adapters.system.paths import settings_file
from addons.core.settings.key_refs import FileKey
from addons.core.settings.models_file import ModelRows, parse_models
from addons.core.settings.privacy import Privacy
from addons.core.settings.root import parse_settings
from addons.core.settings.traces import Traces
from addons.core.settings.upstream_url import EndpointRules
from shim_cli.doctor.finding import CheckResult, DoctorContext
from shim_cli.doctor.rows import readable_by_others, row_findings


def settings(context: DoctorContext) -> Iterator[CheckResult]:
    """Check models.json as the proxy reads it."""
    path = settings_file(context.env, context.settings)
    try:
        data = CachedFile(path).read()
    except FileAccessError as error:
        yield "FAIL", str(error), context.shell.show(str(path))
        return
    if data is None:
        yield from _missing(context)
        return
    rows = parse_models(data, str(path), EndpointRules(own_ports=own_ports(context.env)))
    found = parse_settings(data, str(path), context.env)
    own = found.problems
    for problem in own:
        yield "FAIL", problem, _remedy(problem, path, context)
    for problem in _row_problems(rows, context):
        yield "FAIL", problem, context.shell.edit(str(path))
    if not own and not rows.problems:
        yield "OK", f"{path}"
    yield from row_findings(rows, path, context.env, context.shell)
    yield from _privacy(found.privacy, rows, path, context)
    yield from _trace_headers(found.traces, rows, path, context)


def _privacy(
    privacy: Privacy, rows: ModelRows, path: Path, context: DoctorContext
) -> Iterator[CheckResult]:
    """Say what the privacy gate replaces."""
    if privacy.is_broken:
        yield (
            "FAIL",
            "privacy gate: on, but its settings cannot be read: no turn is sent",
            context.shell.edit(str(path)),
        )
    elif privacy.is_on:
        exempt = ", ".join(row.slug for row in rows.rows if not row.privacy)
        yield (
            "OK",
            f"privacy gate: on ({privacy.shown})" + (f"; off for {exempt}" if exempt else ""),
        )


def _trace_headers(
    traces: Traces, rows: ModelRows, path: Path, context: DoctorContext
) -> Iterator[CheckResult]:
    """Check where the values of `traces.headers` are: each may be a key."""
    holds_key = traces.holds_key and not any(row.holds_key for row in rows.rows)
    files = [
        key_file(ref, context.env, path.parent)
        for _, ref in traces.headers
        if isinstance(ref, FileKey)
    ]
    for file in (*((path,) if holds_key else ()), *files):
        if is_open_to_others(file):
            yield readable_by_others(file, context.shell)


def _remedy(problem: str, path: Path, context: DoctorContext) -> str:
    """Return what ends a problem: of a variable of the environment, or of the file."""
    name = problem.partition(":")[0]
    return context.shell.unset(name) if name in context.env else context.shell.edit(str(path))


def _missing(context: DoctorContext) -> Iterator[CheckResult]:
    path = settings_file(context.env, context.settings)
    for problem in parse_settings(None, str(path), context.env).problems:
        yield "FAIL", problem, _remedy(problem, path, context)
    if context.settings or context.env.get("CODEX_SHIM_SETTINGS"):
        yield (
            "FAIL",
            f"{path} does not exist, but --settings or CODEX_SHIM_SETTINGS names it",
            "codex-shim doctor --settings PATH",
        )
    else:
        yield "INFO", f"{path} does not exist: no models of your own"


def _row_problems(rows: ModelRows, context: DoctorContext) -> Iterator[str]:
    """Yield the problems of rows, including fallbacks to unknown models."""
    yield from rows.problems
    if not isinstance(context.sources, str):
        sources = context.sources
        known = {*sources.settings.problems, *sources.cursor.settings.problems}
        yield from (each for each in context.sources.problems if each not in known)
