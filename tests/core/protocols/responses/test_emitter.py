"""The emitter: text, reasoning, refusals, citations, and the end of a turn."""

from __future__ import annotations

from typing import get_args

import orjson
import pytest

from addons.core.protocols.canonical import events as vocabulary
from addons.core.protocols.canonical.events import (
    Citation,
    Event,
    Failed,
    Omitted,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    Stopped,
    StopReason,
    TextDelta,
    TextDone,
    ToolCallDelta,
    ToolCallEnd,
    UsageSeen,
)
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.usage import Usage
from tests.conformance import check, parse
from tests.core.protocols.responses.emitted import (
    END,
    PROBLEM,
    USAGE,
    call,
    emitter,
    final_response,
    stream,
    types,
)


def test_text_is_written_in_the_order_of_the_api() -> None:
    assert types(TextDelta("Hel"), TextDelta("lo"), END) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    response = final_response(TextDelta("Hel"), TextDelta("lo"), UsageSeen(USAGE), END)
    assert response["usage"] == USAGE.to_response()
    assert response["output"] == [
        {
            "id": "msg_0a1b_0",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
            ],
        }
    ]


def test_delta_event_has_the_fields_of_the_api() -> None:
    assert parse(stream(TextDelta('a"\n€')))[4] == {
        "type": "response.output_text.delta",
        "sequence_number": 4,
        "item_id": "msg_0a1b_0",
        "output_index": 0,
        "content_index": 0,
        "delta": 'a"\n€',
        "logprobs": [],
    }


def test_reasoning_is_a_summary_part_with_its_opaque_data() -> None:
    events: list[Event] = [ReasoningDelta("hm"), ReasoningDelta("m"), ReasoningDone("sealed"), TextDelta("x"), END]  # fmt: skip
    assert types(*events)[2:9] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert final_response(*events)["output"][0] == {
        "id": "rs_shim_0a1b_0",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "hmm"}],
        "encrypted_content": "sealed",
    }


def test_reasoning_without_text_is_an_item() -> None:
    output = final_response(
        ReasoningDelta("a"), ReasoningDone("one"), ReasoningDone("two"), TextDelta("x"), END
    )["output"]
    assert [item.get("encrypted_content") for item in output] == ["one", "two", None]
    assert output[1]["summary"] == []


def test_open_reasoning_ends_where_the_next_item_begins() -> None:
    kinds = [
        item["type"]
        for item in final_response(
            ReasoningDelta("a"),
            TextDelta("b"),
            ReasoningDone(),
            ReasoningDelta("c"),
            ReasoningDone(),
            *call(0, "{}"),
            TextDelta("d"),
            END,
        )["output"]
    ]
    assert kinds == ["reasoning", "message", "reasoning", "function_call", "message"]


def test_end_of_a_message_does_not_end_reasoning() -> None:
    item, _ = final_response(
        ReasoningDelta("a"), TextDone(), ReasoningDelta("b"), TextDelta("c"), END
    )["output"]
    assert item["summary"][0]["text"] == "ab"


def test_ended_messages_are_separate_items() -> None:
    output = final_response(TextDelta("a"), TextDone(), TextDone(), TextDelta("b"), END)["output"]
    assert [item["content"][0]["text"] for item in output] == ["a", "b"]


