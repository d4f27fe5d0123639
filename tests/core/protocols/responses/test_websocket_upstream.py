"""Frames of the Responses API over WebSocket: what is sent, and the events of an answer."""

from __future__ import annotations

import orjson
import pytest

from addons.core.headers import Headers
from addons.core.protocols.responses.websocket_upstream import (
    BETA,
    MAX_HELD_BYTES,
    AnswerFrames,
    frame_for,
    is_for_upstream,
    is_warm_up,
    upgrade_headers,
    warm_up_answer,
    whole_frame,
)
from addons.core.secrets import Origin
from addons.core.turn import UpstreamRequest
from tests.conformance import parse

BODY = b'{"model":"m","input":["a","b"],"client_metadata":{"k":"v"}}'
LITE = (b"X-OpenAI-Internal-Codex-Responses-Lite", b"true")
CREATE = {"type": "response.create", "model": "m", "input": ["a", "b"]}


def request(frame: bytes | None, headers: Headers = ()) -> UpstreamRequest:
    origin = Origin("https", "chatgpt.com", 443)
    return UpstreamRequest(origin, "POST", "/r", headers, BODY, frame=frame)


# Requests -----------------------------------------------------------------------------------------------------


def test_upgrade_has_what_belongs_to_no_single_turn() -> None:
    kept = ((b"originator", b"codex"), (b"x-codex-turn-metadata", b"{}"))
    dropped = (
        (b"Content-Type", b"application/json"),
        (b"content-encoding", b"zstd"),
        (b"accept", b"text/event-stream"),
        (b"accept-encoding", b"identity"),
        (b"openai-beta", b"responses=experimental"),
        LITE,
    )
    assert upgrade_headers((*kept, *dropped)) == (*kept, BETA)


def test_newer_version_of_the_protocol_that_the_client_names_is_asked_for() -> None:
    newer = (b"OpenAI-Beta", b"responses_websockets=2027-01-01")
    assert upgrade_headers((newer,)) == (newer,)


@pytest.mark.parametrize("body", [BODY, b" \n" + BODY])
def test_whole_frame_is_the_body_and_a_type(body: bytes) -> None:
    text = whole_frame(body, ((b"originator", b"codex"),))
    assert text == b'{"type":"response.create",' + BODY[1:]


def test_headers_of_a_turn_go_into_its_metadata() -> None:
    payload = orjson.loads(whole_frame(BODY, (LITE, (b"originator", b"codex"))))
    name = "ws_request_header_x_openai_internal_codex_responses_lite"
    assert payload == {**CREATE, "client_metadata": {"k": "v", name: "true"}}


@pytest.mark.parametrize(
    ("own", "last", "is_own"),
    [
        (b'{"type":"t","input":["b"],"previous_response_id":"r1"}', "r1", True),
        (b'{"type":"t","input":["b"],"previous_response_id":"r1"}', "r2", False),
        (b'{"type":"t","input":["b"],"previous_response_id":"r1"}', None, False),
        (b'{"type":"t","input":["b"],"previous_response_id":null}', None, True),
        (b'{"type":"t","input":["b"]}', "r1", True),
        # inside a text the quotes are escaped
        (rb'{"type":"t","input":["\"previous_response_id\":\"r9\""]}', None, True),
        # not known to be none of another object: the history is never wrong
        (b'{"type":"t","input":[{"previous_response_id" : "r9"}]}', "r1", False),
        (rb'{"type":"t","input":[],"previous_response_id":"r\u0031"}', "r1", False),
    ],
)
def test_own_frame_is_sent_while_the_server_knows_what_it_refers_to(
    own: bytes, last: str | None, is_own: bool
) -> None:
    text = frame_for(request(own), last)
    if is_own:
        assert text == own
    else:
        assert orjson.loads(text) == {"type": "t", "input": ["a", "b"]}


def test_request_without_a_frame_of_its_own_is_written_from_its_body() -> None:
    assert frame_for(request(b""), "r1") == whole_frame(BODY, ())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x_openai_internal_codex_responses_lite", True),
        ("x-codex-turn-state", True),
        ("authorization", False),
        ("X-Codex-Shim-Token", False),
        ("x_unknown", False),
        ("", False),
    ],
)
def test_frame_with_headers_that_are_not_passed_on_is_none_for_the_upstream(
    name: str, expected: bool
) -> None:
    frame = orjson.dumps({"client_metadata": {"k": "v", f"ws_request_header_{name}": "x"}})
    assert is_for_upstream(frame) is expected


def test_name_of_a_header_with_an_escape_is_not_passed_on() -> None:
    assert not is_for_upstream(rb'{"ws_request_header_x-codex-\u0061":"x"}')


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"type":"response.create","generate":false,"input":[]}', True),
        (b'{"generate" : false}', True),
        (b'{"generate":true}', False),
        (b'{"input":[]}', False),
        (b'{"tools":[{"generate":false}]}', False),
        (b'{"generate":false', False),
    ],
)
def test_warm_up_is_known(frame: bytes, expected: bool) -> None:
    assert is_warm_up(frame) is expected


