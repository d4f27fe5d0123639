"""The order in which hooks are called, what each sees, and what their failures say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from addons.core.hooks.chain import (
    Hook,
    HookError,
    TurnHooks,
    checked,
    overdue,
    refusal,
    too_slow,
    unreadable,
)
from addons.core.hooks.values import End, Event, Refuse, Turn
from addons.core.limits import MIB
from addons.core.turn import ClientRequest

REQUEST = ClientRequest("POST", "/v1/responses", (), b'{"model":"m","instructions":""}')
END = End(outcome="complete", status=200, error="", model="m", provider="p", attempts=1, usage=None, seconds=1.0, first_token_seconds=None)  # fmt: skip
DELTA, DONE = Event.of("response.x.delta", delta=""), Event.of("response.completed")


def adds(name: str) -> Hook:
    """Return a hook that writes its name into everything it sees."""

    def on_turn(turn: Turn) -> Turn:
        turn.state["own"] = name
        return turn.replace(instructions=turn.instructions + name)

    def on_event(turn: Turn, event: Event) -> Event:
        assert turn.state["own"] == name
        return event.replace(delta=f"{event.data['delta']}{name}")

    return Hook(name, on_turn, on_event)


def call_directly(hook: Hook, name: str, *arguments: object) -> object:
    function = hook.function(name)
    assert function
    return function(*arguments)


def begun(*hooks: Hook) -> TurnHooks:
    chain = TurnHooks(hooks, call_directly)
    chain.begin(REQUEST, MIB, "f")
    return chain


def test_requests_pass_the_hooks_in_order_and_answers_in_the_opposite_order() -> None:
    hooks = (adds("1"), adds("2"), adds("3"))
    chain = TurnHooks(hooks, call_directly)
    assert b'"instructions":"123"' in chain.begin(REQUEST, MIB, "f").body
    assert chain.notes == ["1: instructions", "2: instructions", "3: instructions"]
    (event,) = chain.on_piece(DELTA)
    assert isinstance(event, Event)
    assert event.data["delta"] == "321"


def test_request_that_no_hook_changes_is_the_same_object() -> None:
    same = Hook("same", on_turn=lambda turn: turn.replace(), on_event=lambda _, event: event)
    chain = TurnHooks([same], call_directly)
    assert chain.begin(REQUEST, MIB, "f") is REQUEST
    assert [*chain.on_piece(DELTA), *chain.on_piece(b": comment\n\n")] == [DELTA, b": comment\n\n"]
    assert chain.notes == []


def test_lists_of_a_hook_are_frozen_for_the_next() -> None:
    adds_item = Hook("a", on_turn=lambda turn: turn.replace(input=[{"type": "x"}], fields={}))
    changes = Hook("b", on_turn=lambda turn: turn.input.append(1))
    with pytest.raises(HookError, match="'JsonList' object has no attribute 'append'"):
        begun(adds_item, changes)


def test_function_of_a_hook_may_be_unhashable_and_one_hook_named_twice() -> None:
    @dataclass
    class Adds:
        text: str

        def __call__(self, turn: Turn) -> Turn:
            return turn.replace(instructions=turn.instructions + self.text)

    both = Hook("h", on_turn=Adds("1")), Hook("h", on_turn=Adds("1"))
    assert b'"instructions":"11"' in begun(*both).begin(REQUEST, MIB, "f").body


def test_event_may_be_dropped_or_become_several() -> None:
    for result, expected in (
        (None, []),
        ([], []),
        ([DELTA, DELTA], [DELTA, DELTA]),
        ((DELTA,), [DELTA]),
    ):
        hook = Hook("h", on_event=lambda *_, result=result: result)
        assert begun(hook).on_piece(DELTA) == expected


@pytest.mark.parametrize(
    "result",
    [None, [], [DONE, DELTA], [DONE, DONE], Event.of("response.failed"), DELTA],
)
def test_terminal_event_stays_the_last_one(result: object) -> None:
    hook = Hook("h", on_event=lambda *_: result)
    with pytest.raises(HookError, match=r"response\.completed ends the answer"):
        begun(hook).on_piece(DONE)


def test_no_event_may_become_a_terminal_one() -> None:
    hook = Hook("h", on_event=lambda *_: DONE)
    with pytest.raises(HookError, match="return Refuse to end a turn"):
        begun(hook).on_piece(DELTA)


def test_refusal_is_noted_and_shown_in_printable_form() -> None:
    hook = Hook("h", on_turn=lambda _: Refuse("no\x1b[2J\nway" + "x" * 2000))
    chain = TurnHooks([hook], call_directly)
    with pytest.raises(HookError) as caught:
        chain.begin(REQUEST, MIB, "f")
    problem = caught.value.problem
    assert problem.message.startswith("The hook h refused this turn: no [2J way")
    assert len(problem.message) < 1100
    assert (problem.status, problem.code, chain.is_refused) == (403, "invalid_prompt", True)
    assert refusal(hook, Refuse("x")).message.endswith(": x")


def test_failure_names_file_line_and_function() -> None:
    def on_turn(turn: Turn) -> Turn:
        raise KeyError(turn.model)

    hook = Hook("h.py", on_turn, path=__file__)
    with pytest.raises(HookError) as caught:
        TurnHooks([hook], call_directly).begin(REQUEST, MIB, "f")
    line = on_turn.__code__.co_firstlineno + 1
    assert f"The hook h.py failed in on_turn ({__file__}, line {line}): KeyError: 'm'." in str(caught.value)  # fmt: skip
    assert "`codex-shim serve`" in str(caught.value)
    assert caught.value.problem.status == 500


def test_every_hook_is_told_the_end_and_failures_are_returned() -> None:
    told: list[tuple[str, End]] = []

    def note(name: str) -> Callable[[Turn, End], None]:
        return lambda turn, end: told.append((name + turn.model, end))

    def fail(*_: object) -> None:
        raise ValueError

    hooks = [Hook("a", on_end=note("a")), Hook("b", on_end=fail), Hook("c", on_end=note("c"))]
    chain = begun(*hooks)
    (problem,) = chain.end(END, without=None)
    assert "The hook b failed in on_end" in problem.message
    assert told == [("am", END), ("cm", END)]
    assert chain.end(END, without=hooks[1]) == []
    assert TurnHooks(hooks, call_directly).end(END, without=None) == []


def test_body_that_is_no_turn_is_refused() -> None:
    request = ClientRequest("POST", "/v1/responses", (), b"{")
    with pytest.raises(HookError):
        TurnHooks([], call_directly).begin(request, MIB, "f")


def test_caller_is_asked_for_every_call() -> None:
    calls: list[str] = []

    def call(hook: Hook, name: str, *arguments: object) -> object:
        calls.append(f"{hook.name}.{name}")
        return call_directly(hook, name, *arguments)

    hook = adds("1")
    chain = TurnHooks([hook], call)
    chain.begin(REQUEST, MIB, "f")
    chain.on_piece(DELTA)
    assert calls == ["1.on_turn", "1.on_event"]


def test_other_problems_say_what_to_do() -> None:
    with pytest.raises(HookError, match="holds what JSON cannot"):
        checked([Event.of("x", value={1})])
    hook = adds("1")
    assert "did not return within 2 s" in overdue(hook, "on_event", 2.0).message
    for problem in (overdue(hook, "on_turn", 5.0), too_slow(64), unreadable("why")):
        assert "`codex-shim serve`" in problem.message
        assert problem.code == "invalid_prompt"
