"""Rate-limit windows as lines of a page."""

from __future__ import annotations

import pytest

from addons.views.page import Page
from addons.views.quota import duration, event_lines, quota_lines, write_quota


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        (
            (("X-Codex-Secondary-Used-Percent", "3"), ("x-codex-secondary-window-minutes", "10080"), ("x-codex-secondary-reset-at", "1795500000")),
            "codex secondary: 3 % used of 7 d, resets at 1795500000",
        ),
        ((("x-spark-primary-used-percent", "9"),), "spark primary: 9 % used"),
        ((("x-codex-primary-window-minutes", "45"), ("x-codex-primary-reset-after-seconds", "9")), "codex primary: ? % used of 45 min, resets in 9 s"),
        ((("anthropic-ratelimit-tokens-remaining", "5"),), "anthropic-ratelimit-tokens-remaining: 5"),
        ((("x-ratelimit-remaining-requests", "1"),), "x-ratelimit-remaining-requests: 1"),
        ((("x-codex-credits-balance", "12"),), "x-codex-credits-balance: 12"),
        ((("retry-after", "3"),), "retry-after: 3"),
    ],
)  # fmt: skip
def test_headers_are_shown_as_windows(headers: tuple[tuple[str, str], ...], line: str) -> None:
    assert list(quota_lines([*headers, ("content-type", "text/plain")])) == [line]


def test_windows_come_before_other_headers() -> None:
    headers = [("retry-after", "3"), ("x-codex-primary-used-percent", "7")]
    page = Page()
    write_quota(page, headers)
    assert page.text() == "QUOTA\n  codex primary: 7 % used\n  retry-after: 3"


def test_headers_without_limits_write_nothing() -> None:
    page = Page()
    write_quota(page, [("content-type", "text/plain")])
    assert page.text() == ""


def test_windows_of_an_event() -> None:
    primary = {"used_percent": 42, "window_minutes": 300, "resets_in_seconds": 60}
    line = "primary: 42 % used of 5 h, resets in 60 s"
    assert list(event_lines({"rate_limits": {"primary": primary, "secondary": None}})) == [line]
    assert list(event_lines({"primary": primary})) == [line]


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(45, "45 min"), (60, "1 h"), (90, "90 min"), ("300", "5 h"), (1440, "1 d"), (0, "0 min"), ("x", "x min"), ("٣", "٣ min")],
)  # fmt: skip
def test_duration_has_the_largest_exact_unit(minutes: object, text: str) -> None:
    assert duration(minutes) == text
