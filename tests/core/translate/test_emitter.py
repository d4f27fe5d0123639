"""The emitter: what a client is told of text, reasoning, refusals and the end."""

from __future__ import annotations

import itertools
from typing import get_args

import orjson
import pytest

from addons.core.translate import events as vocabulary
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import OUTCOMES, Client
from addons.core.translate.events import (
    Citation,
    Event,
    Failed,
    LeftOut,
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
from addons.core.usage import Usage
from addons.core.wire.responses import Watcher
from tests.conformance import check, parse
from tests.core.translate.emitted import END, PROBLEM, USAGE, call, emitter, outcome, stream, types


def test_text_comes_as_the_api_sends_it() -> None:
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
    response = outcome(TextDelta("Hel"), TextDelta("lo"), UsageSeen(USAGE), END)
    assert response["usage"] == USAGE.wire()
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


def test_a_delta_event_is_as_the_api_writes_it() -> None:
    assert parse(stream(TextDelta('a"\n€')))[4] == {
        "type": "response.output_text.delta",
        "sequence_number": 4,
        "item_id": "msg_0a1b_0",
        "output_index": 0,
        "content_index": 0,
        "delta": 'a"\n€',
        "logprobs": [],
    }


def test_reasoning_comes_as_a_summary_part_and_keeps_what_is_to_be_replayed() -> None:
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
    assert outcome(*events)["output"][0] == {
        "id": "rs_shim_0a1b_0",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "hmm"}],
        "encrypted_content": "sealed",
    }


def test_reasoning_of_which_nothing_is_shown_still_comes_back() -> None:
    output = outcome(
        ReasoningDelta("a"), ReasoningDone("one"), ReasoningDone("two"), TextDelta("x"), END
    )["output"]
    assert [item.get("encrypted_content") for item in output] == ["one", "two", None]
    assert output[1]["summary"] == []


