"""Output items, written without the emitter: which events they write, in which order, with which fields."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from addons.core.json_values import JsonDict
from addons.core.protocols.canonical.events import CallKind, Citation, ToolCallStart
from addons.core.protocols.responses.output_items import (
    REFUSAL,
    TEXT,
    Call,
    DeltaFrame,
    EventWriter,
    Message,
    Reasoning,
)
from tests.conformance import parse


def events(write: EventWriter) -> list[dict[str, Any]]:
    return parse(write.take())


def steps(write: EventWriter) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events(write)]


def call(write: EventWriter, kind: CallKind, namespace: str | None = None) -> Call:
    return Call(write, "item_1", 4, ToolCallStart(0, "call_1", "exec", namespace, kind))


def test_delta_frame_gives_the_bytes_of_a_complete_event() -> None:
    write = EventWriter()
    write.number = 41
    frame = DeltaFrame.of("x.delta", {"item_id": "a", "output_index": 2}, b',"logprobs":[]')
    write.delta(frame, 'é"\n')
    value = {
        "type": "x.delta",
        "sequence_number": 41,
        "item_id": "a",
        "output_index": 2,
        "delta": 'é"\n',
        "logprobs": [],
    }
    assert write.take() == b"event: x.delta\ndata: " + orjson.dumps(value) + b"\n\n"


def test_opening_is_what_two_events_would_be() -> None:
    response: JsonDict = {"id": 'resp_"1%d', "tools": [{"name": "sh"}], "instructions": "\u00e9\n"}
    opening, usual = EventWriter(), EventWriter()
    opening.open(response)
    for name in ("response.created", "response.in_progress"):
        usual.event(name, {"response": response})
    assert (opening.take(), opening.number) == (usual.take(), usual.number)


def test_events_are_numbered_and_taken_once() -> None:
    write = EventWriter()
    write.event("a", {})
    write.event("b", {"x": 1})
    assert [event["sequence_number"] for event in events(write)] == [0, 1]
    assert write.take() == b""
    write.event("c", {})
    assert [event["sequence_number"] for event in events(write)] == [2]


def test_message_writes_each_part_between_added_and_done() -> None:
    write = EventWriter()
    message = Message(write, "msg_1", 4)
    message.add(TEXT, "a")
    message.add(TEXT, "b")
    message.add(REFUSAL, "no")
    item = message.close("completed")
    written = events(write)
    assert [event["type"].removeprefix("response.") for event in written] == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
    ]
    assert [event.get("content_index") for event in written] == [
        None, 0, 0, 0, 0, 0, 1, 1, 1, 1, None,
    ]  # fmt: skip
    assert {event["output_index"] for event in written} == {4}
    assert item == written[-1]["item"]
    texts = [part.get("text", part.get("refusal")) for part in written[-1]["item"]["content"]]
    assert texts == ["ab", "no"]


def test_citation_needs_open_text() -> None:
    write = EventWriter()
    message = Message(write, "msg_1", 0)
    write.take()
    assert not message.cite(Citation("u", "t"))
    assert write.take() == b""
    message.add(TEXT, "four")
    assert message.cite(Citation("u", "t"))
    [annotation] = [event for event in events(write) if "annotation" in event]
    assert (annotation["annotation"]["start_index"], annotation["annotation"]["end_index"]) == (
        0,
        4,
    )
    message.add(REFUSAL, "no")
    assert not message.cite(Citation("u", "t"))


def test_reasoning_without_text_has_no_summary_part() -> None:
    write = EventWriter()
    item = Reasoning(write, "rs_1", 0).close("opaque")
    assert steps(write) == ["output_item.added", "output_item.done"]
    assert (item["summary"], item["encrypted_content"]) == ([], "opaque")


def test_reasoning_with_text_has_one_summary_part() -> None:
    write = EventWriter()
    reasoning = Reasoning(write, "rs_1", 0)
    reasoning.add("a")
    reasoning.add("b")
    item = reasoning.close(None)
    assert steps(write) == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert item["summary"] == [{"type": "summary_text", "text": "ab"}]


@pytest.mark.parametrize(
    ("kind", "key", "added", "done"),
    [
        (CallKind.FUNCTION, "arguments", "", '{"a":1}'),
        (CallKind.CUSTOM, "input", "", '{"a":1}'),
        (CallKind.LOCAL_SHELL, "action", {}, {"a": 1}),
    ],
)
def test_call_holds_its_arguments_in_the_field_of_its_kind(
    kind: CallKind, key: str, added: object, done: object
) -> None:
    write = EventWriter()
    one = call(write, kind)
    one.add('{"a"')
    one.add(":1}")
    item = one.close()
    written = events(write)
    assert written[0]["item"][key] == added
    assert item == written[-1]["item"]
    assert item is not None
    assert item[key] == done
    deltas = [event["delta"] for event in written if event["type"].endswith(".delta")]
    # The API streams no action of a local shell call.
    assert deltas == ([] if kind is CallKind.LOCAL_SHELL else ['{"a"', ":1}"])
    assert ("name" in item) is (kind is not CallKind.LOCAL_SHELL)


@pytest.mark.parametrize("kind", [CallKind.FUNCTION, CallKind.LOCAL_SHELL])
def test_call_with_incomplete_arguments_is_not_done(kind: CallKind) -> None:
    write = EventWriter()
    one = call(write, kind)
    one.add('{"a"')
    write.take()
    assert one.close() is None
    assert write.take() == b""


def test_namespace_is_a_field_of_the_item_only_if_there_is_one() -> None:
    write = EventWriter()
    plain, spaced = call(write, CallKind.FUNCTION), call(write, CallKind.FUNCTION, "mcp__docs")
    assert "namespace" not in (plain.close() or {})
    assert (spaced.close() or {})["namespace"] == "mcp__docs"
