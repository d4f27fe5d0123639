"""`codex-shim doctor models`: every model with where it goes, what it can do, and why it is hidden if it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from addons.core.byok_catalog import offered_levels
from addons.core.model_row import ModelRow
from addons.core.routes import Route
from addons.core.target import Target
from shim_cli.doctor.finding import Finding, Found, Subject
from shim_cli.doctor.rows import key_words


def model_findings(subject: Subject) -> list[Finding]:
    """Look at every route of the table."""
    sources = subject.sources
    if isinstance(sources, str):
        return [Finding("Models", "FAIL", sources, "codex-shim doctor")]
    rows: Mapping[str, ModelRow] = {row.slug: row for row in sources.rows.rows}
    return [
        Finding(route.slug, *found)
        for route in sources.table().routes.values()
        for found in _route(route, rows.get(route.slug), str(sources.chatgpt_origin))
    ]


def _route(route: Route, row: ModelRow | None, chatgpt: str) -> Iterator[Found]:
    if route.live:
        yield "OK", f"{route.display_name}: {route.model} by {route.provider}"
    else:
        yield "INFO", f"hidden: {route.hidden_because}"
    if row and row.target:
        yield from _row(row, row.target)
    elif route.provider == "chatgpt":
        yield "INFO", f"byte for byte to {chatgpt}"
    window = route.entry.get("context_window")
    if isinstance(window, int):
        yield "INFO", f"context window {window:,} tokens"


def _row(row: ModelRow, target: Target) -> Iterator[Found]:
    keys = ", ".join(key_words(slot) for slot in row.keys) or "no key"
    yield "INFO", f"{target.dialect} at {target.origin}, {keys}"
    levels = ", ".join(offered_levels(target)) or "none to choose"
    yield "INFO", f"reasoning: {levels}; images: {'yes' if target.images else 'no'}"
    if row.fallback:
        yield "INFO", f"when it cannot answer: {', '.join(row.fallback)}"
