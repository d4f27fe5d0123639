"""The frames of an answer do not depend on how its bytes were read, and no error leaves Codex waiting."""

from __future__ import annotations

import time
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import SSE_HEADERS, Problem
from addons.core.headers import Headers
from addons.core.json_values import JsonDict
from addons.core.protocols.responses.websocket.answer import (
    EventFrames,
    error_frame,
    is_stream,
    problem_frame,
)
from addons.core.protocols.responses.websocket.history import Histories, History

JSON: Headers = ((b"content-type", b"application/json"),)
STREAM = (
    'event: response.created\ndata: {"type":"response.created"}\n\n'
    ": comment\n\n"
    'data: {"type":"a",\ndata: "text":"ä €"}\r\n\r\n'
    "event: nothing\n\n"
    "data: [DONE]\n\n"
    'data:{"type":"response.completed"}\n\n'
).encode()
TEXTS = [
    b'{"type":"response.created"}',
    '{"type":"a",\n"text":"ä €"}'.encode(),
    b'{"type":"response.completed"}',
]


def cut(data: bytes, borders: list[int]) -> list[bytes]:
    edges = [0, *sorted({border % (len(data) + 1) for border in borders}), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_any_cut_of_the_bytes_gives_the_same_frames(borders: list[int]) -> None:
    frames = EventFrames(1000)
    found = [text for part in cut(STREAM, borders) for text in frames.feed(part)]
    assert found + frames.finish() == TEXTS


DELTA = 'event: a\ndata: {"type":"a","delta":"%s"}\n\n'
LINES = st.sampled_from(
    [b"event: a\n", b"event: b\n", b"data: {}\n", b"data: \xc3\xa4\n", b"data: [DONE]\n", b"data: \n",
     b"data:x\n", b"data\n", b": c\n", b"id: 1\n", b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\xff", b"\xef\xbb\xbf"]
)  # fmt: skip


@given(st.lists(LINES, max_size=25), st.lists(st.integers(0, 10_000), max_size=6))
def test_any_lines_give_the_frames_that_one_read_gives(
    lines: list[bytes], borders: list[int]
) -> None:
    stream = b"event: a\ndata: 1\n\n" + b"".join(lines) + b"\n\n"
    whole, parts = EventFrames(1000), EventFrames(1000)
    slow = [text for one in stream.splitlines(keepends=True) for text in whole.feed(one)]
    assert [text for part in cut(stream, borders) for text in parts.feed(part)] == slow


@pytest.mark.parametrize(
    "stream",
    [
        b'\0{"type":"response.completed"}\n\n',
        b'\xff{"type":"response.completed"}\n\n',
        b'\0{"a":1}\0{"b":2}\n\n',
    ],
)
def test_line_that_is_no_data_begins_no_stream(stream: bytes) -> None:
    frames = EventFrames(1000)
    assert frames.feed(stream) + frames.finish() == []


@pytest.mark.parametrize("start", [b"", b"data: [1]\n\n"])
def test_line_with_control_characters_is_no_event(start: bytes) -> None:
    frames = EventFrames(1000)
    frames.feed(start)
    for line in (b"\0{}", b"\0[1]\0{}"):
        assert frames.feed(line + b"\n\n") == []


NAMED = DELTA.replace("event: a", "event: response.a")
A, B = b"response.a", b"response.b"


def test_names_are_those_of_the_events_of_a_read() -> None:
    frames = EventFrames(1000)
    read = "".join(NAMED % n for n in range(3)).encode()
    assert (len(frames.feed(read)), frames.names) == (3, [A] * 3)
    assert (len(frames.feed(read)), frames.names) == (3, (A,))
    assert (len(frames.feed(read + b"event: response.b\ndata: {}\n\n")), frames.names) == (
        4,
        [A, A, A, B],
    )
    assert (len(frames.feed(read[:-5])), frames.names) == (2, [A] * 2)
    assert (len(frames.feed(read[-5:] + read)), frames.names) == (4, (b"", A, A, A))
    frames.feed(b"event: response.b\ndata: {")
    assert (len(frames.feed(b"}\n\n" + read)), frames.names) == (4, (b"", A, A, A))
    assert (len(frames.feed(b'data: {"type":"a"}\n\n')), frames.names) == (1, [b""])
    assert (len(frames.feed(b"event: response.a\ndata: {}\n\ndata: [DONE]\n\n")), frames.names) == (
        1,
        [A],
    )
    assert (len(frames.feed(b'data: {"type":"a"}\n\n')), frames.names) == (1, (b"",))
    assert (frames.finish(), frames.names) == ([], ())


@pytest.mark.parametrize("name", ["message", "response", "error"])
def test_name_that_is_no_type_is_unknown(name: str) -> None:
    frames = EventFrames(1000)
    read = NAMED.replace("response.a", name).encode() % b"1"
    for reads in (1, 1, 2):
        assert len(frames.feed(read * reads)) == reads
        assert not any(frames.names)


@given(st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from(["message", "x", ""]))
def test_history_of_events_with_other_names_does_not_depend_on_reads(
    borders: list[int], name: str
) -> None:
    ends = ("created", "output_item.done", "completed")
    data = '{"type":"response.%s","item":2,"response":{"id":"resp_1"}}'
    stream = "".join(f"event: {name}\ndata: {data % end}\n\n" for end in ends).encode()
    frames, history = EventFrames(1000), History(1000, Histories(lambda: 1000))
    history.begin({"input": [1]}, None)
    for part in cut(stream, borders):
        history.note(frames.feed(part), frames.names)
    payload: JsonDict = {"input": [3]}
    assert history.begin(payload, "resp_1")
    assert orjson.dumps(payload) == b'{"input":[1,2,3]}'


def test_byte_order_mark_is_one_at_the_begin_of_the_stream_alone() -> None:
    mark, event = b"\xef\xbb\xbf", b"data: 1\n\n"
    assert EventFrames(1000).feed(mark + event) == [b"1"]
    frames = EventFrames(1000)
    assert frames.feed(event) == [b"1"]
    assert frames.feed(mark + event) == frames.feed(b"xdata: 1\n\n") == []


@pytest.mark.parametrize("own", [b"", b"{"])
def test_a_read_that_only_begins_like_the_one_before_is_read_line_by_line(own: bytes) -> None:
    frames = EventFrames(40)
    one = b"data: %b1\n\n" % own
    assert frames.feed(one) == frames.feed(one) == [own + b"1"]
    assert frames.feed(b"data: %ba\ndata: %bb\n\n" % (own, own)) == [b"%ba\n%bb" % (own, own)]
    assert frames.feed(b"data: [DONE]\n\n") == []
    assert frames.feed(b"data: \n\n") == []
    assert frames.feed(one + b"data: [DONE]\n\n") == [own + b"1"]
    assert frames.feed(one + b"data: \n\n") == [own + b"1"]
    assert frames.feed(b"data: %b\xff\n\n" % own) == [own + "\ufffd".encode()]
    halves = [own.decode() + "\ufffd", "\ufffd"]
    assert frames.feed(b"data: %b\xc3\n\ndata: \xa9\n\n" % own) == [
        half.encode() for half in halves
    ]
    assert frames.feed(b"data: 1\r\n\r\ndata: 2\n\n") == [b"1", b"2"]
    assert frames.feed(one) == [own + b"1"]
    assert frames.feed(b"data: %ba\rdata: %bb\n\n" % (own, own)) == [b"%ba\n%bb" % (own, own)]
    assert frames.feed(one) == [own + b"1"]
    assert frames.feed(b"data: %b3\n\ndata: " % own) == [own + b"3"]
    assert frames.feed(b"data: 4\n\n") == [b"data: 4"]
    assert frames.feed(b"data: %b" % own + b"x" * 40 + b"\n\n") == []
    assert frames.too_large


EVENTS = st.lists(
    st.sampled_from(
        ["event: a\ndata: {}\n\n", "event: a\ndata: {1\n\n", "event: a\ndata: 2\n\n", "data: {3\n\n",
         "event: b\ndata: ä\n\n", "data: [DONE]\n\n", "event: a\ndata: 4\ndata: 5\n\n", "event: a\n\n", "id: 1\ndata: 6\n\n", ": c\n\n"]
    ),
    max_size=6,
)  # fmt: skip


@given(st.lists(EVENTS, max_size=6))
def test_reads_of_whole_events_give_the_frames_that_one_line_at_a_time_gives(
    reads: list[list[str]],
) -> None:
    fast, slow = EventFrames(1000), EventFrames(1000)
    for read in (["event: a\ndata: 0\n\n"], *reads):
        data = "".join(read).encode()
        lines = [text for line in data.splitlines(keepends=True) for text in slow.feed(line)]
        assert fast.feed(data) == lines
        sent = [event for event in read if "data: " in event and "[DONE]" not in event]
        own = [event.partition("event: ")[2][:1] for event in sent]
        assert len(fast.names) in {0, 1, len(own)}
        known = fast.names if len(fast.names) == len(own) else [*fast.names] * len(own)
        assert all(name.decode() in ("", own[at]) for at, name in enumerate(known))


@given(st.binary(max_size=200), st.lists(st.integers(0, 10_000), max_size=5))
def test_any_bytes_give_valid_text(data: bytes, borders: list[int]) -> None:
    frames = EventFrames(50)
    for part in cut(data, borders):
        for text in frames.feed(part):
            text.decode()
    for text in frames.finish():
        text.decode()


@pytest.mark.parametrize("field", [b"data: ", b"event: "])
def test_event_that_is_full_of_fields_takes_no_longer_than_another(field: bytes) -> None:
    frames = EventFrames(200_000)
    text = field * (100_000 // len(field))
    assert frames.feed(b"data: {}\n\n") == [b"{}"]
    began = time.thread_time()
    assert frames.feed(b"data: %b\ndata: x\n\n" % text) == [text.removeprefix(b" ") + b"\nx"]
    # the pattern of every start in the line takes seconds, one of the begin of lines a few milliseconds
    assert time.thread_time() - began < 1


@pytest.mark.parametrize(("rest", "texts"), [(b'data: {"a":1}', [b'{"a":1}']), (b'data: {"a"', [])])
def test_last_event_without_a_blank_line_counts_if_it_is_whole(
    rest: bytes, texts: list[bytes]
) -> None:
    frames = EventFrames(1000)
    assert frames.feed(rest) == []
    assert frames.finish() == texts


def test_event_beyond_the_limit_is_noticed() -> None:
    frames = EventFrames(20)
    frames.feed(b"data: " + b"x" * 10)
    assert not frames.too_large
    frames.feed(b"x" * 50)
    assert frames.too_large


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, SSE_HEADERS, True),
        (200, ((b"Content-Type", b"text/event-stream; charset=utf-8"),), True),
        (200, (*SSE_HEADERS, (b"content-encoding", b"identity")), True),
        (200, (*SSE_HEADERS, (b"content-encoding", b"gzip")), False),
        (201, SSE_HEADERS, False),
        (200, JSON, False),
        (200, (), False),
    ],
)
def test_only_a_plain_event_stream_is_cut_into_frames(
    status: int, headers: Headers, expected: bool
) -> None:
    assert is_stream(status, headers) is expected


