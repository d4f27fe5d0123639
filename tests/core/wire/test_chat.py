from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.target import Profile
from addons.core.translate.conversation import Call, Conversation, Tool
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.events import (
    CallKind,
    Failed,
    ReasoningDelta,
    ReasoningDone,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from addons.core.translate.replay import unseal
from addons.core.wire import chat_calls
from addons.core.wire.chat import ChatReader
from tests.conformance import check
from tests.core.wire.chat_streams import EMPTY, read, target
from tests.quirks.chat_quirks import CALLED, DONE, QUIRKS, chunk, data, stop, text, tool

STREAMS = st.sampled_from([quirk.sent for quirk in QUIRKS])
PATCH = "*** Begin Patch\n+é\n"


def declared(name: str, kind: CallKind, namespace: str | None = None) -> Conversation:
    wire_name = f"{namespace}__{name}" if namespace else name
    return Conversation((), tools=(Tool(wire_name, name, namespace, kind, "", {}),))


def failure(*reads: bytes, **given_: Any) -> str:
    last = read(*reads, **given_)[-1]
    assert isinstance(last, Failed)
    return last.problem.code


@given(STREAMS, st.lists(st.integers(0, 4000), max_size=8))
def test_any_split_gives_the_same_events(sent: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    pieces = [sent[a:b] for a, b in itertools.pairwise(edges)]
    assert read(*pieces) == read(sent)


@given(STREAMS, st.integers(0, 4000))
def test_no_cut_passes_for_a_whole_answer(sent: bytes, place: int) -> None:
    cut = sent[: min(place, len(sent))]
    events = read(cut)
    assert sum(isinstance(event, Failed | Stopped) for event in events) == 1
    assert isinstance(events[-1], Failed | Stopped)
    if b"finish_reason" not in cut:
        assert isinstance(events[-1], Failed)


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_end_the_turn_once(reads: list[bytes]) -> None:
    events = read(*reads)
    assert [isinstance(event, Failed | Stopped) for event in events].count(True) == 1


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["content", "tool_calls", "function", "name", "arguments", "id", "index",
                         "reasoning", "reasoning_details", "text", "type", "refusal", "usage"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(st.tuples(JSON_VALUES, JSON_VALUES, JSON_VALUES), max_size=4))
def test_any_shape_of_a_chunk_is_read(
    chunks: list[tuple[Any, Any, Any]],
) -> None:
    sent = b"".join(
        data({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": used})
        for delta, finish, used in chunks
    )
    emitter = Emitter("resp_1", 1, "stub", {}, Client.OTHER)
    check(emitter.emit(read(sent, stop())))


@given(STREAMS)
def test_every_line_ending_means_the_same(sent: bytes) -> None:
    if sent.startswith(b"{"):
        return
    for ending in (b"\r\n", b"\r"):
        assert read(sent.replace(b"\n", ending)) == read(sent)
    assert read(b"\xef\xbb\xbf" + sent) == read(sent)


def test_data_of_several_lines_is_one_chunk() -> None:
    pretty = orjson.dumps(orjson.loads(text("hi")[6:]), option=orjson.OPT_INDENT_2)
    sent = b"".join(b"data: %b\n" % line for line in pretty.split(b"\n")) + b"\n"
    assert read(sent, stop()) == [TextDelta("hi"), Stopped(StopReason.END)]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (text("hi") + b"data: {no json\n\n" + stop(), "upstream_protocol"),
        (b"<!doctype html><title>Sign in</title>", "upstream_protocol"),
        (b'{"choices": [', "upstream_protocol"),
        (b"{}", "stream_interrupted"),
        (b"", "stream_interrupted"),
        (DONE, "stream_interrupted"),
        (tool(0, id="c", arguments="{}") + CALLED, "upstream_protocol"),
        (data({"detail": "Not Found"}), "server_error"),
        (data({"code": "InvalidParameter", "message": "bad"}), "server_error"),
        (data({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}), "insufficient_quota"),
        (orjson.dumps({"error": {"message": "no", "type": "server_error"}}), "server_error"),
    ],
)  # fmt: skip
def test_what_is_no_answer_fails_typed(sent: bytes, code: str) -> None:
    assert failure(sent) == code


def test_a_failure_says_who_and_what_next() -> None:
    last = read(b"<html>")[-1]
    assert isinstance(last, Failed)
    for word in ("zai", "glm-5", "https://up.example", "base_url"):
        assert word in last.problem.message


def test_nothing_follows_the_end() -> None:
    reader = ChatReader(EMPTY, target())
    assert reader.feed(text("hi") + stop())
    assert reader.feed(text("more")) == []
    assert reader.finish() == []


def test_a_later_stop_takes_no_length_stop_back() -> None:
    assert read(chunk({}, "length"), stop())[-1] == Stopped(StopReason.LENGTH)


def test_too_large_an_event_fails() -> None:
    assert failure(text("x" * 300) + stop(), event_bytes=100) == "upstream_protocol"
    assert failure(b'{"a":"' + b"x" * 300, event_bytes=100) == "upstream_protocol"


def test_too_long_arguments_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_calls, "ARGUMENT_BYTES", 8)
    assert (
        failure(tool(0, id="c", name="f", arguments='{"a":"bcdef') + CALLED) == "upstream_protocol"
    )


def test_too_many_calls_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_calls, "CALLS", 2)
    sent = b"".join(tool(n, id=f"c{n}", name="f", arguments="{}") for n in range(3))
    assert failure(sent + CALLED) == "upstream_protocol"


