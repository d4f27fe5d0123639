"""The conformance checker fails on each broken rule: each row breaks a valid stream once and names the rule."""

from __future__ import annotations

import re

import pytest

from addons.core.protocols.canonical.events import (
    Citation,
    ReasoningDelta,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageSeen,
)
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.usage import Usage
from tests.conformance import check

GOOD = Emitter("resp_1", 7, "stub", {}, Client.CODEX).emit(
    [
        ReasoningDelta("hm"),
        TextDelta("ab"),
        TextDelta("cd"),
        Citation("u", "t", 1, 2),
        ToolCallStart(0, "call_1", "exec"),
        ToolCallDelta(0, "{}"),
        ToolCallEnd(0),
        UsageSeen(Usage(1, 0, 2, 0, 3)),
        Stopped(StopReason.END),
    ]
)
EVENTS = [block + b"\n\n" for block in GOOD.removesuffix(b"\n\n").split(b"\n\n")]


def without(kind: str) -> bytes:
    """Return the stream without one kind of event, numbered consecutively."""
    kept = [
        event for event in EVENTS if not event.startswith(b"event: response.%s\n" % kind.encode())
    ]
    assert kept != EVENTS
    return b"".join(
        re.sub(rb'"sequence_number":\d+', b'"sequence_number":%d' % number, event, count=1)
        for number, event in enumerate(kept)
    )


def test_valid_stream_passes() -> None:
    assert check(GOOD)["type"] == "response.completed"


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("created", "opens with"),
        ("in_progress", "opens with"),
        ("output_item.added", "item that was added"),
        ("content_part.added", "of the open part"),
        ("output_text.delta", "is what its deltas said"),
        ("output_text.annotation.added", "annotations are those"),
        ("output_text.done", "text of a part is done before"),
        ("content_part.done", "content is the parts done"),
        ("output_item.done", "every item is done"),
        ("reasoning_summary_part.added", "of the open part"),
        ("reasoning_summary_text.done", "text of a part is done before"),
        ("reasoning_summary_part.done", "summary is the parts done"),
        ("function_call_arguments.delta", "is what its deltas said"),
        ("function_call_arguments.done", "arguments are done before"),
        ("completed", "one terminal event"),
    ],
)
def test_missing_event_fails(kind: str, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check(without(kind))


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b'"sequence_number":4', b'"sequence_number":5', "rise by one"),
        (b'"delta":"cd"', b'"delta":"ce"', "what its deltas said"),
        (b'"item_id":"msg_1_1","output_index":1', b'"item_id":"msg_1_9","output_index":1', "names its item"),
        (b'"output_index":2,"item"', b'"output_index":3,"item"', "next output_index"),
        (b'"content_index":0', b'"content_index":1', "next content_index|open part"),
        (b'"annotation_index":0', b'"annotation_index":1', "next annotation_index"),
        (b'"start_index":1', b'"start_index":"1"', "start_index of a citation"),
        (b'"cached_tokens":0', b'"cached_tokens":0.5', "usage is integers"),
        (b'"id":"fc_1_2"', b'"id":"call_2"', "begins with fc_"),
        (b'"status":"completed","error":null', b'"status":"failed","error":null', "the event's status"),
        (b'"created_at":7,"status":"completed"', b'"created_at":8,"status":"completed"', "what was announced"),
        (b"event: response.completed", b"event: response.done", "names the type"),
    ],
)  # fmt: skip
def test_wrong_field_fails(old: bytes, new: bytes, rule: str) -> None:
    assert old in GOOD
    with pytest.raises(AssertionError, match=rule):
        check(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("stream", "rule"),
    [
        (GOOD + EVENTS[-1], "nothing follows"),
        (GOOD[:-1], "between two events"),
        (GOOD.replace(b"output_text.delta", b"output_text.more"), "is an event of the API"),
    ],
)
def test_wrong_stream_fails(stream: bytes, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check(stream)


def test_output_that_differs_from_the_items_fails() -> None:
    broken = GOOD[: -len(EVENTS[-1])] + EVENTS[-1].replace(b'"text":"abcd"', b'"text":"abc"')
    assert broken != GOOD
    with pytest.raises(AssertionError, match="output is the items"):
        check(broken)
