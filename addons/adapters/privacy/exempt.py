"""Which turns the user lets pass the gate as they are: those of rows with `privacy: false`, such as models of this machine.

Never does: look at a text. Invariant: a turn is exempt only if every model that may answer it is one of these rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from addons.core.codex.threads import SUB_AGENT, USER, agent_of
from addons.core.protocols.request_body import find_model
from addons.core.routes import Route, RouteTable
from addons.core.settings.models_file import ModelRows
from addons.core.turn import ClientRequest


class Sources(Protocol):
    """Where routes and rows come from."""

    @property
    def rows(self) -> ModelRows:
        """The rows as they are now."""

    def table_for(self, slug: str, /) -> RouteTable:
        """Return a table in which this slug is as it is in that of all routes."""

    def fallbacks_of(self, slug: str) -> Sequence[str]:
        """Return the slugs of the fallbacks of a slug."""

    def is_row(self, route: Route) -> bool:
        """Return whether a route is that of a row, and not one of an account with the same slug."""


def is_exempt(request: ClientRequest, sources: Sources, max_bytes: int) -> bool:
    """Return whether a turn may pass as it is."""
    exempt = {row.slug for row in sources.rows.rows if not row.privacy}
    if not exempt:
        return False
    slug = find_model(request.body, request.header(b"content-encoding"), max_bytes)
    if not isinstance(slug, str) or agent_of(request, slug) not in (USER, SUB_AGENT):
        # a helper call may be given to any model
        return False
    waiting, seen = [slug], set[str]()
    while waiting:
        route = sources.table_for(name := waiting.pop()).resolve(name)
        if route is None or not route.live or route.slug not in exempt or not sources.is_row(route):
            return False
        if route.slug not in seen:
            seen.add(route.slug)
            waiting += sources.fallbacks_of(route.slug)
    return True
