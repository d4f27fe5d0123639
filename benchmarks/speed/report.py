"""The results of a run as Markdown, JSON and a chart."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from html import escape
from pathlib import Path

import orjson

from benchmarks.speed.bounds import BARE, BOUNDS, DIRECT, SHIM, Round

CHART = ("ChatGPT deltas/s", "chat deltas/s", "messages deltas/s")
COLOURS = {DIRECT: "#9aa5b1", BARE: "#d98c5f", SHIM: "#2f7d6d"}
OTHER_COLOUR = "#7a6fb0"
DOCS = Path(__file__).parents[2] / "docs"
PAGE, CHART_FILE = DOCS / "performance.md", DOCS / "speed.svg"
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"


def markdown(rounds: Sequence[Round], command: str) -> str:
    """Return the bounds and all figures as Markdown, medians over the rounds."""
    head = (
        f"`{command}` on {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}; medians of {len(rounds)} rounds."
    )
    return "\n".join([head, "", *_bounds(rounds), "", *_figures(rounds), ""])


def publish(rounds: Sequence[Round], over_tls: Sequence[Round], command: str) -> None:
    """Write the results into docs/performance.md, and the chart next to it."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    tls = ["The same routes with the upstream behind TLS:", "", *_figures(over_tls), ""]
    table = "\n".join([markdown(rounds, command), *tls])
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{after}")
    CHART_FILE.write_text(chart(rounds))


def _bounds(rounds: Sequence[Round]) -> list[str]:
    head = ["| bound | median | must | |", "|---|---|---|---|"]
    lines: list[str] = []
    for bound in BOUNDS:
        value = bound.median(rounds)
        if value is not None:
            verdict = "kept" if bound.holds(value) else "**missed**"
            lines.append(
                f"| {bound.name} | {value:.2f} | {bound.sense} {bound.limit:g} | {verdict} |"
            )
    return [*head, *lines] if lines else []


def _figures(rounds: Sequence[Round]) -> list[str]:
    systems = list(dict.fromkeys(system for each in rounds for system in each))
    names = dict.fromkeys(name for each in rounds for figures in each.values() for name in figures)
    lines = [f"| figure | {' | '.join(systems)} |", "|---" * (len(systems) + 1) + "|"]
    for name in names:
        cells = (_cell(rounds, system, name) for system in systems)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _cell(rounds: Sequence[Round], system: str, name: str) -> str:
    value = median_of(rounds, system, name)
    return "-" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"


def median_of(rounds: Sequence[Round], system: str, name: str) -> float | None:
    """Return the median of a figure of a system, None when it was not measured."""
    values = [each[system][name] for each in rounds if name in each.get(system, {})]
    return statistics.median(values) if values else None


def as_json(rounds: Sequence[Round], command: str) -> bytes:
    """Return every round and the medians of the bounds as JSON."""
    medians = {bound.name: bound.median(rounds) for bound in BOUNDS}
    found = {"command": command, "rounds": list(rounds), "bounds": medians}
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def chart(rounds: Sequence[Round]) -> str:
    """Return a bar chart of the deltas a second of each route and system."""
    bars = [
        (route.removesuffix(" deltas/s"), system, value)
        for route in CHART
        for system in dict.fromkeys(system for each in rounds for system in each)
        if (value := median_of(rounds, system, route)) is not None
    ]
    return chart_of(bars, "deltas/s")


def chart_of(bars: Sequence[tuple[str, str, float]], unit: str) -> str:
    """Return a chart of bars: what is measured, the system, and the value."""
    longest = max((value for _, _, value in bars), default=1.0)
    rows = [
        _bar(
            (8 + 22 * number, 400 * value / longest),
            f"{what}, {system}",
            f"{value:,.0f} {unit}",
            COLOURS.get(system, OTHER_COLOUR),
        )
        for number, (what, system, value) in enumerate(bars)
    ]
    height = 22 * len(rows) + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="12">\n' + "\n".join(rows) + "\n</svg>\n"
    )


def _bar(place: tuple[int, float], label: str, value: str, colour: str) -> str:
    top, width = place
    return (
        f'<text x="0" y="{top + 12}" fill="#555">{escape(label)}</text>'
        f'<rect x="220" y="{top}" width="{width:.0f}" height="16" rx="2" fill="{colour}"/>'
        f'<text x="{226 + width:.0f}" y="{top + 12}" fill="#555">{value}</text>'
    )
