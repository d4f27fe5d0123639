"""The metrics of this process, for GET /metrics.

Never does: read the ledger. Invariant: nothing is counted until the first request for the metrics, so that a
turn costs nothing more where nobody asks for them; that first answer has every counter at its start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from addons.adapters.ledger.usage_report import shipped_prices
from addons.core.settings.models_file import ModelRows
from addons.core.telemetry.metrics import Family, Sample, TurnMetrics, gauge
from addons.core.telemetry.prices import PLAN_ROUTES, PriceTable
from addons.core.telemetry.record import TurnRecord
from addons.core.version import VERSION


@dataclass(frozen=True, slots=True)
class MetricsSources:
    """What the process knows now."""

    running: Callable[[], int]
    idle_connections: Callable[[], int]
    circuits: Callable[[], Sequence[object]]
    """The circuits that are not closed."""
    budgets: Callable[[], Sequence[Mapping[str, object]]]
    quota: Callable[[], Mapping[str, Sequence[Mapping[str, object]]]]
    rows: Callable[[], ModelRows]


class ProcessMetrics:
    """One per process. Lives on the event loop."""

    def __init__(self, sources: MetricsSources, clock: Callable[[], float] = time.time) -> None:
        self._sources = sources
        self._started = clock()
        self._turns = TurnMetrics()
        self._priced: tuple[ModelRows, PriceTable] | None = None
        self.is_counting = False
        """Whether `note` has to be called for each turn that ends."""

    def note(self, record: TurnRecord) -> None:
        """Count a turn that has ended."""
        self._turns.note(record, self._dollars(record))

    def families(self) -> list[Family]:
        """Return all metrics, and count turns from now on."""
        self.is_counting = True
        return [*self._turns.families(), *self._state(), *self._budgets(), self._windows()]

    def _state(self) -> list[Family]:
        sources = self._sources
        running, idle = Sample(sources.running()), Sample(sources.idle_connections())
        circuits, started = Sample(len(sources.circuits())), Sample(self._started)
        build = Sample(1, {"version": VERSION})
        return [
            gauge("codex_shim_running_turns", "Turns that run now.", running),
            gauge("codex_shim_idle_connections", "Idle connections to upstreams.", idle),
            gauge("codex_shim_open_circuits", "Upstreams that are not asked for now.", circuits),
            gauge("codex_shim_start_time_seconds", "When the process started, as Unix time.", started),
            gauge("codex_shim_build_info", "The version of codex-shim.", build),
        ]  # fmt: skip

    def _budgets(self) -> list[Family]:
        spent, limits = [], []
        for budget in self._sources.budgets():
            labels = {name: str(budget[name]) for name in ("name", "per", "unit")}
            labels["budget"] = labels.pop("name")
            spent.append(Sample(cast("float", budget["spent"]), labels))
            limits.append(Sample(cast("float", budget["limit"]), labels))
        return [
            gauge("codex_shim_budget_spent", "Spent of a budget of models.json.", *spent),
            gauge("codex_shim_budget_limit", "The limit of a budget of models.json.", *limits),
        ]

    def _windows(self) -> Family:
        samples = [
            Sample(percent, {"route": route, "window": str(window.get("name", ""))})
            for route, windows in self._sources.quota().items()
            for window in windows
            if isinstance(percent := window.get("used_percent"), int | float)
        ]
        text = "Used share of a rate-limit window, as the upstream reported it."
        return gauge("codex_shim_window_used_percent", text, *samples)

    def _dollars(self, record: TurnRecord) -> float | None:
        if record.usage is None or not record.route or record.route in PLAN_ROUTES:
            return None
        rows = self._sources.rows()
        if self._priced is None or self._priced[0] is not rows:
            self._priced = rows, shipped_prices(rows.rows)
        price = self._priced[1].find(record.row, record.model)
        return price.cost(record.usage.plain()) if price else None