def test_reasoning_that_ends_unsaid_ends_where_the_next_thing_begins() -> None:
    kinds = [
        item["type"]
        for item in outcome(
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


def test_the_end_of_a_message_ends_no_reasoning() -> None:
    (item,) = outcome(ReasoningDelta("a"), TextDone(), ReasoningDelta("b"), END)["output"]
    assert item["summary"][0]["text"] == "ab"


def test_two_messages_stay_two() -> None:
    output = outcome(TextDelta("a"), TextDone(), TextDone(), TextDelta("b"), END)["output"]
    assert [item["content"][0]["text"] for item in output] == ["a", "b"]


@pytest.mark.parametrize(
    ("client", "reason", "answer", "status", "why"),
    [
        (Client.CODEX, StopReason.LENGTH, True, "completed", None),
        (Client.CODEX, StopReason.LENGTH, False, "failed", "output limit"),
        (Client.CODEX, StopReason.CONTENT_FILTER, True, "completed", None),
        (Client.CODEX, StopReason.CONTENT_FILTER, False, "failed", "filter"),
        (Client.CODEX, StopReason.REFUSAL, True, "completed", None),
        (Client.CODEX, StopReason.REFUSAL, False, "failed", "declined"),
        (Client.CODEX, StopReason.END, False, "completed", None),
        (Client.OTHER, StopReason.LENGTH, True, "incomplete", "max_output_tokens"),
        (Client.OTHER, StopReason.LENGTH, False, "incomplete", "max_output_tokens"),
        (Client.OTHER, StopReason.CONTENT_FILTER, True, "incomplete", "content_filter"),
        (Client.OTHER, StopReason.REFUSAL, True, "completed", None),
        (Client.OTHER, StopReason.REFUSAL, False, "failed", "declined"),
    ],
)
def test_each_client_is_told_of_a_stop_in_its_own_way(
    client: Client, reason: StopReason, *, answer: bool, status: str, why: str | None
) -> None:
    said: list[Event] = [TextDelta("x")] if answer else [ReasoningDelta("hm"), ReasoningDone()]
    response = outcome(*said, Stopped(reason), client=client)
    assert response["status"] == status
    told = orjson.dumps([response["error"], response["incomplete_details"]]).decode()
    assert (why in told) if why else told == "[null,null]"
    if status == "failed":
        assert response["error"]["code"] == "invalid_prompt"
    if status == "incomplete":
        assert response["incomplete_details"] == {"reason": why}
    if status == "incomplete" and answer:
        assert response["output"][0]["status"] == "incomplete"


def test_codex_gets_a_refusal_as_text_and_others_as_a_refusal_part() -> None:
    events: list[Event] = [TextDelta("Well. "), RefusalDelta("I can"), RefusalDelta("not."), END]
    codex = outcome(*events, client=Client.CODEX)["output"][0]["content"]
    other = outcome(*events, client=Client.OTHER)["output"][0]["content"]
    assert [part["type"] for part in codex] == ["output_text"]
    assert codex[0]["text"] == "Well. I cannot."
    assert other[1] == {"type": "refusal", "refusal": "I cannot."}


def test_a_citation_stands_beside_the_text_that_is_open() -> None:
    events: list[Event] = [TextDelta("see a"), Citation("u", "t", 4, 5), Citation("v", ""), TextDelta("!"), END]  # fmt: skip
    first = {"type": "url_citation", "url": "u", "title": "t", "start_index": 4, "end_index": 5}
    second = {"type": "url_citation", "url": "v", "title": "", "start_index": 0, "end_index": 5}
    assert types(*events)[5:7] == ["output_text.annotation.added"] * 2
    (message,) = outcome(*events)["output"]
    (part,) = message["content"]
    assert (part["text"], part["annotations"]) == ("see a!", [first, second])
    later = outcome(*events[:2], TextDone(), TextDelta("b"), END)["output"]
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
def test_a_citation_without_text_is_noted(before: list[Event]) -> None:
    noted: list[str] = []
    made = Emitter("resp_0a1b", 1, "stub", {}, Client.OTHER, left_out=noted)
    assert b"url_citation" not in made.emit([*before, Citation("u", "t"), END])
    assert noted == ["a citation in the answer, without its text"]


def test_what_is_left_out_is_noted_and_told_in_a_message_of_its_own() -> None:
    noted: list[str] = []
    made = Emitter("resp_0a1b", 1, "stub", {}, Client.CODEX, left_out=noted)
    silent, told = LeftOut("field 'x'"), LeftOut("a picture", "[A picture.]")
    response = check(made.emit([TextDelta("a"), silent, told, TextDelta("b"), END]))["response"]
    assert noted == ["field 'x'", "a picture"]
    assert [item["content"][0]["text"] for item in response["output"]] == ["a", "[A picture.]", "b"]


def test_a_failure_leaves_half_an_item_undone() -> None:
    made = emitter()
    sent = made.emit([ReasoningDelta("hm"), ReasoningDone(), TextDelta("half an ans")])
    response = check(sent + made.fail(PROBLEM))["response"]
    assert [item["type"] for item in response["output"]] == ["reasoning"]
    assert response["error"] == {"code": PROBLEM.code, "message": PROBLEM.message}
    assert made.response["status"] == "failed"


def test_a_failure_before_anything_is_a_whole_stream() -> None:
    assert check(emitter().fail(PROBLEM))["type"] == "response.failed"
    assert outcome(Failed(PROBLEM))["status"] == "failed"


def test_nothing_follows_the_terminal_event() -> None:
    for last in (END, Failed(PROBLEM)):
        made = emitter()
        assert not made.terminal
        check(made.open() + made.emit([TextDelta("a"), last, TextDelta("late"), END]))
        assert made.terminal
        assert made.emit([TextDelta("later"), END]) == b""
        assert made.fail(PROBLEM) == b""
        assert made.open() == b""


def test_opening_is_said_once() -> None:
    made = emitter()
    opened = made.open()
    assert opened
    assert made.open() == b""
    check(opened + made.emit([END]))


def test_nothing_said_makes_no_item() -> None:
    silent: list[Event] = [
        TextDelta(""),
        RefusalDelta(""),
        ReasoningDelta(""),
        ReasoningDone(),
        ToolCallEnd(9),
    ]
    assert outcome(*silent, ToolCallDelta(9, ""), END)["output"] == []


def test_unknown_usage_is_null_and_the_last_known_counts() -> None:
    assert outcome(TextDelta("a"), END)["usage"] is None
    later = Usage(1, 0, 1, 0, 2)
    assert outcome(UsageSeen(USAGE), UsageSeen(later), END)["usage"] == later.wire()
    assert outcome(UsageSeen(USAGE), Failed(PROBLEM))["usage"] == USAGE.wire()


def test_a_silent_request_is_repeated_by_what_the_api_says_then() -> None:
    response = check(emitter().emit([END]))["response"]
    said: dict[str, object] = {
        "background": False, "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {},
        "parallel_tool_calls": True, "previous_response_id": None, "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None}, "safety_identifier": None, "service_tier": None, "store": False,
        "temperature": None, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_logprobs": None,
        "top_p": None, "truncation": "disabled", "user": None,
    }  # fmt: skip
    assert {name: response[name] for name in said} == said


def test_the_response_repeats_its_request() -> None:
    asked: dict[str, object] = {
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
    response = check(emitter(echo=asked).emit([END]))["response"]
    for key in ("instructions", "tools", "tool_choice", "parallel_tool_calls", "metadata"):
        assert response[key] == asked[key]
    assert response["temperature"] == 0.5
    assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert response["store"] is False
    assert not response.keys() & {"input", "stream"}


def test_the_whole_answer_is_the_terminal_one() -> None:
    made = emitter()
    final = check(made.emit([TextDelta("a"), UsageSeen(USAGE), END]))["response"]
    assert orjson.loads(orjson.dumps(made.response)) == final


def test_every_event_of_the_vocabulary_has_a_step() -> None:
    assert set(Emitter._STEPS) == set(get_args(vocabulary.Event))


def test_every_reason_has_an_outcome_for_every_client() -> None:
    assert set(OUTCOMES) == set(itertools.product(Client, StopReason))


def test_the_watcher_understands_what_the_emitter_writes() -> None:
    watcher = Watcher(1 << 20)
    watcher.feed(stream(TextDelta("a"), UsageSeen(USAGE), END))
    assert watcher.terminal
    assert watcher.response_id == "resp_0a1b"
    assert watcher.usage == USAGE
