"""A comparison on a terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from addons.core.what_if.answer import Answer, Call
from shim_cli.what_if import terminal
from shim_cli.what_if.terminal import MAX_FIGURE, MAX_TEXT, write_comparison
from tests.core.what_if.samples import answer
from tests.shim_cli.screen import drawn


def shown(monkeypatch: pytest.MonkeyPatch, width: int, original: Answer | None, *answers: Answer) -> str:  # fmt: skip
    def draw(console: Console) -> None:
        monkeypatch.setattr(terminal, "terminal_console", lambda _: console)
        write_comparison({}, original, answers)

    return drawn(draw, width)


def test_answers_are_side_by_side_or_below_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    three = (answer("one", "First text."), answer("two", "Second text."), answer("three", "Third."))
    wide = shown(monkeypatch, 120, *three)
    assert wide.splitlines()[0].split() == ["one", "(recorded)", "two", "three"]
    assert any("First text." in line and "Second text." in line for line in wide.splitlines())
    narrow = shown(monkeypatch, 50, *three)
    assert [narrow.count(text) for text in ("First text.", "Second text.", "Third.")] == [1, 1, 1]
    assert not any("First text." in line and "Second" in line for line in narrow.splitlines())


def test_text_of_a_model_cannot_control_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "\x1b]0;x\x07[bold red]\u202eb\nc"
    bad = answer(hostile, hostile, label=hostile, left_out=[hostile])
    bad.calls = [Call(hostile, hostile)]
    bad.fail("failed", hostile, hostile)
    text = shown(monkeypatch, 100, bad, bad)
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "[bold red]" in text


def test_long_text_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    long = answer("one", "x" * (MAX_TEXT + 1234))
    long.calls = []
    text = shown(monkeypatch, 100, None, long)
    assert "1,234 more characters" in text.replace("\n", " ")
    assert text.count("x") < MAX_TEXT + 50
    failed = Answer("y" * 2 * MAX_TEXT)
    failed.fail("failed", "x" * 2 * MAX_TEXT, "z" * 2 * MAX_TEXT)
    text = shown(monkeypatch, 100, None, failed)
    assert text.count("x") + text.count("y") <= 2 * MAX_FIGURE
    assert MAX_TEXT <= text.count("z") < MAX_TEXT + 50


def test_notes_are_below_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Answer("bad")
    failed.fail("failed", "slow_down", "Wait for it.")
    text = shown(monkeypatch, 100, None, failed, answer("ok", left_out=["a tool"]))
    assert "Wait for it." in text
    assert "not sent: a tool" in text