def test_an_id_that_the_thread_knows_is_made_unique() -> None:
    history = Conversation((Call("c", "read", "{}"),))
    events = read(tool(0, id="c", name="read", arguments="{}") + CALLED, conversation=history)
    start = events[0]
    assert isinstance(start, ToolCallStart)
    assert start.call_id not in {"", "c"}


def test_an_id_that_comes_late_is_the_call_s() -> None:
    events = read(tool(0, name="f", arguments="{}"), tool(0, id="late"), CALLED)
    assert events[0] == ToolCallStart(0, "late", "f")


def test_a_name_that_comes_late_is_the_call_s() -> None:
    events = read(tool(0, id="c", arguments='{"a":'), tool(0, name="f", arguments="1}"), CALLED)
    assert events[:3] == [
        ToolCallStart(0, "c", "f"),
        ToolCallDelta(0, '{"a":'),
        ToolCallDelta(0, "1}"),
    ]


def test_a_namespace_comes_back() -> None:
    events = read(
        tool(0, id="c", name="mcp__gh__find", arguments="{}") + CALLED,
        conversation=declared("find", CallKind.FUNCTION, "mcp__gh"),
    )
    assert events[0] == ToolCallStart(0, "c", "find", "mcp__gh")


def test_an_undeclared_tool_is_passed_on() -> None:
    assert read(tool(0, id="c", name="made_up", arguments="{}"), CALLED)[0] == ToolCallStart(
        0, "c", "made_up"
    )


def test_a_custom_tool_is_unwrapped_as_it_comes() -> None:
    wrapped = orjson.dumps({"input": PATCH}).decode()
    events = read(
        *(tool(0, id="c", name="apply_patch", arguments=letter) for letter in wrapped),
        CALLED,
        conversation=declared("apply_patch", CallKind.CUSTOM),
    )
    assert events[0] == ToolCallStart(0, "c", "apply_patch", None, CallKind.CUSTOM)
    deltas = [event.arguments for event in events if isinstance(event, ToolCallDelta)]
    assert "".join(deltas) == PATCH
    assert len(deltas) > 3
    assert ToolCallEnd(0) in events


@pytest.mark.parametrize("finish", ["stop", "tool_calls", "length"])
def test_half_a_custom_tool_call_never_ends(finish: str) -> None:
    events = read(
        tool(0, id="c", name="apply_patch", arguments='{"input":"*** Begin'),
        stop(finish),
        conversation=declared("apply_patch", CallKind.CUSTOM),
    )
    assert ToolCallEnd(0) not in events


def test_only_the_last_call_is_cut_by_the_limit() -> None:
    first = tool(0, id="c", name="f", arguments="{}")
    events = read(first, tool(1, id="d", name="f", arguments='{"a'), stop("length"))
    assert [event.index for event in events if isinstance(event, ToolCallEnd)] == [0]


def test_reasoning_goes_back_to_a_provider_that_wants_it() -> None:
    profile = Profile(replay_field="reasoning_content")
    sent = chunk({"reasoning_content": "a"}) + chunk({"reasoning_content": "b"}) + text("hi")
    events = read(sent, stop(), profile=profile)
    assert events[:2] == [ReasoningDelta("a"), ReasoningDelta("b")]
    done = events[2]
    assert isinstance(done, ReasoningDone)
    assert unseal(done.opaque or "", target().lineage) == {"reasoning": "ab"}
    assert events[3] == TextDelta("hi")


def test_reasoning_details_go_back_as_they_came() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x", "id": "c", "index": 0}]
    events = read(
        chunk({"reasoning_details": details}) + tool(0, id="c", name="f", arguments="{}") + CALLED,
        profile=Profile(replay_field="reasoning_details"),
    )
    done = events[0]
    assert isinstance(done, ReasoningDone)
    assert unseal(done.opaque or "", target().lineage) == {"reasoning": details}


def test_reasoning_is_not_kept_for_a_provider_that_does_not_want_it() -> None:
    events = read(chunk({"reasoning_content": "a"}) + text("hi") + stop())
    assert not any(isinstance(event, ReasoningDone) for event in events)


@pytest.mark.parametrize("late", [False, True])
def test_a_thought_signature_goes_back_with_its_call(late: bool) -> None:
    extra = {"google": {"thought_signature": "s"}}
    call = {"id": "c", "name": "f", "arguments": "{}"}
    sent = tool(**call) + tool(extra_content=extra) if late else tool(**call, extra_content=extra)
    done = next(event for event in read(sent, stop()) if isinstance(event, ReasoningDone))
    assert unseal(done.opaque or "", target().lineage) == {"calls": {"c": extra}}


@pytest.mark.parametrize("delta", [b"0", b"[]", b'"x"', b"null"])
def test_a_delta_that_is_no_object_beside_a_message_is_read(delta: bytes) -> None:
    choice = b'{"index":0,"delta":%b,"message":{"content":"hello"}}' % delta
    events = read(b'data: {"choices":[%b]}\n\n' % choice)
    assert events[0] == TextDelta("hello")


@pytest.mark.parametrize(
    "rest", [text("lo wor"), text("l") + text("o wor"), tool(0, id="c", name="f", arguments="{}"), chunk({"reasoning": "hm"})]
)  # fmt: skip
def test_an_answer_that_goes_on_after_its_end_needs_another_end(rest: bytes) -> None:
    early = text("Hel", "stop") + rest
    assert failure(early) == "stream_interrupted"
    for last in (DONE, chunk({}, "stop"), stop()):
        assert isinstance(read(early + last)[-1], Stopped)


def test_what_is_no_answer_may_follow_its_end() -> None:
    tail = chunk({}, usage={"prompt_tokens": 1, "completion_tokens": 1}) + text("")
    assert isinstance(read(text("Hello", "stop") + tail)[-1], Stopped)
