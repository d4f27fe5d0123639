"""The metrics of a process: what is counted from when, and what the gauges show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from addons.adapters.web.metrics import MetricsSources, ProcessMetrics
from addons.core.settings.models_file import parse_models
from addons.core.telemetry.metrics import exposition
from addons.core.version import VERSION
from tests.adapters.records import turn
from tests.strict.prometheus import parse_openmetrics

BUDGET: Mapping[str, object] = {"name": "day-dollars", "per": "day", "unit": "dollars", "spent": 1.5, "limit": 20.0, "model": "", "lifted_until": None}  # fmt: skip


def metrics(rows: bytes = b"[]") -> ProcessMetrics:
    known = parse_models(rows, "models.json")
    sources = MetricsSources(
        running=lambda: 2,
        idle_connections=lambda: 3,
        circuits=lambda: ["one"],
        budgets=lambda: [BUDGET],
        quota=lambda: {"chatgpt": [{"name": "primary", "used_percent": 40.5}, {"name": "x"}]},
        rows=lambda: known,
    )
    return ProcessMetrics(sources, lambda: 1_800_000_000.0)


def samples(process: ProcessMetrics) -> dict[tuple[str, str], float]:
    """Return name and the values of the labels → value."""
    text = exposition(process.families(), openmetrics=True)
    return {
        (one.name.removeprefix("codex_shim_"), " ".join(sorted(one.labels.values()))): one.value
        for family in parse_openmetrics(text)
        for one in family.samples
    }


def test_gauges_show_the_state_of_the_process() -> None:
    found = samples(metrics())
    assert found["running_turns", ""] == 2
    assert found["idle_connections", ""] == 3
    assert found["open_circuits", ""] == 1
    assert found["start_time_seconds", ""] == 1_800_000_000
    assert found["build_info", VERSION] == 1
    assert found["budget_spent", "day day-dollars dollars"] == 1.5
    assert found["budget_limit", "day day-dollars dollars"] == 20
    assert found["window_used_percent", "chatgpt primary"] == 40.5


def test_counting_starts_with_the_first_scrape() -> None:
    process = metrics()
    assert not process.is_counting
    assert not [name for name, _ in samples(process) if name.startswith("turn")]
    assert process.is_counting
    process.note(turn())
    assert samples(process)["turns_total", "completed openai row"] == 1


def test_cost_is_counted_where_the_price_is_known() -> None:
    process = metrics()
    process.note(turn(model="gpt-5", row="listed"))
    process.note(turn(model="nothing", row="unlisted"))
    process.note(turn(model="gpt-5", row="plan", route="chatgpt"))
    process.note(turn(model="gpt-5", row="uncounted", usage=None))
    costs = {label: value for (name, label), value in samples(process).items() if name.startswith("cost")}  # fmt: skip
    assert list(costs) == ["listed openai"]
    assert costs["listed openai"] > 0


def test_every_metric_and_its_labels_are_documented() -> None:
    page = (Path(__file__).parents[3] / "docs/workbench.md").read_text()
    section = page[page.index("| metric | labels |") :].partition("\n\n")[0]
    documented = {}
    for line in section.splitlines()[2:]:
        _, names, labels, _ = line.split("|")
        known = {"route", "model", "outcome", "budget", "per", "unit", "window", "version"}
        for name in re.findall("`(codex_shim_[a-z_]+)`", names):
            documented[name] = known & set(re.findall("`([a-z_]+)`", labels))
    process = metrics()
    process.families()
    process.note(turn(model="gpt-5"))
    found = {}
    for family in parse_openmetrics(exposition(process.families(), openmetrics=True)):
        name = family.name + "_total" * (family.type == "counter")
        found[name] = set(family.samples[0].labels) - {"le"}
    assert documented == found
