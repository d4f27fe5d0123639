"""The silence clock, on a clock that the test turns."""

from itertools import pairwise

import pytest

from addons.core.limits import Limits
from addons.proxy.engine.timers import Count, Due, SilenceClock

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
        ([("", 10), ("upstream_active client_fed", 14)], Due.NOTHING),
        ([("", 10), ("upstream_active client_fed", 15)], Due.HEARTBEAT),
        ([("", 15), ("client_fed", 14)], Due.NOTHING),
        ([("", 290), ("client_fed", 10)], Due.STALL),
        ([("", 14), ("upstream_active", 1)], Due.HEARTBEAT),
        ([("", 290), ("upstream_active", 290)], Due.NO_ANSWER),
        ([("", 290), ("answered", 290)], Due.HEARTBEAT),
        ([("", 290), ("answered", 300)], Due.STALL),
        ([("", 290), ("answered", 1), ("upstream_active client_fed", 299)], Due.NO_ANSWER),
        ([("", 290), ("answered", 1), ("upstream_active", 298)], Due.HEARTBEAT),
        ([("answered terminal_seen", 400)], Due.LINGER),
        ([("terminal_seen", 1.9)], Due.NOTHING),
        ([("terminal_seen", 2)], Due.LINGER),
        ([("terminal_seen", 400)], Due.LINGER),
        ([("", 100), ("terminal_seen", 1)], Due.NOTHING),
        ([("terminal_seen", 1), ("upstream_active client_fed", 1)], Due.LINGER),
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
        ([("", 4), ("upstream_active client_fed", 1)], 14),
        ([("", 15), ("client_fed", 0)], 15),
        ([("", 290), ("client_fed", 0)], 10),
        ([("", 300)], 0.005),
        ([("", 290), ("upstream_active client_fed", 1)], 9),
        ([("", 290), ("answered client_fed", 1)], 14),
        ([("terminal_seen", 1)], 1),
        ([("terminal_seen", 9)], 0.005),
    ],
)
def test_next_wake_up_is_measured_from_the_last_bytes(
    steps: list[tuple[str, float]], delay: float
) -> None:
    assert clock_after(steps).delay() == pytest.approx(delay)


@pytest.mark.parametrize(
    ("steps", "due"),
    [
        ([(False, 1.9)], Due.NOTHING),
        ([(False, 2)], Due.LINGER),
        ([(False, 1), (False, 1)], Due.LINGER),
        ([(False, 1), (True, 1)], Due.NOTHING),
        ([(False, 1), (True, 2)], Due.LINGER),
    ],
)
def test_complete_answer_is_ended_after_its_last_part(
    steps: list[tuple[bool, float]], due: Due
) -> None:
    time = Time()
    clock = SilenceClock(LIMITS, time)
    for extended, seconds in steps:
        clock.answer_complete(extended=extended)
        time.now += seconds
    assert clock.due() is due
    assert not clock.lingers
    clock.answer_continues()
    assert clock.due() is Due.NOTHING


def test_complete_answer_makes_something_due_earlier_once() -> None:
    clock = SilenceClock(LIMITS, Time())
    assert not clock.is_earlier
    clock.answer_complete(extended=False)
    assert clock.is_earlier
    assert clock.delay() == pytest.approx(2)
    clock.answer_complete(extended=True)
    assert not clock.is_earlier


def test_gaps_of_a_simulated_silence_are_one_interval_each() -> None:
    time = Time()
    clock = SilenceClock(LIMITS, time)
    time.now += 3
    clock.answered()
    clock.client_fed()
    beats = [time.now]
    while clock.due() is not Due.STALL:
        if clock.due() is Due.HEARTBEAT:
            clock.client_fed()
            beats.append(time.now)
        time.now += clock.delay()
    gaps = {round(after - before, 3) for before, after in pairwise(beats)}
    assert gaps == {15}
    assert len(beats) == 20
    assert time.now == 1303


def test_client_that_accepts_nothing_is_due_in_time() -> None:
    time = Time()
    clock = SilenceClock(Limits(heartbeat_seconds=1000, unread_seconds=60), time)
    clock.client_waits(-500, Count.BUFFER)
    assert clock.delay() == 60
    time.now += 59
    clock.client_waits(-500, Count.BUFFER)
    clock.client_waits(-900, Count.BUFFER)
    assert (clock.due(), clock.delay()) == (Due.NOTHING, 1)
    time.now += 1
    assert clock.due() is Due.UNREAD


def test_client_that_accepts_something_has_its_time_again() -> None:
    time = Time()
    clock = SilenceClock(Limits(heartbeat_seconds=1000, unread_seconds=60), time)
    clock.client_waits(100, Count.BUFFER)
    time.now += 59
    clock.client_waits(101, Count.BUFFER)
    time.now += 59
    assert clock.due() is Due.NOTHING
    clock.client_reads()
    time.now += 59
    clock.client_waits(50, Count.BUFFER)
    time.now += 59
    assert clock.due() is Due.NOTHING


def test_end_of_the_answer_is_due_before_its_reader() -> None:
    time = Time()
    clock = SilenceClock(Limits(unread_seconds=60), time)
    clock.client_waits(0, Count.BUFFER)
    clock.terminal_seen()
    time.now += 100
    assert clock.due() is Due.LINGER


def test_attempt_may_have_a_shorter_limit_of_its_own() -> None:
    time = Time()
    clock = SilenceClock(LIMITS, time)
    clock.attempt_sent(10)
    assert (clock.delay(), clock.stall_seconds) == (10, 10)
    time.now += 10
    assert clock.due() is Due.STALL
    for seconds in (0, 400):
        clock.attempt_sent(seconds)
        time.now += 299
        assert clock.due() is Due.HEARTBEAT
        time.now += 1
        assert clock.due() is Due.STALL