def test_warm_up_stays_one_when_its_history_is_put_in() -> None:
    own = b'{"generate":false,"previous_response_id":"r9"}'
    assert orjson.loads(frame_for(request(own), "r1")) == {"generate": False, "input": ["a", "b"]}


def test_warm_up_is_answered_with_a_whole_response() -> None:
    created, completed = parse(warm_up_answer("resp_w"))
    assert (created["type"], created["response"]["id"]) == ("response.created", "resp_w")
    assert (completed["type"], completed["response"]["id"]) == ("response.completed", "resp_w")


# Answers ------------------------------------------------------------------------------------------------------

CREATED = b'{"type":"response.created","response":{"id":"r2"}}'
DELTA = b'{"type":"response.output_text.delta","delta":"hi"}'
DONE = b'{"type":"response.completed","response":{"id":"r2"}}'
REFUSAL = b'{"type":"error","status":429,"error":{"code":"c","message":"m"},"headers":{"a":"b"}}'


def test_each_frame_becomes_an_event() -> None:
    answer = AnswerFrames(["r1"])
    written = b"".join(answer.feed(text) for text in (CREATED, DELTA, DONE))
    assert [event["type"] for event in parse(written)] == [
        "response.created",
        "response.output_text.delta",
        "response.completed",
    ]
    assert (answer.is_over, answer.response_id, answer.refusal) == (True, "r2", None)


def test_type_need_not_come_first() -> None:
    answer = AnswerFrames()
    assert answer.feed(b'{"response":{"id":"r"},"type":"response.completed"}')
    assert (answer.is_over, answer.response_id) == (True, "r")


@pytest.mark.parametrize("kind", [b"response.failed", b"response.incomplete", b"error"])
def test_other_ends_leave_nothing_to_refer_to(kind: bytes) -> None:
    answer = AnswerFrames()
    answer.feed(CREATED)
    assert answer.feed(b'{"type":"%b","response":{"id":"r2"}}' % kind)
    assert (answer.is_over, answer.response_id) == (True, None)


def test_line_ends_between_tokens_do_not_end_an_event() -> None:
    event = AnswerFrames().feed(b'{\r\n"type": "response.created",\n"x": 1}')
    (found,) = parse(event)
    assert found == {"type": "response.created", "x": 1}


def test_refusal_in_place_of_an_answer() -> None:
    answer = AnswerFrames()
    assert answer.feed(b'{"type":"codex.rate_limits"}') == b""
    assert answer.feed(REFUSAL) == b""
    refusal = answer.refusal
    assert refusal
    assert (refusal.status, refusal.code) == (429, "c")
    assert refusal.body == b'{"error":{"code":"c","message":"m"}}'
    assert dict(refusal.headers) == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(refusal.body),
        b"a": b"b",
    }


def test_what_is_pushed_comes_before_the_answer() -> None:
    answer = AnswerFrames()
    pushed = b'{"type":"codex.rate_limits"}'
    assert answer.feed(pushed) == b""
    written = [answer.feed(text) for text in (CREATED, pushed, pushed, DELTA)]
    assert [event["type"] for event in parse(written[0])] == [
        "codex.rate_limits",
        "response.created",
    ]
    assert all(len(parse(each)) == 1 for each in written[1:])


def test_what_is_pushed_for_long_is_not_hoarded() -> None:
    answer = AnswerFrames()
    pushed = b'{"type":"codex.rate_limits","x":"%b"}' % (b"x" * 1000)
    for _ in range(1000):
        answer.feed(pushed)
    assert len(answer.feed(CREATED)) < MAX_HELD_BYTES + 3 * len(pushed)


@pytest.mark.parametrize(
    "headers", [{"a b": "c"}, {"é": "c"}, {"a": "b\r\nc: d"}, {"Set-Cookie": "c"}, {"": "c"}]
)
def test_headers_of_a_refusal_that_no_response_may_have_are_left_out(
    headers: dict[str, str],
) -> None:
    answer = AnswerFrames()
    answer.feed(orjson.dumps({"type": "error", "status": 400, "error": None, "headers": headers}))
    assert answer.refusal
    assert len(answer.refusal.headers) == 2


def test_error_frame_inside_an_answer_is_an_event() -> None:
    answer = AnswerFrames()
    answer.feed(CREATED)
    assert parse(answer.feed(REFUSAL))[0]["type"] == "error"
    assert (answer.refusal, answer.is_over) == (None, True)


def test_end_of_an_earlier_response_is_dropped() -> None:
    answer = AnswerFrames(["r2"])
    assert answer.feed(DONE) == b""
    assert not answer.is_over


def test_end_of_an_earlier_response_does_not_end_the_answer_under_way() -> None:
    answer = AnswerFrames(["r0", "r1"])
    answer.feed(CREATED)
    for name in (b"r0", b"r1"):
        assert answer.feed(DONE.replace(b"r2", name)) == b""
    assert (answer.is_over, answer.is_broken) == (False, False)
    assert answer.feed(DONE)
    assert (answer.is_over, answer.response_id) == (True, "r2")


