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
        if step:
            getattr(clock, step)()
        time.now += seconds
    return clock


@pytest.mark.parametrize(
    ("steps", "terminal", "due"),
    [
        ([("", 0)], False, Due.NOTHING),
        ([("", 14.9)], False, Due.NOTHING),
        ([("", 15)], False, Due.HEARTBEAT),
        ([("", 299)], False, Due.HEARTBEAT),
        ([("", 300)], False, Due.STALL),
        ([("", 10), ("relayed", 14)], False, Due.NOTHING),
        ([("", 10), ("relayed", 15)], False, Due.HEARTBEAT),
        ([("", 15), ("beat", 14)], False, Due.NOTHING),
        ([("", 290), ("beat", 10)], False, Due.STALL),
        ([("", 14), ("heard", 1)], False, Due.HEARTBEAT),
        ([("", 290), ("heard", 290)], False, Due.HEARTBEAT),
        ([("", 290), ("heard", 300)], False, Due.STALL),
        ([("", 1.9)], True, Due.NOTHING),
        ([("", 2)], True, Due.LINGER),
        ([("", 400)], True, Due.LINGER),
        ([("", 100), ("relayed", 1)], True, Due.NOTHING),
    ],
)
def test_what_is_due(steps: list[tuple[str, float]], terminal: bool, due: Due) -> None:
    assert clock_after(steps).due(terminal_seen=terminal) is due


@pytest.mark.parametrize(
    ("steps", "terminal", "delay"),
    [
        ([("", 0)], False, 15),
        ([("", 4)], False, 11),
        ([("", 4), ("relayed", 1)], False, 14),
        ([("", 15), ("beat", 0)], False, 15),
        ([("", 290), ("beat", 0)], False, 10),
        ([("", 300)], False, 0.005),
        ([("", 1)], True, 1),
        ([("", 9)], True, 0.005),
    ],
)
def test_next_wake_up_is_measured_from_the_last_bytes(
    steps: list[tuple[str, float]], terminal: bool, delay: float
) -> None:
    assert clock_after(steps).delay(terminal_seen=terminal) == pytest.approx(delay)


def test_gaps_of_a_simulated_silence_are_one_interval_each() -> None:
    time = Time()
    clock = SilenceClock(LIMITS, time)
    time.now += 3
    clock.relayed()
    beats = [time.now]
    while clock.due(terminal_seen=False) is not Due.STALL:
        if clock.due(terminal_seen=False) is Due.HEARTBEAT:
            clock.beat()
            beats.append(time.now)
        time.now += clock.delay(terminal_seen=False)
    gaps = {round(after - before, 3) for before, after in pairwise(beats)}
    assert gaps == {15}
    assert len(beats) == 20
    assert time.now == 1303
