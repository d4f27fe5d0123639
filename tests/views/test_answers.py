"""Recognition of an answer's format by its bytes, and the arrival times of its events."""

from __future__ import annotations

import pytest

from addons.views.answers import reader_for
from tests.fakes.model_upstream import Json
from tests.views.rendering import answer_page
from tests.views.samples import (
    CURSOR_EVENTS,
    RESPONSES_EVENTS,
    chat_stream,
    messages_stream,
    ndjson,
    sse,
)


@pytest.mark.parametrize(
    ("event", "reader"),
    [
        (RESPONSES_EVENTS[0], "ResponsesReader"),
        ({"type": "codex.rate_limits"}, "ResponsesReader"),
        ({"type": "message_start"}, "MessagesReader"),
        ({"type": "message"}, "MessagesReader"),
        ({"choices": []}, "ChatReader"),
        ({"object": "chat.completion.chunk"}, "ChatReader"),
        (CURSOR_EVENTS[0], "CursorReader"),
        ({"type": "something_new"}, "NoneType"),
    ],
)
def test_reader_is_chosen_by_the_first_known_event(event: Json, reader: str) -> None:
    unknown: Json = {"type": "unknown"}
    events = [(one, "", None) for one in (unknown, event)]
    assert type(reader_for(events)).__name__ == reader


def test_event_name_counts_when_the_data_has_no_type() -> None:
    assert type(reader_for([({}, "message_start", None)])).__name__ == "MessagesReader"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", "(no body)"),
        (b'{"error": {"message": "slow"}}', "error:\n  message: slow"),
        (b'{"object": "list", "data": []}', "object: list"),
        (b'{"type": "message", "choices": 5}', "ENDED: "),
        (b"<html>Bad gateway</html>", "TEXT (24 bytes)\n  <html>Bad gateway</html>"),
        (b'data: {"error": {"message": "slow"}}\n\n', "ERROR\n  error:\n    message: slow"),
        (b'event: error\ndata: {"type": "error", "error": {"type": "overloaded"}}\n\n', "overloaded"),
        (b'data: {"type": "error", "sequence_number": 1, "code": "late"}\n\n', "ENDED: error"),
    ],
)  # fmt: skip
def test_body_that_is_no_answer_of_a_model_is_shown_unchanged(body: bytes, shown: str) -> None:
    assert shown in answer_page(body)


@pytest.mark.parametrize(
    "body", [chat_stream(), messages_stream(), ndjson(), sse(RESPONSES_EVENTS)]
)
def test_times_are_shown_only_for_streams_with_known_arrival_times(body: bytes) -> None:
    assert "TIMES" not in answer_page(body)
    assert ("TIMES" in answer_page(body, [(0.5, len(body))])) is (body != ndjson())


def test_time_of_an_event_is_that_of_the_read_in_which_it_ended() -> None:
    events = [sse([event]) for event in RESPONSES_EVENTS[:4]]
    body = b"".join(events)
    first, half = len(events[0]), len(events[0] + events[1] + events[2]) - 5
    text = answer_page(body, [(0.1, first), (0.25, half), (0.25, 3), (1.5, len(body))])

    assert text.endswith(
        "TIMES\n"
        "  0.100 s  response.created\n"
        "  0.250 s  response.output_item.added\n"
        "  1.500 s  response.output_text.delta (2)"
    )