@pytest.mark.parametrize("kind", [b"completed", b"failed", b"in_progress", b"created"])
def test_event_of_a_response_that_nobody_knows_breaks_the_answer(kind: bytes) -> None:
    answer = AnswerFrames(["r1"])
    answer.feed(CREATED)
    assert answer.feed(b'{"type":"response.%b","response":{"id":"r7"}}' % kind) == b""
    assert (answer.is_broken, answer.is_over, answer.response_id) == (True, False, None)


LATE = b'{"type":"response.output_text.delta","response_id":"%b","item_id":"i","delta":"late"}'


def test_late_delta_of_an_earlier_response_is_dropped() -> None:
    answer = AnswerFrames(["r1"])
    assert answer.feed(LATE % b"r1") == b""
    answer.feed(CREATED)
    # the second one begins like an event of this turn, which is not read again
    assert answer.feed(DELTA)
    assert answer.feed(LATE % b"r1") == b""
    assert answer.feed(LATE % b"r2")
    assert not answer.is_broken


@pytest.mark.parametrize("field", [b'"item_id":"i"', b'"output_index":0', b'"item":{}'])
def test_event_of_an_item_before_a_later_answer_begins_is_late(field: bytes) -> None:
    event = b'{"type":"response.new.delta",%b}' % field
    answer = AnswerFrames(["r1"])
    assert answer.feed(event) == b""
    assert answer.feed(CREATED)
    assert answer.feed(event)
    assert AnswerFrames().feed(event)


def test_event_that_names_nothing_belongs_to_the_turn_under_way() -> None:
    answer = AnswerFrames(["r1"])
    assert answer.feed(b'{"type":"response.heartbeat"}')
    assert answer.feed(b'{"type":"response.failed"}')
    assert (answer.is_over, answer.response_id) == (True, None)


def test_server_that_gives_every_response_one_id_ends_its_turns() -> None:
    answer = AnswerFrames(["r2"])
    answer.feed(CREATED)
    assert answer.feed(DONE)
    assert answer.is_over


@pytest.mark.parametrize(
    ("text", "is_broken"),
    [
        (DONE[:-1], True),
        (DONE + DONE, True),
        (DELTA + DONE, True),
        (DELTA + DELTA, False),
        (b'{"type":"response.output_text.delta","delta":"}{"}', False),
        (b"hello", False),
        (b"", False),
    ],
)
def test_frame_that_hides_an_end_is_broken(text: bytes, is_broken: bool) -> None:
    answer = AnswerFrames()
    written = answer.feed(text)
    assert answer.is_broken is is_broken
    assert not answer.is_over
    assert bool(written) is (bool(text) and not is_broken)


def test_refusal_that_is_nested_too_deeply_to_be_written_keeps_its_text() -> None:
    nested = b"[" * 400 + b"]" * 400
    answer = AnswerFrames()
    answer.feed(REFUSAL.replace(b'"message"', b'"more":%b,"message"' % nested))
    assert answer.refusal
    assert (answer.refusal.status, answer.refusal.code) == (429, "c")
    assert orjson.loads(answer.refusal.body) == {"error": {"code": "c", "message": "m"}}


@pytest.mark.parametrize("told", ["null", "{}", '{"detail":%s}' % ("[" * 400 + "]" * 400)])
def test_refusal_without_a_reason_gets_a_code_and_a_message(told: str) -> None:
    answer = AnswerFrames()
    answer.feed(b'{"type":"error","status":418,"error":%b}' % told.encode())
    assert answer.refusal
    error = orjson.loads(answer.refusal.body)["error"]
    assert error["code"] == answer.refusal.code == "upstream_error"
    assert "418" in error["message"]


def test_refusal_with_a_name_keeps_it() -> None:
    answer = AnswerFrames()
    answer.feed(b'{"type":"error","status":429,"error":{"type":"usage_limit_reached"}}')
    assert answer.refusal
    assert answer.refusal.code == "usage_limit_reached"
    error = orjson.loads(answer.refusal.body)["error"]
    assert (error.keys(), error["type"]) == ({"type", "message"}, "usage_limit_reached")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [((), True), ((b'{"type":"codex.rate_limits"}',), False), ((CREATED,), False), ((DONE.replace(b"r2", b"r1"),), True)],
)  # fmt: skip
def test_whatever_is_of_this_turn_may_mean_that_its_request_was_read(
    texts: tuple[bytes, ...], expected: bool
) -> None:
    answer = AnswerFrames(["r1"])
    for text in texts:
        answer.feed(text)
    assert answer.is_untouched is expected


def test_large_numbers_are_the_same_in_a_frame_that_is_written_anew() -> None:
    number = b"123456789012345678901234567890"
    body = BODY.replace(b'"b"', number)
    origin = Origin("https", "chatgpt.com", 443)
    own = b'{"type":"response.create","seed":%b,"previous_response_id":"r9"}' % number
    for frame, headers in ((own, ()), (b"", (LITE,))):
        sent = UpstreamRequest(origin, "POST", "/r", headers, body, frame=frame)
        written = frame_for(sent, "r1")
        assert number in written.partition(b'"input":')[2]
        assert written.count(number) == (2 if frame else 1)
