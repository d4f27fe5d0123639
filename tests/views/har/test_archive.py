"""The archive of a thread, held to the published schema and to what Chromium imports."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from addons.views.har.archive import Exchange, StreamEvent, archive
from tests.strict.har import objections

STREAM = (("Content-Type", "text/event-stream"),)
EVENTS = (StreamEvent(0.5, "response.created", '{"a":1}'), StreamEvent(1.25, "", "{}"))
TURN = Exchange(
    started=1_796_000_000.25,
    method="POST",
    url="http://127.0.0.1:8765/v1/responses?a=1&b=",
    headers=(("content-type", "application/json"), ("thread-id", "t1")),
    body='{"input":"häh"}',
    status=200,
    answer_headers=STREAM,
    answer="data: {}\n\n",
    first=0.5,
    seconds=1.25,
    comment="turn 1",
    events=EVENTS,
)


def entries(*exchanges: Exchange) -> list[Any]:
    har = archive(exchanges, "t1 Fix it")
    assert list(objections(har)) == []
    assert json.loads(json.dumps(har)) == har
    log: Any = har["log"]
    found: list[Any] = log["entries"]
    return found


def test_turn_is_an_entry_with_its_times() -> None:
    [entry] = entries(TURN)
    assert entry["startedDateTime"] == "2026-11-30T00:53:20.250Z"
    assert entry["time"] == 1250.0
    assert (entry["timings"]["wait"], entry["timings"]["receive"]) == (500.0, 750.0)
    request, response = entry["request"], entry["response"]
    assert request["queryString"] == [{"name": "a", "value": "1"}, {"name": "b", "value": ""}]
    assert request["bodySize"] == len(TURN.body.encode()) == len(TURN.body) + 1
    assert request["postData"] == {"mimeType": "application/json", "text": TURN.body}
    assert (response["status"], response["statusText"]) == (200, "OK")
    assert response["content"] == {"size": 10, "mimeType": "text/event-stream", "text": TURN.answer}
    assert entry["_eventSourceMessages"] == [
        {"time": TURN.started + 0.5, "eventName": "response.created", "eventId": "", "data": '{"a":1}'},
        {"time": TURN.started + 1.25, "eventName": "message", "eventId": "", "data": "{}"},
    ]  # fmt: skip


def test_turn_over_a_websocket_has_its_frames() -> None:
    [entry] = entries(replace(TURN, is_socket=True, url="ws://127.0.0.1:8765/v1/responses"))
    assert entry["_resourceType"] == "websocket"
    sent, *received = entry["_webSocketMessages"]
    assert (sent["type"], sent["time"], sent["data"]) == ("send", TURN.started, TURN.body)
    assert [(one["type"], one["time"] - TURN.started) for one in received] == [("receive", 0.5), ("receive", 1.25)]  # fmt: skip


def test_odd_exchanges_are_valid_and_in_order() -> None:
    none = replace(TURN, started=1.0, status=0, body="", answer="", answer_headers=(), events=(), first=9.0)  # fmt: skip
    damaged = replace(TURN, started=1e300, status=299, first=-1.0, url="")
    first, *_, last = entries(damaged, TURN, none)
    assert first["response"]["statusText"] == ""
    assert "postData" not in first["request"]
    assert first["timings"]["receive"] == 0
    assert last["startedDateTime"].startswith("2096-")
    assert last["timings"]["wait"] == 0


def test_times_of_a_damaged_file_are_numbers() -> None:
    for bad in (math.nan, math.inf, -math.inf, -1e300, 1.7e308):
        events = (StreamEvent(bad, "", "{}"),)
        damaged = replace(TURN, started=bad, first=bad, seconds=bad, events=events)
        for each in (damaged, replace(damaged, is_socket=True)):
            text = json.dumps(entries(TURN, each), allow_nan=False)
            assert "1970-01-01T00:00:00.000Z" in text or "2096-10-02T07:06:40.000Z" in text


def test_url_of_a_damaged_file_is_kept() -> None:
    for url, query in (
        ("http://[/v1?a=1#?b=2", [("a", "1")]),
        ("http://[x", []),
        ("", []),
        ("?", []),
    ):
        [entry] = entries(replace(TURN, url=url))
        assert entry["request"]["url"] == url
        assert [(one["name"], one["value"]) for one in entry["request"]["queryString"]] == query