def error(status: int, body: bytes, *headers: tuple[bytes, bytes]) -> dict[str, object]:
    frame = orjson.loads(error_frame(status, headers, body))
    assert isinstance(frame, dict)
    return frame


def test_error_keeps_status_code_and_the_headers_that_codex_reads() -> None:
    body = b'{"error":{"type":"usage_limit_reached","message":"limit","resets_at":5}}'
    passed = (b"X-Codex-Primary-Used-Percent", b"100"), (b"retry-after", b"2")
    dropped = (b"set-cookie", b"a=b"), (b"content-length", b"70"), (b"openai-model", b"other")
    assert error(429, body, *passed, *dropped) == {
        "type": "error",
        "status": 429,
        "error": {"type": "usage_limit_reached", "message": "limit", "resets_at": 5},
        "headers": {"X-Codex-Primary-Used-Percent": "100", "retry-after": "2"},
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"detail":"no such model"}', "no such model"),
        (b'{"message":"gone"}', "gone"),
        (b'{"error":"text"}', "text"),
        (b"<html>\xff", "<html>\ufffd"),
        (b"[1]", "[1]"),
        (b"", ""),
    ],
)
def test_error_of_any_form_has_a_message(body: bytes, message: str) -> None:
    found = error(404, body)["error"]
    assert isinstance(found, dict)
    assert found["message"] == message


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("model_not_found", "invalid_prompt"),
        (None, "invalid_prompt"),
        ("invalid_prompt", "invalid_prompt"),
        ("context_length_exceeded", "context_length_exceeded"),
    ],
)
def test_sentence_of_a_bad_request_is_that_of_a_failed_response(
    code: str | None, shown: str
) -> None:
    frame = error(400, orjson.dumps({"error": {"message": "a sentence", "code": code}}))
    assert frame["type"] == "response.failed"
    response = frame["response"]
    assert isinstance(response, dict)
    assert response["error"] == {"code": shown, "message": "a sentence"}


