"""`codex-shim doctor models`: each model with its upstream, its abilities and the reason if it is hidden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from addons.adapters.codex.account_routes import AccountRoutes
from addons.core.codex.row_catalog import offered_levels
from addons.core.routes import Route, route_label
from addons.core.settings.row import ModelRow
from addons.core.upstream.target import Target
from addons.core.upstream.traits import Traits, row_field_against
from shim_cli.doctor.finding import CheckResult, DoctorContext, Finding
from shim_cli.doctor.rows import describe_key


def model_findings(context: DoctorContext) -> list[Finding]:
    """Check every route of the table."""
    sources = context.sources
    if isinstance(sources, str):
        return [Finding("Models", "FAIL", sources, "codex-shim doctor")]
    rows: Mapping[str, ModelRow] = {row.slug: row for row in sources.rows.rows}
    table, store = sources.table(), sources.row_routes.traits
    findings = []
    for route in table.routes.values():
        row = rows.get(route.slug)
        found = [*_route(route, row, sources.account)]
        if row and row.target:
            found += _learnt(row.slug, row.target, store.current(row.target.traits_scope))
        findings += [Finding(route.slug, *one) for one in found]
    return findings


def _learnt(slug: str, target: Target, traits: Traits) -> Iterator[CheckResult]:
    """Report each fact with its date and the refusal that taught it."""
    forget = f"codex-shim model forget {slug}"
    for trait in traits.entries.values():
        day = datetime.fromtimestamp(trait.since, UTC).date()
        quote = f': "{" ".join(trait.refusal_text.split())}"' if trait.refusal_text else ""
        if field := row_field_against(target, trait):
            yield "INFO", f"not applied, because the row sets {field}: {trait.description}{quote}"
            continue
        yield "INFO", f"{trait.source} {day}: {trait.description}{quote}", forget
    if traits.refused_items:
        count = len(traits.refused_items)
        yield "INFO", f"{count} refused pictures or reasoning blocks are not sent again", forget


def _route(route: Route, row: ModelRow | None, account: AccountRoutes) -> Iterator[CheckResult]:
    name, origin = account.service
    if route.live:
        yield "OK", f"{route.display_name}: {route.model} by {route_label(route)}"
    else:
        yield "INFO", f"hidden: {route.unavailable_reason}"
    if row and row.target:
        yield from _row(row, row.target, route.vision)
    elif route.provider == name:
        login = f" with the {account.login_name}" if route.live else ""
        yield "INFO", f"forwarded unchanged to {origin}{login}"
    window = route.entry.get("context_window")
    if isinstance(window, int):
        yield "INFO", f"context window {window:,} tokens"


def _row(row: ModelRow, target: Target, vision: str) -> Iterator[CheckResult]:
    keys = ", ".join(describe_key(slot) for slot in row.keys) or "no key"
    yield "INFO", f"{target.protocol} at {target.origin}, {keys}"
    levels = ", ".join(offered_levels(target)) or "not configurable"
    images = f"described by {vision}" if vision else "yes" if target.images else "no"
    yield "INFO", f"reasoning: {levels}; images: {images}"
    if row.fallback:
        yield "INFO", f"fallback: {', '.join(row.fallback)}"
