"""The Cursor route, as the route table has it."""

from __future__ import annotations

from collections.abc import Iterator

from shim_cli.defaults import models
from shim_cli.doctor.finding import Found, Subject


def cursor(subject: Subject) -> Iterator[Found]:
    """Look at the routes that go to Cursor."""
    sources = subject.sources
    if isinstance(sources, str):
        return
    routes = [route for route in sources.table().routes.values() if route.provider == "cursor"]
    live = [route for route in routes if route.live]
    if live:
        yield "OK", f"{models(len(live))}: {', '.join(route.slug for route in live)}"
        return
    reason = sources.reasons.get("cursor") or next((r.hidden_because for r in routes), "")
    yield "INFO", reason or "no Cursor model is offered"