@pytest.mark.parametrize(
    ("client", "reason", "answer", "status", "why"),
    [
        (Client.CODEX, StopReason.LENGTH, True, "completed", None),
        (Client.CODEX, StopReason.LENGTH, False, "failed", "output limit"),
        (Client.CODEX, StopReason.CONTENT_FILTER, True, "completed", None),
        (Client.CODEX, StopReason.CONTENT_FILTER, False, "failed", "filter"),
        (Client.CODEX, StopReason.REFUSAL, True, "completed", None),
        (Client.CODEX, StopReason.REFUSAL, False, "failed", "refused"),
        (Client.CODEX, StopReason.END, False, "failed", "without text"),
        (Client.CODEX, StopReason.TOOL_CALLS, False, "failed", "without text"),
        (Client.OTHER, StopReason.END, False, "failed", "without text"),
        (Client.OTHER, StopReason.LENGTH, True, "incomplete", "max_output_tokens"),
        (Client.OTHER, StopReason.LENGTH, False, "incomplete", "max_output_tokens"),
        (Client.OTHER, StopReason.CONTENT_FILTER, True, "incomplete", "content_filter"),
        (Client.OTHER, StopReason.REFUSAL, True, "completed", None),
        (Client.OTHER, StopReason.REFUSAL, False, "failed", "refused"),
    ],
)
def test_stop_reason_is_mapped_for_each_client(
    client: Client, reason: StopReason, *, answer: bool, status: str, why: str | None
) -> None:
    events: list[Event] = [TextDelta("x")] if answer else [ReasoningDelta("hm"), ReasoningDone()]
    response = final_response(*events, Stopped(reason), client=client)
    assert response["status"] == status
    details = orjson.dumps([response["error"], response["incomplete_details"]]).decode()
    assert (why in details) if why else details == "[null,null]"
    if status == "failed":
        natural = reason in {StopReason.END, StopReason.TOOL_CALLS}
        assert response["error"]["code"] == ("empty_answer" if natural else "invalid_prompt")
    if status == "incomplete":
        assert response["incomplete_details"] == {"reason": why}
    if status == "incomplete" and answer:
        assert response["output"][0]["status"] == "incomplete"


def test_refusal_is_text_for_codex_and_a_refusal_part_for_others() -> None:
    events: list[Event] = [TextDelta("Well. "), RefusalDelta("I can"), RefusalDelta("not."), END]
    codex = final_response(*events, client=Client.CODEX)["output"][0]["content"]
    other = final_response(*events, client=Client.OTHER)["output"][0]["content"]
    assert [part["type"] for part in codex] == ["output_text"]
    assert codex[0]["text"] == "Well. I cannot."
    assert other[1] == {"type": "refusal", "refusal": "I cannot."}


def test_citation_annotates_the_open_text() -> None:
    events: list[Event] = [TextDelta("see a"), Citation("u", "t", 4, 5), Citation("v", ""), TextDelta("!"), END]  # fmt: skip
    first = {"type": "url_citation", "url": "u", "title": "t", "start_index": 4, "end_index": 5}
    second = {"type": "url_citation", "url": "v", "title": "", "start_index": 0, "end_index": 5}
    assert types(*events)[5:7] == ["output_text.annotation.added"] * 2
    (message,) = final_response(*events)["output"]
    (part,) = message["content"]
    assert (part["text"], part["annotations"]) == ("see a!", [first, second])
    later = final_response(*events[:2], TextDone(), TextDelta("b"), END)["output"]
    assert [len(one["content"][0]["annotations"]) for one in later] == [1, 0]


@pytest.mark.parametrize(
    "before",
    [
        [],
        [ReasoningDelta("hm")],
        [TextDelta("a"), TextDone()],
        [TextDelta("a"), RefusalDelta("no")],
    ],
)
def test_citation_without_text_is_noted(before: list[Event]) -> None:
    noted: list[str] = []
    writer = Emitter("resp_0a1b", 1, "stub", {}, Client.OTHER, omitted=noted)
    assert b"url_citation" not in writer.emit([*before, Citation("u", "t"), END])
    assert noted == ["a citation in the answer, without its text"]


def test_omitted_part_is_noted_and_its_note_is_a_separate_message() -> None:
    noted: list[str] = []
    writer = Emitter("resp_0a1b", 1, "stub", {}, Client.CODEX, omitted=noted)
    silent, noted_in_text = Omitted("field 'x'"), Omitted("a picture", "[A picture.]")
    events: list[Event] = [TextDelta("a"), silent, noted_in_text, TextDelta("b"), END]
    response = check(writer.emit(events))["response"]
    assert noted == ["field 'x'", "a picture"]
    assert [item["content"][0]["text"] for item in response["output"]] == ["a", "[A picture.]", "b"]


