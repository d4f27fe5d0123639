"""What each turn used of a rate-limit window, and when the window will be used up.

An upstream reports a window at the head of an answer, before it counts that answer. So what the window gained between
two readings was used by the turns that were under way between them. Readings that are all whole numbers are taken as
rounded: a gain of 2 is 1 to 3. Never does: split a gain between turns that overlap; their shares are ranges. Invariant:
the lower bounds of all shares sum to at most the total, the upper bounds to at least the total.

Imports nothing that takes long: `codex-shim statusline` runs before every shell prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

IDLE_SECONDS = 3600.0
"""A gain that is read this long after the last turn may come from elsewhere, such as another machine."""
RESET_JITTER = 120.0
"""By how many seconds the reset time of one window varies between readings."""
STALE_POINTS = 1.0
"""A reading that is lower by at most this is a late one: a server of the upstream had not counted everything."""
RATE_SHARE = 0.1
"""The burn rate is measured over this part of the window: half an hour of five hours."""
MIN_RATE_SECONDS = 60.0

_EXACT, _ROUNDED = (0.0,), (0.0, 1.0)
"""By how many points the truth may differ from a reading, apart from what is the same for all readings."""


class Reading(NamedTuple):
    """What an upstream reported of one window."""

    at: float
    """Unix seconds."""
    used: float
    """Percent of the window."""
    resets_at: float | None = None


class Activity(NamedTuple):
    """A turn, from its own reading of the window to its end: the time in which the upstream counts it."""

    key: str
    """To whom its share is added: a turn, thread, model, …"""
    began: float
    ended: float


class Share(NamedTuple):
    """Percentage points of a window: between two bounds, which are equal where the share is exact."""

    low: float
    high: float


class Shares(NamedTuple):
    """The shares of one window."""

    before: float
    """What was used at the first reading."""
    total: float
    """What was used from the first reading of each period to its last one."""
    by_key: dict[str, Share]
    elsewhere: Share | None
    """What may have been used outside of the turns; None where turns explain everything."""


class Forecast(NamedTuple):
    """How fast a window is used."""

    points_per_hour: float
    empty_at: float | None
    """Unix seconds; None if it lasts until the reset."""


class _Step(NamedTuple):
    """From one reading to the next."""

    gain: float
    keys: frozenset[str | None]
    """Who may have caused it. None is elsewhere."""


def periods(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Split readings, in the order of their times, where the window was reset. Within a period none is lower than one before."""
    found: list[list[Reading]] = []
    for reading in readings:
        last = found[-1][-1] if found else None
        if last is None or _is_reset(last, reading):
            found.append([reading])
        else:
            found[-1].append(reading._replace(used=max(last.used, reading.used)))
    return found


def _is_reset(last: Reading, reading: Reading) -> bool:
    if reading.used < last.used - STALE_POINTS:
        return True
    if last.resets_at is None or reading.resets_at is None:
        return False
    return abs(reading.resets_at - last.resets_at) > RESET_JITTER


def quota_shares(readings: Sequence[Reading], activities: Sequence[Activity]) -> Shares:
    """Return what each key used of a window. Both are in the order of their times."""
    if not readings:
        return Shares(0.0, 0.0, {}, None)
    errors = _ROUNDED if all(reading.used.is_integer() for reading in readings) else _EXACT
    shares: dict[str | None, Share] = {}
    total = 0.0
    for period in periods(readings):
        total += period[-1].used - period[0].used
        for key, share in _shares(list(_steps(period, activities)), errors):
            low, high = shares.get(key, Share(0.0, 0.0))
            shares[key] = Share(low + share.low, high + share.high)
    by_key = {key: share for key, share in shares.items() if key is not None}
    return Shares(readings[0].used, total, by_key, shares.get(None))


def _shares(steps: Sequence[_Step], errors: Sequence[float]) -> Iterator[tuple[str | None, Share]]:
    """Yield the share that each key has of one period."""
    places: dict[str | None, list[int]] = {}
    for place, step in enumerate(steps):
        for key in step.keys:
            places.setdefault(key, []).append(place)
    for key, known in places.items():
        own = steps[known[0] : known[-1] + 1]
        low = _sum([(step.gain, step.keys == {key}) for step in own], errors, min)
        high = _sum([(step.gain, key in step.keys) for step in own], errors, max)
        yield key, Share(low, high)


def _sum(
    gains: Sequence[tuple[float, bool]], errors: Sequence[float], best: Callable[..., float]
) -> float:
    """Return the least or the largest sum of the gains that count, if each reading has one of these errors.

    No gain is negative, also one that does not count: this bounds the errors of the readings around it.
    """
    sums = dict.fromkeys(errors, 0.0)
    """The error of the last reading → the best sum up to it."""
    for counts, run in groupby(gains, itemgetter(1)):
        gain = sum(one for one, _ in run)
        sums = {
            error: best(
                known + (true_gain if counts else 0.0)
                for last, known in sums.items()
                if (true_gain := gain + error - last) >= 0
            )
            for error in errors
        }
    return best(sums.values())


def _steps(period: Sequence[Reading], activities: Sequence[Activity]) -> Iterator[_Step]:
    """Yield each step between two readings of a period."""
    waiting = iter(activities)
    upcoming = next(waiting, None)
    current: list[Activity] = []
    for last, reading in pairwise(period):
        if reading.at == last.at and reading.used == last.used:
            continue
        while upcoming and upcoming.began < reading.at:
            current.append(upcoming)
            upcoming = next(waiting, None)
        current = [one for one in current if one.ended > last.at or one.began >= last.at]
        keys: set[str | None] = {one.key for one in current}
        if not current or reading.at - max(one.ended for one in current) > IDLE_SECONDS:
            keys.add(None)
        yield _Step(reading.used - last.used, frozenset(keys))


def forecast(readings: Sequence[Reading], minutes: int, now: float) -> Forecast | None:
    """Return the burn rate over the last part of a window, up to now, and when the window is empty at this rate.

    None if the window has been reset since, was read once only, or was not read for long enough.
    """
    if not readings:
        return None
    period = periods(readings)[-1]
    last = period[-1]
    if last.resets_at is None or last.resets_at <= now:
        return None
    since = now - RATE_SHARE * minutes * 60
    base = next((one for one in reversed(period) if one.at <= since), period[0])
    seconds = now - base.at
    if seconds < MIN_RATE_SECONDS or len(period) == 1:
        return None
    per_second = (last.used - base.used) / seconds
    left = max(0.0, 100.0 - last.used)
    empty_at = now + left / per_second if per_second > 0 else None
    if not left:
        empty_at = last.at
    lasts = empty_at is None or empty_at >= last.resets_at
    return Forecast(per_second * 3600, None if lasts else empty_at)
