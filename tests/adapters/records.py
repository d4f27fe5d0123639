"""Records of turns, for the tests of who writes them down."""

from __future__ import annotations

from addons.core.telemetry.record import AttemptRecord, TurnRecord
from addons.core.usage import Usage


def turn(**fields: object) -> TurnRecord:
    """A healthy turn of a row, unless said otherwise."""
    made = TurnRecord(
        id="f1",
        slug="row",
        row="row",
        agent="user",
        route="openai",
        model="gpt-5",
        thread="t1",
        started=1_800_000_000.0,
        attempts=[AttemptRecord("http://127.0.0.1:1/v1", "", "POST", 0.0, outcome="200")],
        status=200,
        terminal="response.completed",
        usage=Usage(1000, 900, 50, 10, 1050, 20),
        ttft=0.5,
        seconds=2.0,
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made
