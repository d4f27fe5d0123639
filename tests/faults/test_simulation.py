"""The simulation finds planted defects, repeats itself, and finds nothing in the engine as it is.

The long run: `uv run python -m benchmarks.simulation --events 10000000`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from addons.core.protocols.responses.stream_translator import StreamTranslator
from addons.proxy.engine.attempt import Attempt
from benchmarks.simulation.clock import ViolationError
from benchmarks.simulation.episode import run_episode
from benchmarks.simulation.host import SimulatedEngine

EPISODES = range(1000)


def test_short_run_has_no_violation() -> None:
    for seed in range(60):
        run_episode(seed)


def test_equal_seeds_give_equal_runs() -> None:
    first, second = run_episode(17)[0], run_episode(17)[0]
    assert first.events == second.events
    assert list(first.trace) == list(second.trace)


def first_violation() -> str:
    for seed in EPISODES:
        try:
            run_episode(seed)
        except ViolationError as error:
            return str(error)
    return ""


def test_second_payment_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attempt, "is_within_round_trip", property(lambda self: self.reused))
    assert "was sent again" in first_violation()


def test_missing_terminal_event_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StreamTranslator, "fail", lambda *_: b"")
    assert "terminal events []" in first_violation()


def test_turn_that_stays_alive_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedEngine, "forget", lambda *_: None)
    assert "live turns are left" in first_violation()


def test_cut_answer_that_is_completed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    done = b'event: response.completed\ndata: {"type":"response.completed"}\n\n'
    monkeypatch.setattr(StreamTranslator, "fail", lambda *_: done)
    assert "was completed, but its upstream sent" in first_violation()


def test_answer_of_another_turn_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    feed: Callable[[StreamTranslator, bytes], bytes] = StreamTranslator.feed
    deltas: list[bytes] = []

    def mixed(translator: StreamTranslator, data: bytes) -> bytes:
        translated = feed(translator, data)
        if b"output_text.delta" in translated:
            deltas.append(translated)
            return deltas[0]
        return translated

    monkeypatch.setattr(StreamTranslator, "feed", mixed)
    assert "has text of the turns" in first_violation()
