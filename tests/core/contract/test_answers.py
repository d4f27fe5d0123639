"""Scripted answers: complete streams of the Responses API."""

from __future__ import annotations

import orjson
import pytest

from addons.core.contract.answers import (
    Answer,
    answer,
    as_stream,
    custom_call,
    function_call,
    message,
    probes,
    reasoning,
    script,
)
from addons.core.contract.events import PROBED_EVENTS

ANSWERS = {
    "empty": answer(),
    "items": answer(reasoning("a"), message("b"), function_call("f", {"x": 1}, "ns"), custom_call("c", "d"), script("e", 2)),
    "probes": probes(),
}  # fmt: skip


@pytest.mark.parametrize("events", ANSWERS.values(), ids=ANSWERS)
def test_answer_has_one_terminal_event_at_its_end(events: Answer) -> None:
    stream = as_stream(events)
    blocks = [block.split(b"\n") for block in stream.strip().split(b"\n\n")]
    parsed = [orjson.loads(data.removeprefix(b"data: ")) for _, data in blocks]
    assert [name.removeprefix(b"event: ").decode() for name, _ in blocks] == [
        event["type"] for event in parsed
    ]
    ends = [event["type"] for event in parsed if event["type"] in {"response.completed", "response.failed"}]  # fmt: skip
    assert ends == [parsed[-1]["type"]] == ["response.completed"]
    usage = parsed[-1]["response"]["usage"]
    assert usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"]


def test_every_item_is_added_and_done() -> None:
    events = ANSWERS["items"]
    added = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert added == done
    assert len(done) == 5
    ids = [item["call_id"] for item in done if isinstance(item, dict) and "call_id" in item]
    assert len(set(ids)) == len(ids) == 3


def test_probes_hold_every_event_that_may_be_ignored() -> None:
    names = {event["type"] for event in probes()}
    assert set(PROBED_EVENTS) - names == {"error"}