def test_failure_leaves_an_open_item_undone() -> None:
    writer = emitter()
    sent = writer.emit([ReasoningDelta("hm"), ReasoningDone(), TextDelta("half an ans")])
    response = check(sent + writer.fail(PROBLEM))["response"]
    assert [item["type"] for item in response["output"]] == ["reasoning"]
    assert response["error"] == {"code": PROBLEM.code, "message": PROBLEM.message}
    assert writer.response["status"] == "failed"


def test_failure_before_any_item_is_a_complete_stream() -> None:
    assert check(emitter().fail(PROBLEM))["type"] == "response.failed"
    assert final_response(Failed(PROBLEM))["status"] == "failed"


def test_no_event_follows_the_terminal_event() -> None:
    for last in (END, Failed(PROBLEM)):
        writer = emitter()
        assert not writer.terminal
        check(writer.open() + writer.emit([TextDelta("a"), last, TextDelta("late"), END]))
        assert writer.terminal
        assert writer.emit([TextDelta("later"), END]) == b""
        assert writer.fail(PROBLEM) == b""
        assert writer.open() == b""


def test_opening_events_are_written_once() -> None:
    writer = emitter()
    opened = writer.open()
    assert opened
    assert writer.open() == b""
    check(opened + writer.emit([END]))


def test_empty_deltas_make_no_item() -> None:
    silent: list[Event] = [
        TextDelta(""),
        RefusalDelta(""),
        ReasoningDelta(""),
        ReasoningDone(),
        ToolCallEnd(9),
    ]
    assert final_response(*silent, ToolCallDelta(9, ""), END)["output"] == []


def test_usage_is_null_or_the_last_one() -> None:
    assert final_response(TextDelta("a"), END)["usage"] is None
    later = Usage(1, 0, 1, 0, 2)
    assert final_response(UsageSeen(USAGE), UsageSeen(later), END)["usage"] == later.to_response()
    assert final_response(UsageSeen(USAGE), Failed(PROBLEM))["usage"] == USAGE.to_response()


def test_response_has_defaults_for_unset_request_fields() -> None:
    response = check(emitter().emit([END]))["response"]
    defaults: dict[str, object] = {
        "background": False, "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {},
        "parallel_tool_calls": True, "previous_response_id": None, "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None}, "safety_identifier": None, "service_tier": None, "store": False,
        "temperature": None, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_logprobs": None,
        "top_p": None, "truncation": "disabled", "user": None,
    }  # fmt: skip
    assert {name: response[name] for name in defaults} == defaults


def test_response_repeats_its_request() -> None:
    request_fields: dict[str, object] = {
        "instructions": "be kind",
        "tools": [{"type": "function", "name": "f"}],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "metadata": {"k": "v"},
        "text": {"verbosity": "low"},
        "store": None,
        "input": "not repeated",
        "stream": True,
    }
    response = check(emitter(echo=request_fields).emit([END]))["response"]
    for key in ("instructions", "tools", "tool_choice", "parallel_tool_calls", "metadata"):
        assert response[key] == request_fields[key]
    assert response["temperature"] == 0.5
    assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert response["store"] is False
    assert not response.keys() & {"input", "stream"}


def test_response_property_equals_the_terminal_event() -> None:
    writer = emitter()
    final = check(writer.emit([TextDelta("a"), UsageSeen(USAGE), END]))["response"]
    assert orjson.loads(orjson.dumps(writer.response)) == final


def test_every_canonical_event_has_a_step() -> None:
    assert set(Emitter._STEPS) == set(get_args(vocabulary.Event))


def test_observer_reads_what_the_emitter_writes() -> None:
    observer = StreamObserver(1 << 20)
    observer.feed(stream(TextDelta("a"), UsageSeen(USAGE), END))
    assert observer.terminal
    assert observer.response_id == "resp_0a1b"
    assert observer.usage == USAGE
