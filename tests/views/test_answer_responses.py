"""Answers of the Responses protocol."""

from __future__ import annotations

import orjson
import pytest

from tests.fakes.model_upstream import Json
from tests.views.rendering import CALL_BLOCK, answer_page
from tests.views.samples import CALL_ITEM, MESSAGE_ITEM, RESPONSES_EVENTS, USAGE, sse


def test_stream_is_shown_as_its_items() -> None:
    text = answer_page(sse(RESPONSES_EVENTS))

    assert text.startswith("id: resp_1\nmodel: fast\n\nASSISTANT\n  I will look.\n")
    assert CALL_BLOCK in text
    usage = "usage: in 1,200 (cached 1,000) · out 34 (reasoning 10)"
    assert f"ENDED: response.completed\n  {usage}" in text
    assert "quota: primary: 42 % used of 5 h" in text
    assert "response.heartbeat 1" in text


def test_cut_stream_shows_the_unfinished_item() -> None:
    text = answer_page(sse(RESPONSES_EVENTS[:4]))

    assert "ASSISTANT (not finished)\n  I will look." in text
    assert "ENDED: without a terminal event" in text


def test_unfinished_item_without_deltas_shows_what_was_added() -> None:
    added: Json = {"type": "response.output_item.added", "output_index": 0, "item": CALL_ITEM}

    assert CALL_BLOCK.replace("call_1", "call_1 (not finished)", 1) in answer_page(sse([added]))


def test_stream_cut_inside_an_event_shows_the_events_before() -> None:
    text = answer_page(sse(RESPONSES_EVENTS)[:-40])

    assert CALL_BLOCK in text
    assert "no JSON 1" in text
    assert "ENDED: without a terminal event" in text


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({"type": "response.failed", "response": {"error": {"code": "invalid_prompt", "message": "No."}}}, "code: invalid_prompt\n  message: No."),
        ({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}, "reason: max_output_tokens"),
        ({"type": "error", "error": {"code": "slow"}}, "code: slow"),
        ({"type": "error", "code": "slow"}, "type: error\n  code: slow"),
    ],
)  # fmt: skip
def test_failed_stream_shows_its_error(event: Json, shown: str) -> None:
    text = answer_page(sse([RESPONSES_EVENTS[0], event]))

    assert f"ERROR\n  {shown}" in text
    assert f"ENDED: {event['type']}" in text


def test_unstreamed_response_is_shown_like_its_stream() -> None:
    answer = {"object": "response", "id": "resp_1", "status": "completed", "output": [MESSAGE_ITEM, CALL_ITEM], "usage": USAGE}  # fmt: skip

    text = answer_page(orjson.dumps(answer))

    assert "ASSISTANT\n  I will look." in text
    assert CALL_BLOCK in text
    assert "ENDED: status completed" in text
