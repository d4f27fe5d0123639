"""The catalog that `generate` wrote: would Codex start with it, and does it still name what is offered?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from addons.core.catalog import problems_of
from addons.origins.codex_cli import CodexCliError
from addons.origins.files import CachedFile, FileAccessError
from addons.origins.fitting import UPDATE
from addons.origins.paths import catalog_file
from shim_cli.defaults import models
from shim_cli.doctor.finding import Found, Subject

AGAIN = "codex-shim generate"
SHOWN = 3
"""How many slugs are named before the rest is counted."""


def catalog(subject: Subject) -> Iterator[Found]:
    """Read the file as Codex would."""
    path = catalog_file(subject.env)
    try:
        data = CachedFile(path).read()
        parsed = None if data is None else orjson.loads(data)
    except FileAccessError as error:
        yield "FAIL", str(error), AGAIN
        return
    except orjson.JSONDecodeError:
        yield "FAIL", f"{path} is not JSON: Codex would not start with it", AGAIN
        return
    if data is None:
        yield "WARN", f"{path} does not exist yet", AGAIN
        return
    yield from _judged(subject, path, data, parsed)


def _judged(subject: Subject, path: Path, data: bytes, parsed: Any) -> Iterator[Found]:
    refusals = list(_refusals(subject, data, parsed))
    for refusal in refusals:
        yield "FAIL", f"{path}: {refusal}: Codex would not start with it", AGAIN
    if not refusals:
        yield "OK", f"{path}, {models(len(parsed['models']))}"
        yield from _stale(subject, [str(entry["slug"]) for entry in parsed["models"]])


def _refusals(subject: Subject, data: bytes, parsed: object) -> Iterator[str]:
    """Why Codex would refuse it: the installed binary has the last word, our rules the first."""
    problems = [str(problem) for problem in problems_of(parsed)]
    yield from problems
    if subject.codex and not problems:
        try:
            refusal = subject.codex.refusal_of(data)
        except CodexCliError:
            # the Codex section tells of it
            return
        if refusal:
            yield refusal


def _stale(subject: Subject, written: list[str]) -> Iterator[Found]:
    if isinstance(subject.sources, str):
        return
    offered = [route.slug for route in subject.sources.table().live]
    new = [slug for slug in offered if slug not in written]
    refused = subject.refused if new else {}
    for slug in refused:
        yield "WARN", f"{slug} is not in it: {refused[slug]}", UPDATE
    new = [slug for slug in new if slug not in refused]
    gone = [slug for slug in written if slug not in offered]
    changes = [
        f"{_some(slugs)} {what}"
        for slugs, what in ((new, "not in it"), (gone, "no longer offered"))
        if slugs
    ]
    if changes:
        yield "WARN", f"it is out of date: {'; '.join(changes)}", AGAIN


def _some(slugs: list[str]) -> str:
    more = len(slugs) - SHOWN
    named = ", ".join(slugs[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"{named} {'is' if len(slugs) == 1 else 'are'}"
