"""The comment of a flow: slug, state and outcome of its turn."""

from __future__ import annotations

import pytest

from addons.core.telemetry.record import AttemptRecord, TurnRecord, ended_comment, running_comment


def record(*statuses: int | None, **fields: object) -> TurnRecord:
    made = TurnRecord(slug="fast", model="gpt-5.5", status=200)
    made.attempts = [AttemptRecord("u", "", "POST", 0.0, status=status) for status in statuses]
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("turn", "comment"),
    [
        (TurnRecord(slug="x"), "x · waiting for the answer"),
        (record(), "fast → gpt-5.5 · waiting for the answer"),
        (record(None), "fast → gpt-5.5 · waiting for the answer"),
        (record(399), "fast → gpt-5.5 · 399 · answering"),
        (record(400), "fast → gpt-5.5 · 400 · waiting for the answer"),
        (record(503, None), "fast → gpt-5.5 · attempt 2 · waiting for the answer"),
        (record(503, 200), "fast → gpt-5.5 · attempt 2 · 200 · answering"),
    ],
)
def test_comment_of_a_running_turn_says_how_far_it_is(turn: TurnRecord, comment: str) -> None:
    assert running_comment(turn) == comment


@pytest.mark.parametrize(
    ("turn", "comment"),
    [
        (record(200), "fast → gpt-5.5 · 200"),
        (record(503, 200), "🟡 fast → gpt-5.5 · 200 · 2 attempts"),
        (record(200, status=0), "🔴 fast → gpt-5.5 · no answer"),
        (
            record(200, terminal="response.failed", error="server_error"),
            "🔴 fast → gpt-5.5 · 200 · response.failed · server_error",
        ),
        (record(200, route="chatgpt"), "fast → gpt-5.5 · 200 · via chatgpt"),
        (record(200, route="chatgpt", label="ChatGPT"), "fast → gpt-5.5 · 200 · via ChatGPT"),
        (
            record(200, dropped=["a", "b\n", "c", "d"], replay=True),
            "fast → gpt-5.5 · 200 · dropped a, b?, c · sent again",
        ),
    ],
)
def test_comment_of_an_ended_turn_shows_its_outcome(turn: TurnRecord, comment: str) -> None:
    assert ended_comment(turn) == comment


def test_comment_of_a_search_says_who_answered_and_how_much() -> None:
    turn = record(200, slug="alpha/search", label="Brave Search", search="1 query of 7 characters")
    assert ended_comment(turn).endswith(" · via Brave Search · 1 query of 7 characters")
