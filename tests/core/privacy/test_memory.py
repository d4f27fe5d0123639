"""The memory is bounded, and what it forgets costs no more than time."""

from __future__ import annotations

import pytest

from addons.core.privacy import memory as module
from addons.core.privacy.masker import MaskedText
from addons.core.privacy.memory import GateMemory
from addons.core.privacy.placeholders import Namer, code_of

NAMER = Namer(b"k" * 32, "thread")
STEP = MaskedText(b"", None, (), ())


def test_values_of_a_thread_are_found_by_their_code() -> None:
    memory = GateMemory()
    shown = NAMER.placeholder("email", "a@b.io")
    memory.add_values("thread", {"a@b.io": shown})
    assert memory.value("thread", code_of(shown)) == ("a@b.io", shown)
    assert memory.value("other", code_of(shown)) is None


def test_all_of_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_THREADS", "MAX_VALUES", "MAX_STEPS", "MAX_RESPONSES"):
        monkeypatch.setattr(module, name, 3)
    memory = GateMemory()
    for at in range(10):
        thread = memory.thread(f"t{at}")
        memory.keep_steps(thread, [STEP] * 2)
        memory.add_values(
            f"t{at}", {f"v{one}": NAMER.placeholder("key", f"v{one}") for one in range(5)}
        )
        memory.note_response(f"r{at}", f"t{at}")
        for one in range(5):
            memory.carry(thread, f"v{one}", "masked-key-0")
        assert len(thread.carried) == 3
    assert len(memory._threads) == len(memory._values) == len(memory._responses) == 3
    assert all(len(values) == 3 for values in memory._values.values())
    assert memory._step_count == sum(len(one.steps) for one in memory._threads.values()) <= 3
    assert memory.thread_of("r9") == "t9"
    assert memory.thread_of("r0") is None


def test_long_texts_count_as_several_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 10)
    memory = GateMemory()
    first, second = memory.thread("1"), memory.thread("2")
    long = MaskedText(b"", "x" * 6 * module.STEP_CHARACTERS, (), ())
    memory.keep_steps(first, [long])
    assert (first.steps, memory._step_count) == ([long], 7)
    memory.keep_steps(second, [long])
    assert (first.steps, second.steps, memory._step_count) == ([], [long], 7)
    memory.forget_steps()
    assert (second.steps, memory._step_count) == ([], 0)


def test_steps_are_forgotten_when_an_answer_brings_a_value() -> None:
    memory = GateMemory()
    thread = memory.thread("t")
    memory.keep_steps(thread, [STEP])
    memory.carry(thread, "value", "masked-key-0")
    assert thread.steps == []
    assert memory.thread("t").carried == {"value": "masked-key-0"}
