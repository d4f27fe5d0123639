"""Section "Catalog": would Codex start with the generated catalog, and is the catalog up to date?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from addons.adapters.codex.accepted_models import UPDATE
from addons.adapters.codex.cli import CodexCliError
from addons.adapters.system.files import CachedFile, FileAccessError
from addons.core.codex.catalog import catalog_problems
from addons.core.routes import Route
from shim_cli.console.format import model_count
from shim_cli.doctor.finding import CheckResult, DoctorContext

MAX_SLUGS = 3
"""How many slugs are listed; the rest are counted."""


def catalog(context: DoctorContext) -> Iterator[CheckResult]:
    """Check the catalog file."""
    path, advice = context.catalog, context.write_catalog
    try:
        data = CachedFile(path).read()
        parsed = None if data is None else orjson.loads(data)
    except FileAccessError as error:
        yield "FAIL", str(error), advice
        return
    except orjson.JSONDecodeError:
        yield "FAIL", f"{path} is not JSON: Codex would not start with it", advice
        return
    if data is None and path == context.config.catalog:
        yield "FAIL", f"{path} does not exist: Codex does not start", advice
        return
    if data is None:
        yield "WARN", f"{path} does not exist yet", advice
        return
    yield from _content(context, path, data, parsed)


def _content(context: DoctorContext, path: Path, data: bytes, parsed: Any) -> Iterator[CheckResult]:
    refusals = list(_rejections(context, data, parsed))
    for refusal in refusals:
        yield "FAIL", f"{path}: {refusal}: Codex would not start with it", context.write_catalog
    if not refusals:
        yield "OK", f"{path}, {model_count(len(parsed['models']))}"
        yield from _changes(context, parsed)


def _rejections(context: DoctorContext, data: bytes, parsed: object) -> Iterator[str]:
    """Yield why Codex would reject the catalog: by the built-in rules, then by the installed binary."""
    problems = [str(problem) for problem in catalog_problems(parsed)]
    yield from problems
    if context.codex and not problems:
        try:
            refusal = context.codex.catalog_error(data)
        except CodexCliError:
            # Reported by the section "Codex CLI".
            return
        if refusal:
            yield refusal


def _changes(context: DoctorContext, catalog: Any) -> Iterator[CheckResult]:
    if isinstance(context.sources, str):
        return
    live = context.sources.table().live
    written = {str(entry["slug"]): entry for entry in catalog["models"]}
    offered = [route.slug for route in live]
    new = [slug for slug in offered if slug not in written]
    refused = context.refused if new else {}
    for slug in refused:
        yield "WARN", f"{slug} is not in it: {refused[slug]}", UPDATE
    new = [slug for slug in new if slug not in refused]
    gone = [slug for slug in written if slug not in offered]
    other_levels = _with_other_levels(live, written, context.codex_version)
    changes = [
        f"{_list(slugs)} {what}"
        for slugs, what in (
            (new, "not in it"),
            (gone, "no longer offered"),
            (other_levels, f"in it with other reasoning levels{_made_for(context, catalog)}"),
        )
        if slugs
    ]
    if changes:
        yield "WARN", f"it is out of date: {'; '.join(changes)}", context.write_catalog


def _with_other_levels(
    live: Sequence[Route], written: Mapping[str, Any], version: str
) -> list[str]:
    """Return the slugs whose levels in the file are not those that this version of Codex should get."""
    if not version:
        return []
    wanted = {route.slug: route.entry_for(version) for route in live if route.slug in written}
    return [slug for slug in wanted if _levels(wanted[slug]) != _levels(written[slug])]


def _levels(entry: Mapping[str, Any]) -> list[object]:
    levels = entry.get("supported_reasoning_levels")
    return [each.get("effort") for each in levels] if isinstance(levels, list) else []


def _made_for(context: DoctorContext, catalog: Any) -> str:
    version = catalog.get("client_version")
    if not isinstance(version, str) or version == context.codex_version:
        return ""
    return f" (for Codex {version}; {context.codex_version} is installed)"


def _list(slugs: list[str]) -> str:
    more = len(slugs) - MAX_SLUGS
    named = ", ".join(slugs[:MAX_SLUGS]) + (f" and {more} more" if more > 0 else "")
    return f"{named} {'is' if len(slugs) == 1 else 'are'}"
