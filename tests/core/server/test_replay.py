"""The plan of a turn that a cassette answers."""

from __future__ import annotations

from dataclasses import replace

import orjson

from addons.core.cassette.format import Cassette, RecordedAnswer, RecordedTurn
from addons.core.cassette.player import Player
from addons.core.limits import Limits
from addons.core.server.replay import REPLAY, ReplayPlans
from addons.core.turn import Answer, ClientRequest, LocalSource, Sink, StreamLocal
from tests.core.cassette.turns import body, turn

CODEX = (b"originator", b"codex_exec")


def no_pauses(parts: object) -> LocalSource:
    async def write(sink: Sink) -> None:
        await sink.write(repr(parts).encode())

    return write


def plans(*turns: RecordedTurn) -> ReplayPlans:
    return ReplayPlans(Player(Cassette(turns), "a.jsonl"), Limits(), no_pauses)


def request(text: str, *headers: tuple[bytes, bytes]) -> ClientRequest:
    return ClientRequest("POST", "/v1/responses", headers, body(text).encode())


def answered(plan: object) -> Answer:
    step = plan.start()  # type: ignore[attr-defined]
    assert isinstance(step, Answer)
    return step


def test_stream_is_written_by_a_local_source() -> None:
    asked = request("hi")
    step = plans(turn()).plan(asked).start()
    assert isinstance(step, StreamLocal)
    assert step.head.headers == ((b"content-type", b"text/event-stream"),)
    assert (asked.notes.slug, asked.notes.route, asked.notes.agent) == ("m", REPLAY, "user")
    # a recording that was cut gets its terminal event
    step.translator.feed(b"data: {}\n\n")
    assert step.translator.finish().startswith(b"event: response.failed")


def test_answer_that_is_no_stream_keeps_its_status() -> None:
    refused = RecordedAnswer(429, (("retry-after", "3"), ("content-length", "9")), ((0.2, "{}"),))
    step = answered(plans(replace(turn(), answer=refused)).plan(request("hi")))
    assert (step.reply.head.status, step.reply.body) == (429, b"{}")
    assert step.reply.head.headers == ((b"retry-after", b"3"),)


def test_miss_is_an_error_that_no_client_repeats() -> None:
    step = answered(plans(turn()).plan(request("bye", CODEX)))
    assert step.reply.head.status == 200
    assert b'"code":"invalid_prompt"' in step.reply.body
    assert b"The cassette a.jsonl has no turn for this request: the nearest one is turn 1" in step.reply.body  # fmt: skip
    other = answered(plans(turn()).plan(request("bye")))
    assert other.reply.head.status == 404
    assert orjson.loads(other.reply.body)["error"]["code"] == "not_recorded"


def test_body_that_cannot_be_decoded_is_refused() -> None:
    step = answered(plans(turn()).plan(request("hi", (b"content-encoding", b"br"))))
    assert step.reply.head.status == 415


def test_warm_up_is_answered_without_the_cassette() -> None:
    frame = ClientRequest("POST", "/v1/responses", (), b'{"model":"m","generate":false}')
    assert b"response.completed" in answered(plans(turn()).plan(frame)).reply.body


def test_models_are_those_of_the_cassette() -> None:
    entry = {"slug": "m", "display_name": "Model"}
    table = plans(replace(turn(), model=entry), turn("two")).table
    assert [(route.slug, route.display_name, route.entry) for route in table.live] == [("m", "Model", entry)]  # fmt: skip
    step = table.live[0].make_plan(request("hi"), table.live[0]).start()
    assert isinstance(step, StreamLocal)