@pytest.mark.parametrize(
    "code", ["previous_response_not_found", "websocket_connection_limit_reached"]
)
def test_bad_request_at_which_codex_connects_again_stays_an_error(code: str) -> None:
    frame = problem_frame(Problem(400, code, "a sentence"))
    assert orjson.loads(frame)["status"] == 400


@pytest.mark.parametrize("status", [200, 204, 302])
def test_answer_that_is_neither_stream_nor_error_is_a_gateway_error(status: int) -> None:
    frame = error(status, b'{"id":"resp_1"}', *JSON)
    assert frame["status"] == 502
    assert "application/json" in str(frame["error"])
    assert "no content-type" in str(error(status, b"")["error"])


@given(st.integers(100, 599), st.binary(max_size=100))
def test_every_error_frame_has_a_status_or_is_a_failed_response(status: int, body: bytes) -> None:
    frame = error(status, body)
    if frame["type"] == "error":
        assert isinstance(frame["status"], int)
        assert frame["status"] >= 400
    else:
        assert frame["type"] == "response.failed"


@pytest.mark.parametrize("code", [["x"], {"a": 1}, 5, None])
def test_code_that_is_no_text_is_no_known_code(code: object) -> None:
    body = orjson.dumps({"error": {"code": code, "message": "no"}})
    error = orjson.loads(error_frame(400, JSON, body))["response"]["error"]
    assert (error["code"], error["message"]) == ("invalid_prompt", "no")


@pytest.mark.parametrize("body", [b'{"error":{"message":"no","x":%b}}', b'{"x":%b}'])
def test_error_that_is_nested_too_deeply_to_be_written_is_quoted(body: bytes) -> None:
    nested = body % (b"[" * 400 + b"]" * 400)
    frame = orjson.loads(error_frame(500, JSON, nested))
    assert frame["status"] == 500
    assert frame["error"] == {"type": "error", "message": nested.decode()[:500]}
