"""The summary of a turn, and the mark of its flow."""

import pytest

from addons.core.telemetry.record import AttemptRecord, TurnRecord, marker, short_count, summary
from addons.core.usage import Usage


def record(**fields: object) -> TurnRecord:
    made = TurnRecord(slug="fast", route="openai", model="gpt-5.5", status=200)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_summary_of_a_completed_turn() -> None:
    whole = record(
        terminal="response.completed",
        ttft=0.8,
        seconds=0.8 + 640 / 312,
        usage=Usage(18_200, 17_000, 640, 0, 18_840),
    )
    line = "fast → gpt-5.5 · 200 · TTFT 0.8 s · 312 tok/s · in 18.2k (cached 17k) out 640"
    assert summary(whole) == line
    assert marker(whole) == ""


@pytest.mark.parametrize(
    ("seconds", "tokens", "rate"),
    [(0.1, 10, " · 100 tok/s"), (0.0999, 640, ""), (0.000028, 20, ""), (5.0, 9, ""), (0.0, 20, "")],
)
def test_short_answer_has_no_rate(seconds: float, tokens: int, rate: str) -> None:
    whole = record(ttft=0.0, seconds=seconds, usage=Usage(5, 0, tokens, 0, 5 + tokens))
    assert summary(whole) == f"fast → gpt-5.5 · 200 · TTFT 0 s{rate} · in 5 out {tokens}"


@pytest.mark.parametrize(
    ("turn", "line", "mark"),
    [
        (TurnRecord(slug="x"), "x · no answer", ":red_circle:"),
        (record(status=429, error="slow"), "fast → gpt-5.5 · 429 · slow", ":red_circle:"),
        (
            record(terminal="response.failed", error="server_error"),
            "fast → gpt-5.5 · 200 · response.failed · server_error",
            ":red_circle:",
        ),
        (record(ended="killed", ttft=12.34), "fast → gpt-5.5 · 200 · killed · TTFT 12.3 s", ":red_circle:"),
        (
            record(attempts=[AttemptRecord("u", "", "POST", 0.0)] * 2),
            "fast → gpt-5.5 · 200 · 2 attempts",
            ":yellow_circle:",
        ),
    ],
)  # fmt: skip
def test_summary_and_marker_of_a_failed_turn(turn: TurnRecord, line: str, mark: str) -> None:
    assert summary(turn) == line
    assert marker(turn) == mark


@pytest.mark.parametrize(
    ("tokens", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (18_249, "18.2k"), (999_949, "999.9k"), (999_950, "1M"), (1_300_000, "1.3M"),
     (999_949_999, "999.9M"), (999_950_000, "1B"), (1_879_400_000, "1.88B")],
)  # fmt: skip
def test_token_count_in_short_form(tokens: int, text: str) -> None:
    assert short_count(tokens) == text
