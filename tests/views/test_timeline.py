"""The arrival times of events."""

from __future__ import annotations

from addons.views.page import Page
from addons.views.timeline import SHOWN_RUNS, write_timeline


def timeline(*events: tuple[str, float | None]) -> str:
    page = Page()
    write_timeline(page, events)
    return page.text()


def test_run_of_equal_types_is_one_line_with_its_first_and_last_time() -> None:
    assert timeline(("a", 0.0), ("b", 0.25), ("b", 0.5), ("b", 0.5), ("a", 1.5)) == (
        "TIMES\n  0.000 s  a\n  0.250 to 0.500 s  b (3)\n  1.500 s  a"
    )


def test_events_without_a_time_are_left_out() -> None:
    assert timeline(("a", None)) == ""
    assert timeline(("a", None), ("b", 0.5)) == "TIMES\n  0.500 s  b"


def test_number_of_runs_is_limited() -> None:
    text = timeline(*((kind, 0.5) for _ in range(SHOWN_RUNS) for kind in "ab"))
    assert len(text.splitlines()) == 1 + SHOWN_RUNS + 1
    assert text.endswith("…")
