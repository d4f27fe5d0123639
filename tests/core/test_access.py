"""One line of the access log, as programs read it."""

from __future__ import annotations

from addons.core.access import MOST_NOTES, access_line
from addons.core.record import AttemptRecord, TurnRecord
from addons.core.usage import Usage

WHOLE = TurnRecord(
    id="f1",
    slug="row",
    route="openai",
    model="gpt-5",
    thread="t1",
    started=1_800_000_000.5,
    attempts=[AttemptRecord("https://a.example/v1", "", "POST", 0.0, seconds=0.123456, outcome="429")],
    status=200,
    terminal="response.completed",
    usage=Usage(1000, 900, 50, 10, 1050, 20),
    ttft=0.123456,
    seconds=2.0,
    bytes_in=7,
    bytes_out=9,
    dropped=["input[1]: a blob\n"],
    error="",
    replay=True,
)  # fmt: skip


def test_a_line_has_the_figures_and_names_of_its_turn() -> None:
    assert access_line(WHOLE, "input[1]") == {
        "time": "2027-01-15T08:00:00.500+00:00",
        "id": "f1",
        "thread": "t1",
        "slug": "row",
        "route": "openai",
        "model": "gpt-5",
        "attempts": [
            {"url": "https://a.example/v1", "reason": "", "outcome": "429", "seconds": 0.1235}
        ],
        "status": 200,
        "terminal": "response.completed",
        "error": "",
        "ended": "",
        "ttft": 0.1235,
        "seconds": 2.0,
        "usage": {
            "input": 1000, "cached": 900, "cache_written": 20, "output": 50, "reasoning": 10,
        },
        "bytes_in": 7,
        "bytes_out": 9,
        "dropped": ["input[1]: a blob?"],
        "replay": True,
        "prefix_broke_at": "input[1]",
    }  # fmt: skip


def test_what_is_not_known_is_null_and_what_did_not_happen_is_left_out() -> None:
    line = access_line(TurnRecord(status=404, error="no_route", ended="client_left"))
    assert (line["ttft"], line["usage"], line["attempts"], line["dropped"]) == (None, None, [], [])
    assert (line["status"], line["error"], line["ended"]) == (404, "no_route", "client_left")
    assert "prefix_broke_at" not in line


def test_a_line_holds_so_many_notes_and_no_more() -> None:
    notes = [f"note {n}" for n in range(MOST_NOTES + 1)]
    assert access_line(TurnRecord(dropped=notes))["dropped"] == notes[:-1]
