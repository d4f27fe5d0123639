"""The label of an upstream: what the pages and the commands call the one that answers.

A row's `description`, else the provider's name at the provider's own address, else address and protocol, such as
`127.0.0.1:8080 (chat)`. Never does: name a setting, hold a path or a query. Invariant: a label is one printable line.
"""

from __future__ import annotations

from addons.core.routes import RouteTable, provider_name, route_label
from addons.core.settings.presets import family_for, is_own_address, preset_for
from addons.core.settings.row import ModelRow
from addons.core.turn import printable

MAX_LABEL = 80


def row_label(row: ModelRow) -> str:
    """Return the label of the upstream of a row."""
    if row.description:
        return printable(row.description)[:MAX_LABEL]
    if row.target is None:
        return provider_name(row.provider)
    origin = row.target.origin
    preset = preset_for(family_for(row.provider, origin.host))
    if is_own_address(preset, origin):
        return provider_name(preset.name)
    return f"{origin.authority} ({row.target.protocol})"


class RouteLabels:
    """The labels of one route table, for records that name provider and model."""

    def __init__(self, table: RouteTable) -> None:
        self.table = table
        self._by_model: dict[tuple[str, str], str] = {}
        self._by_provider: dict[str, set[str]] = {}
        for route in table.routes.values():
            label = route_label(route)
            self._by_model.setdefault((route.provider, route.model), label)
            self._by_provider.setdefault(route.provider, set()).add(label)

    def of_turn(self, slug: str, provider: str, model: str) -> str:
        """Return who answered a turn: the route of its slug, or the fallback that took over; empty if none did."""
        route = self.table.resolve(slug)
        if route and (route.provider, route.model) == (provider, model):
            return route_label(route)
        return self._by_model.get((provider, model)) or provider_name(provider)

    def of_provider(self, provider: str) -> str:
        """Return the label that all models of a provider have, else the provider's name."""
        labels = self._by_provider.get(provider, set())
        return next(iter(labels)) if len(labels) == 1 else provider_name(provider)
