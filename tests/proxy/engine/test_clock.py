"""The silence clock, on a clock that the test turns."""

from itertools import pairwise

import pytest

from addons.core.limits import Limits
from addons.proxy.engine.clock import Due, SilenceClock

LIMITS = Limits(heartbeat_seconds=15, stall_seconds=300, linger_seconds=2)


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def clock_after(steps: list[tuple[str, float]]) -> SilenceClock:
    time = Time()
    clock = SilenceClock(LIMITS, time)
    for step, seconds in steps:
        for name in step.split():
            getattr(clock, name)()
        time.now += seconds
    return clock


@pytest.mark.parametrize(
    ("steps", "due"),
    [
        ([("", 0)], Due.NOTHING),
        ([("", 14.9)], Due.NOTHING),
        ([("", 15)], Due.HEARTBEAT),
        ([("", 299)], Due.HEARTBEAT),
        ([("", 300)], Due.STALL),
        ([("", 10), ("heard served", 14)], Due.NOTHING),
        ([("", 10), ("heard served", 15)], Due.HEARTBEAT),
        ([("", 15), ("served", 14)], Due.NOTHING),
        ([("", 290), ("served", 10)], Due.STALL),
        ([("", 14), ("heard", 1)], Due.HEARTBEAT),
        ([("", 290), ("heard", 290)], Due.HEARTBEAT),
        ([("", 290), ("heard", 300)], Due.STALL),
        ([("terminal_seen", 1.9)], Due.NOTHING),
        ([("terminal_seen", 2)], Due.LINGER),
        ([("terminal_seen", 400)], Due.LINGER),
        ([("", 100), ("terminal_seen", 1)], Due.NOTHING),
        ([("terminal_seen", 1), ("heard served", 1)], Due.LINGER),
        ([("terminal_seen", 1), ("terminal_seen", 1)], Due.LINGER),
    ],
)
def test_what_is_due(steps: list[tuple[str, float]], due: Due) -> None:
    assert clock_after(steps).due() is due


@pytest.mark.parametrize(
    ("steps", "delay"),
    [
        ([("", 0)], 15),
        ([("", 4)], 11),
        ([("", 4), ("heard served", 1)], 14),
        ([("", 15), ("served", 0)], 15),
        ([("", 290), ("served", 0)], 10),
        ([("", 300)], 0.005),
        ([("terminal_seen", 1)], 1),
        ([("terminal_seen", 9)], 0.005),
    ],
)
def test_next_wake_up_is_measured_from_the_last_bytes(
    steps: list[tuple[str, float]], delay: float
) -> None:
    assert clock_after(steps).delay() == pytest.approx(delay)


def test_gaps_of_a_simulated_silence_are_one_interval_each() -> None:
    time = Time()
    clock = SilenceClock(LIMITS, time)
    time.now += 3
    clock.heard()
    clock.served()
    beats = [time.now]
    while clock.due() is not Due.STALL:
        if clock.due() is Due.HEARTBEAT:
            clock.served()
            beats.append(time.now)
        time.now += clock.delay()
    gaps = {round(after - before, 3) for before, after in pairwise(beats)}
    assert gaps == {15}
    assert len(beats) == 20
    assert time.now == 1303
