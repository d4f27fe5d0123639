"""The line of the access log."""

from __future__ import annotations

from addons.core.telemetry.record import MAX_NOTES, AttemptRecord, TurnRecord, access_line
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
    agent="user",
    bytes_out=9,
    dropped=["input[1]: a blob\n"],
    error="",
    replay=True,
)  # fmt: skip


def test_line_has_the_numbers_and_names_of_its_turn() -> None:
    assert access_line(WHOLE, "input[1]") == {
        "time": "2027-01-15T08:00:00.500+00:00",
        "id": "f1",
        "thread": "t1",
        "agent": "user",
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


def test_unknown_values_are_null_and_prefix_is_present_only_when_it_broke() -> None:
    line = access_line(TurnRecord(status=404, error="no_route", ended="client_left"))
    assert (line["ttft"], line["usage"], line["attempts"], line["dropped"]) == (None, None, [], [])
    assert (line["status"], line["error"], line["ended"]) == (404, "no_route", "client_left")
    assert "prefix_broke_at" not in line


def test_number_of_notes_is_limited() -> None:
    notes = [f"note {n}" for n in range(MAX_NOTES + 1)]
    assert access_line(TurnRecord(dropped=notes))["dropped"] == notes[:-1]


def test_search_is_counted_and_what_was_searched_for_is_left_out() -> None:
    attempts = [AttemptRecord("https://a.example/search?q=private", "", "GET", 0.0)]
    turn = TurnRecord(slug="alpha/search", attempts=attempts, search="1 query of 7 characters")
    line = access_line(turn)
    assert line["search"] == "1 query of 7 characters"
    assert "private" not in repr(line)
    turn.queries = ["private"]
    assert access_line(turn)["queries"] == ["private"]
    assert not {"search", "queries"} & access_line(WHOLE).keys()
