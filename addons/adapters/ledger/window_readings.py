"""The rate-limit windows that the upstreams of a turn reported, as readings, and as rows of the ledger.

Never does: read or write a file. Invariant: readings are in the order and have the times of the answers that reported
them; a turn whose answers mention no limit never comes here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from addons.core.telemetry.record import TurnRecord
from addons.core.usage import MAX_WINDOWS, Window, windows_in_event, windows_in_headers

QUOTA = "INSERT OR REPLACE INTO quota VALUES (?, ?, ?, ?, ?, ?)"
OLD_QUOTA = (
    "DELETE FROM quota WHERE route = ?1 AND rowid NOT IN "
    "(SELECT rowid FROM quota WHERE route = ?1 ORDER BY rowid DESC LIMIT ?2)"
)
"""A replaced row gets a new rowid: the highest ones are the newest."""
QuotaRow = tuple[str, str, float, int | None, float | None, float]


class Reading(NamedTuple):
    """One rate-limit window that an upstream reported."""

    route: str
    """The name of the provider."""
    seen: float
    """Unix seconds: the time of the answer that reported it."""
    window: Window


def readings_of(record: TurnRecord) -> list[Reading]:
    """Return the windows that the upstreams of a turn reported, in the order and with the times of their answers.

    An event is read at the head of the answer, as headers are; after headers with the same window, at the end.
    """
    ended, began = record.started + record.seconds, record.started
    readings: list[Reading] = []
    for attempt in record.attempts:
        began = max(record.started, min(attempt.started + (attempt.first_byte or 0.0), ended))
        route = attempt.route or record.route
        found = windows_in_headers(attempt.answer_headers, began)
        readings += [Reading(route, began, one) for one in found]
    if record.rate_limits:
        known = {one.window.name for one in readings if one.seen == began}
        for window in windows_in_event(record.rate_limits, began):
            seen = ended if window.name in known else began
            readings.append(Reading(record.route, seen, window))
    return readings


def newest(readings: Iterable[Reading]) -> list[Reading]:
    """Return the last reading of each window."""
    return list({(one.route, one.window.name): one for one in readings}.values())


def quota_rows(
    turns: Iterable[tuple[TurnRecord, Sequence[Reading]]],
) -> list[QuotaRow]:
    """Return a row for each window that these turns reported: the last one, at the place of the last turn that did."""
    rows: dict[tuple[str, str], QuotaRow] = {}
    for record, readings in turns:
        seen = record.started + record.seconds
        for route, _, window in newest(readings):
            rows.pop((route, window.name), None)
            rows[route, window.name] = (
                route, window.name, window.used_percent, window.minutes, window.resets_at, seen,
            )  # fmt: skip
    return list(rows.values())


def reading_rows(flow: str, readings: Sequence[Reading]) -> list[tuple[object, ...]]:
    """Return the readings of windows with a length. The others are limits of a rate, which no turn uses up."""
    return [
        (route, window.name, seen, flow, window.used_percent, window.minutes, window.resets_at)
        for route, seen, window in readings[:MAX_WINDOWS]
        if window.minutes and route
    ]
