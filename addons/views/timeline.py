"""Render the arrival times of the events of a stream, one line for each run of equal types. Total."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice

from addons.views.page import Page, one_line

SHOWN_RUNS = 60


def write_timeline(page: Page, events: Iterable[tuple[str, float | None]]) -> None:
    """Write the times of these event types to the page. Nothing is written when no time is known."""
    runs = list(islice(_runs(events), SHOWN_RUNS + 1))
    if not runs:
        return
    page.title("TIMES")
    for run in runs[:SHOWN_RUNS]:
        page.line(run, 1)
    if len(runs) > SHOWN_RUNS:
        page.line("…", 1)


def _runs(events: Iterable[tuple[str, float | None]]) -> Iterator[str]:
    timed = ((kind, at) for kind, at in events if at is not None)
    for kind, run in groupby(timed, key=lambda one: one[0]):
        times = [at for _, at in run]
        span = f"{times[0]:.3f}" if times[0] == times[-1] else f"{times[0]:.3f} to {times[-1]:.3f}"
        count = f" ({len(times):,})" if len(times) > 1 else ""
        yield f"{span} s  {one_line(kind, 60)}{count}"
