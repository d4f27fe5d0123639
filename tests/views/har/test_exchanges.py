"""What an archive gets of a recorded turn and of one in a file of flows."""

from __future__ import annotations

import json
from dataclasses import replace

import orjson

from addons.core.cassette.keys import without_keys
from addons.views.har.archive import StreamEvent, archive
from addons.views.har.exchanges import FlowTurn, hidden, of_flow, of_recorded
from addons.views.turn import Turn
from addons.views.turn_data import TurnData
from tests.core.cassette.turns import DONE, turn
from tests.strict.har import objections
from tests.views.samples import attempt, metadata

SHAPED = "sk-proj-" + "aB3" * 12
REQUEST = b'{"model":"fast","input":"hi"}'


def test_recorded_turn_keeps_its_events_and_times() -> None:
    recorded = turn()
    parts = ((0.25, "event: a\ndata: {}\n\n"), (0.75, ": only a comment\n\n"), (1.5, DONE))
    recorded = replace(recorded, answer=replace(recorded.answer, parts=parts))
    found = of_recorded(recorded, 100.0, 3)
    assert (found.started, found.first, found.seconds) == (100.0, 0.25, 1.5)
    assert [(event.at, event.name) for event in found.events] == [(0.25, "a"), (1.5, "")]
    assert found.answer == "".join(text for _, text in parts)
    assert found.url == "http://127.0.0.1:8765/v1/responses"
    assert found.comment == "turn 3: m, complete"
    timed = replace(recorded, started=5.0, request=replace(recorded.request, transport="websocket"))
    timed = replace(timed, request=replace(timed.request, headers=(("Host", "h:1"),)))
    found = of_recorded(timed, 100.0, 3)
    assert (found.started, found.is_socket, found.url) == (5.0, True, "ws://h:1/v1/responses")
    empty = replace(recorded, answer=replace(recorded.answer, parts=()))
    assert of_recorded(empty, 1.0, 1).seconds == 0


def flow(plain: object, answer: bytes | None = b"{}") -> FlowTurn:
    made = Turn(REQUEST, answer, (("content-type", "text/event-stream"),), 200, TurnData.parse(plain))  # fmt: skip
    return FlowTurn("f1", "t1", "POST", "http://h/v1/responses", (), made, 10.0, 0.5, 2.0)


def test_flow_has_its_attempts_and_no_key() -> None:
    stream = f'event: x\ndata: {{"text":"{SHAPED}"}}\n\ndata: [DONE]\n\n'.encode()
    plain = metadata(attempt(REQUEST, stream))
    client, upstream = of_flow(flow(plain, f'{{"a":"{SHAPED}"}}'.encode()))
    assert (client.first, client.seconds, client.status) == (0.5, 2.0, 200)
    assert client.comment.startswith("turn f1: fast")
    assert upstream.comment.startswith("attempt 1 of turn f1: ")
    assert upstream.method == "POST"
    assert [event.name for event in upstream.events] == ["x", ""]
    assert "<secret>" in client.answer
    assert "<secret>" in upstream.answer
    assert SHAPED not in repr((client, upstream))
    assert list(objections(archive((client, upstream), "t1"))) == []


def test_flow_without_a_record_is_one_exchange() -> None:
    [client] = of_flow(replace(flow(None, None), first=None))
    assert (client.first, client.answer) == (2.0, "")
    assert list(objections(archive((client,), ""))) == []


def test_key_that_is_spread_over_events_is_in_no_event() -> None:
    parts = (SHAPED[:11], SHAPED[11:24], SHAPED[24:], "", "two\nlines", SHAPED)
    events = [orjson.dumps({"type": "t", "delta": part}) for part in parts]
    stream = b"".join(b"data: %s\n\n" % event for event in [*events, b"a\ndata: b"])
    _, upstream = of_flow(flow(metadata(attempt(REQUEST, stream)), stream))
    data = [event.data for event in upstream.events]
    assert not [part for part in parts[:3] if part in str(data)]
    assert [json.loads(each)["delta"] for each in data[3:6]] == ["", "two\nlines", "<secret>"]
    assert data[6] == "a\nb"


def test_events_that_are_no_stream_are_hidden_one_by_one() -> None:
    events = (StreamEvent(0.0, "", ""), StreamEvent(1.0, "a", f"x {SHAPED}"))
    made = hidden(replace(of_recorded(turn(), 0.0, 1), events=events), without_keys)
    assert [each.data for each in made.events] == ["", "x <secret>"]
