"""The figures of an answer as text."""

from __future__ import annotations

from addons.core.what_if.answer import Answer, Call
from addons.core.what_if.figures import ROWS, UNKNOWN, call_text, notes, title, whole_text
from tests.core.what_if.samples import answer


def figures(one: Answer) -> dict[str, str]:
    return {name: show(one) for name, show in ROWS}


def test_figures_of_a_paid_answer() -> None:
    assert figures(answer(cost=0.0034)) == {
        "outcome": "completed", "answered by": "DeepSeek, model deepseek-chat", "input tokens": "1,200",
        "of them cached": "1,000", "output tokens": "34", "of them reasoning": "10", "cost": "$0.0034",
        "first token": "0.50 s", "total time": "2.2 s", "tool calls": "1",
    }  # fmt: skip


def test_figures_that_are_unknown_or_on_a_plan() -> None:
    empty = figures(Answer("row", has_text=False))
    assert [value for name, value in empty.items() if name != "outcome"] == [UNKNOWN] * 9
    assert figures(answer(provider="chatgpt"))["cost"] == "plan"
    assert figures(answer(cost=1.2))["cost"] == "$1.20"
    moved = answer(answered_by="other")
    moved.fail("failed", "slow_down", "why")
    assert figures(moved)["answered by"] == "fallback other, DeepSeek, model deepseek-chat"
    assert figures(moved)["outcome"] == "failed: slow_down"


def test_notes_say_what_the_model_did_not_get() -> None:
    one = answer(left_out=["reasoning"], changed=["effort"], has_text=False)
    assert notes(one)[:2] == ["not sent: reasoning", "changed: effort"]
    assert "not kept" in notes(one)[2]


def test_call_is_shown_with_its_arguments() -> None:
    assert call_text(Call("exec", '{"cmd":"a\\nb","n":[1]}')) == "exec\n  cmd: a\nb\n  n: [1]"
    assert call_text(Call("patch", "*** Begin")) == "patch\n*** Begin"
    assert call_text(Call("none", "{}")) == "none\n{}"
    assert whole_text(answer()) == "Hello there.\n\nexec_command\n  cmd: ls\n  n: 3"
    assert title(answer(), is_original=True) == "row (recorded)"


def test_call_with_any_arguments_is_shown() -> None:
    nested = '{"a": ' + "[" * 400 + "]" * 400 + ', "b": "c"}'
    assert call_text(Call("f", nested)) == "f\n  a: (nested too deeply to be shown)\n  b: c"
    assert call_text(Call("f", "[" * 9000)) == "f\n" + "[" * 9000
