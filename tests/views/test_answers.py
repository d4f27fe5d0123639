from __future__ import annotations

import orjson
import pytest

from addons.views.answers import write_answer
from addons.views.page import Page
from addons.views.reading import Reads
from addons.views.timeline import SHOWN_RUNS
from tests.fakes.model_upstream import Json
from tests.views.samples import (
    CALL_ITEM,
    CURSOR_EVENTS,
    MESSAGE_ITEM,
    RESPONSES_EVENTS,
    USAGE,
    chat_stream,
    messages_stream,
    ndjson,
    sse,
)

CALL = "CALL exec_command · call_1\n  cmd: |\n    ls -la\n    echo done"


def page_of(body: bytes, reads: Reads = ()) -> str:
    page = Page()
    write_answer(page, body, reads)
    return page.text()


def test_responses_stream_reads_as_what_was_said() -> None:
    text = page_of(sse(RESPONSES_EVENTS))

    assert text.startswith("id: resp_1\nmodel: fast\n\nASSISTANT\n  I will look.\n")
    assert CALL in text
    assert (
        "ENDED: response.completed\n  usage: in 1,200 (cached 1,000) · out 34 (reasoning 10)"
        in text
    )
    assert "quota: primary: 42 % used of 5 h" in text
    assert "response.heartbeat 1" in text


def test_cut_responses_stream_shows_what_came() -> None:
    text = page_of(sse(RESPONSES_EVENTS[:4]))

    assert "ASSISTANT (not finished)\n  I will look." in text
    assert "ENDED: not said" in text


def test_stream_cut_inside_an_event_shows_what_came_before() -> None:
    text = page_of(sse(RESPONSES_EVENTS)[:-40])

    assert CALL in text
    assert "no JSON 1" in text
    assert "ENDED: not said" in text


def test_failed_responses_stream_shows_the_error() -> None:
    failed: Json = {"type": "response.failed", "response": {"error": {"code": "invalid_prompt", "message": "No."}}}  # fmt: skip

    text = page_of(sse([RESPONSES_EVENTS[0], failed]))

    assert "ERROR\n  code: invalid_prompt\n  message: No." in text
    assert "ENDED: response.failed" in text


def test_whole_response_object_reads_like_its_stream() -> None:
    answer = {"object": "response", "id": "resp_1", "status": "completed", "output": [MESSAGE_ITEM, CALL_ITEM], "usage": USAGE}  # fmt: skip

    text = page_of(orjson.dumps(answer))

    assert "ASSISTANT\n  I will look." in text
    assert CALL in text
    assert "ENDED: status completed" in text


@pytest.mark.parametrize("body", [chat_stream(), messages_stream()], ids=["chat", "messages"])
def test_upstreams_streams_read_alike(body: bytes) -> None:
    text = page_of(body)

    assert "REASONING\n  First a list." in text
    assert "TEXT\n  I will look." in text
    assert CALL in text
    assert "usage: in 1,200 (cached 1,000) · out 34" in text


def test_each_stream_says_how_it_ended() -> None:
    assert "ENDED: finish_reason tool_calls" in page_of(chat_stream())
    assert "ENDED: message_stop, stop_reason tool_use" in page_of(messages_stream())


def test_whole_chat_completion() -> None:
    call = {"id": "call_1", "function": {"name": "exec_command", "arguments": '{"cmd":"ls -la\\necho done"}'}}  # fmt: skip
    choice = {"index": 0, "message": {"content": "I will look.", "tool_calls": [call]}, "finish_reason": "stop"}  # fmt: skip

    text = page_of(orjson.dumps({"id": "c", "choices": [choice]}))

    assert "TEXT\n  I will look." in text
    assert CALL in text


def test_whole_message() -> None:
    content = [{"type": "text", "text": "I will look."}, {"type": "tool_use", "id": "call_1", "name": "exec_command", "input": {"cmd": "ls -la\necho done"}}]  # fmt: skip

    text = page_of(orjson.dumps({"type": "message", "content": content, "stop_reason": "end_turn"}))

    assert "TEXT\n  I will look." in text
    assert CALL in text
    assert "ENDED: stop_reason end_turn" in text


def test_parallel_calls_stay_apart() -> None:
    def delta(index: int, **function: str) -> bytes:
        call = {"index": index, "function": function, **({"id": f"call_{index}"} if "name" in function else {})}  # fmt: skip
        return b"data: %s\n\n" % orjson.dumps({"choices": [{"delta": {"tool_calls": [call]}}]})

    text = page_of(
        delta(0, name="a", arguments='{"x":')
        + delta(1, name="b", arguments='{"y":')
        + delta(0, arguments="1}")
        + delta(1, arguments="2}")
    )

    assert "CALL a · call_0\n  x: 1\n\nCALL b · call_1\n  y: 2" in text


def test_cursor_lines_show_what_cursor_did_and_when() -> None:
    text = page_of(ndjson())

    assert text.startswith("model: Composer 2.5\n\nREASONING · at 0.0 s\n  Reading files\n")
    assert "TEXT · at 1.0 s\n  Hello\n" in text
    assert 'CURSOR RAN read · at 2.5 s\n  {"path":"a.py"}' in text
    assert 'RESULT read · at 2.6 s\n  {"success":{"totalLines":3}}' in text
    assert "ENDED: result success\n  usage: in 160 (cached 50) · out 5" in text
    assert "the prompt" not in text


def test_cursor_without_deltas_shows_its_segments() -> None:
    event: Json = {"type": "assistant", "message": {"content": [{"type": "text", "text": "Hello"}]}}

    assert "TEXT\n  Hello" in page_of(ndjson([CURSOR_EVENTS[0], event]))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", "(no body)"),
        (b'{"error": {"message": "slow"}}', "error:\n  message: slow"),
        (b'{"object": "list", "data": []}', "object: list"),
        (b"<html>Bad gateway</html>", "TEXT (24 bytes)\n  <html>Bad gateway</html>"),
        (b'data: {"error": {"message": "slow"}}\n\n', "ERROR\n  error:\n    message: slow"),
        (b'event: error\ndata: {"type": "error", "error": {"type": "overloaded"}}\n\n', "overloaded"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_shown_as_it_is(body: bytes, shown: str) -> None:
    assert shown in page_of(body)


def test_times_are_those_of_the_read_in_which_an_event_ended() -> None:
    events = [sse([event]) for event in RESPONSES_EVENTS[:4]]
    body = b"".join(events)
    first, half = len(events[0]), len(events[0] + events[1] + events[2]) - 5
    text = page_of(body, [(0.1, first), (0.25, half), (0.25, 3), (1.5, len(body))])

    assert text.endswith(
        "TIMES\n"
        "  0.100 s  response.created\n"
        "  0.250 s  response.output_item.added\n"
        "  1.500 s  response.output_text.delta (2)"
    )
    assert "TIMES" not in page_of(body)


def test_runs_of_events_are_told_by_their_first_and_last_time_and_are_not_endless() -> None:
    pieces = chat_stream().split(b"\n\n")
    ends = [len(b"\n\n".join(pieces[: n + 1])) + 2 for n in range(len(pieces))]
    text = page_of(chat_stream(), [(n / 10, end) for n, end in enumerate(ends)])
    assert "  0.000 to " in text.partition("TIMES")[2]
    flip = sse(RESPONSES_EVENTS[:2] * SHOWN_RUNS)
    assert page_of(flip, [(0.5, len(flip))]).partition("TIMES")[2].count("\n") == SHOWN_RUNS + 1
