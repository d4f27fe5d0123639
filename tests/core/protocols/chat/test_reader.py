from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.events import (
    Failed,
    ReasoningDelta,
    ReasoningDone,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageSeen,
)
from addons.core.protocols.canonical.opaque_reasoning import unwrap
from addons.core.protocols.chat.reader import ChatReader
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.upstream.profile import Profile
from tests.conformance import check
from tests.core.protocols.chat.streams import failure, read, target
from tests.quirks.chat_quirks import (
    CALLED,
    DECLARED,
    DONE,
    QUIRKS,
    chunk,
    data,
    stop,
    text,
    tool,
    used,
)

STREAMS = st.sampled_from([quirk.sent for quirk in QUIRKS])


@given(STREAMS, st.lists(st.integers(0, 4000), max_size=8))
def test_any_split_gives_the_same_events(sent: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    pieces = [sent[a:b] for a, b in itertools.pairwise(edges)]
    assert read(*pieces, conversation=DECLARED) == read(sent, conversation=DECLARED)


@given(STREAMS, st.integers(0, 4000))
def test_truncated_answer_fails(sent: bytes, place: int) -> None:
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
def test_line_endings_are_equivalent(sent: bytes) -> None:
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
def test_invalid_answer_fails_with_a_code(sent: bytes, code: str) -> None:
    assert failure(sent) == code


def test_failure_names_the_upstream_and_the_setting() -> None:
    last = read(b"<html>")[-1]
    assert isinstance(last, Failed)
    for word in ("zai", "glm-5", "https://up.example", "base_url"):
        assert word in last.problem.message


def test_length_stop_is_not_replaced() -> None:
    assert read(chunk({}, "length"), stop())[-1] == Stopped(StopReason.LENGTH)


def test_oversized_event_fails() -> None:
    assert failure(text("x" * 300) + stop(), max_event_bytes=100) == "upstream_protocol"
    assert failure(b'{"a":"' + b"x" * 300, max_event_bytes=100) == "upstream_protocol"


def test_reasoning_is_wrapped_for_a_provider_that_expects_it() -> None:
    profile = Profile(replay_field="reasoning_content")
    sent = chunk({"reasoning_content": "a"}) + chunk({"reasoning_content": "b"}) + text("hi")
    events = read(sent, stop(), profile=profile)
    assert events[:2] == [ReasoningDelta("a"), ReasoningDelta("b")]
    done = events[2]
    assert isinstance(done, ReasoningDone)
    assert unwrap(done.opaque or "", target().reasoning_scope) == {"reasoning": "ab"}
    assert events[3] == TextDelta("hi")


def test_reasoning_details_are_wrapped_unchanged() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x", "id": "c", "index": 0}]
    events = read(
        chunk({"reasoning_details": details}) + tool(0, id="c", name="f", arguments="{}") + CALLED,
        profile=Profile(replay_field="reasoning_details"),
    )
    done = events[0]
    assert isinstance(done, ReasoningDone)
    assert unwrap(done.opaque or "", target().reasoning_scope) == {"reasoning": details}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_of_any_other_provider_is_wrapped_with_the_field_it_came_in(field: str) -> None:
    events = read(chunk({field: "a"}) + chunk({field: "b"}) + text("hi") + stop())
    done = next(event for event in events if isinstance(event, ReasoningDone))
    kept = unwrap(done.opaque or "", target().reasoning_scope)
    assert kept == {"reasoning": "ab", "field": field}


def test_reasoning_details_of_any_other_provider_come_back_before_its_text() -> None:
    details = [{"type": "reasoning.text", "text": "a", "signature": "s", "index": 0}]
    events = read(chunk({"reasoning": "a", "reasoning_details": details}) + text("hi") + stop())
    done = next(event for event in events if isinstance(event, ReasoningDone))
    kept = unwrap(done.opaque or "", target().reasoning_scope)
    assert kept == {"reasoning": details, "field": "reasoning_details"}


def test_reasoning_inside_content_is_not_wrapped() -> None:
    events = read(chunk({"content": [{"type": "thinking", "thinking": "a"}]}) + text("hi") + stop())
    assert not any(isinstance(event, ReasoningDone) for event in events)


@pytest.mark.parametrize("delta", [b"0", b"[]", b'"x"', b"null"])
def test_message_is_read_although_delta_is_not_an_object(delta: bytes) -> None:
    choice = b'{"index":0,"delta":%b,"message":{"content":"hello"}}' % delta
    events = read(b'data: {"choices":[%b]}\n\n' % choice)
    assert events[0] == TextDelta("hello")


@pytest.mark.parametrize(
    "rest", [text("lo wor"), text("l") + text("o wor"), tool(0, id="c", name="f", arguments="{}"), chunk({"reasoning": "hm"})]
)  # fmt: skip
def test_answer_that_continues_after_its_stop_needs_another_stop(rest: bytes) -> None:
    early = text("Hel", "stop") + rest
    assert failure(early) == "stream_interrupted"
    for last in (DONE, chunk({}, "stop"), stop()):
        assert isinstance(read(early + last)[-1], Stopped)


def test_metadata_may_follow_the_stop() -> None:
    tail = chunk({}, usage={"prompt_tokens": 1, "completion_tokens": 1}) + text("")
    assert isinstance(read(text("Hello", "stop") + tail)[-1], Stopped)


LEAKED = '<tool_call>\n{"name": "shell", "arguments": {"command": "ls"}}\n</tool_call>'


def test_leaked_call_gets_an_id_that_no_native_call_has() -> None:
    native = tool(0, id="call_0", name="read", arguments='{"path":"a"}')
    events = read(text(LEAKED), native, CALLED, conversation=DECLARED)
    starts = [event for event in events if isinstance(event, ToolCallStart)]
    assert [start.name for start in starts] == ["shell", "read"]
    assert starts[0].call_id not in {"", starts[1].call_id}


def test_held_text_precedes_a_native_call() -> None:
    events = read(
        text("a <tool"), tool(0, id="c", name="read", arguments="{}"), CALLED, conversation=DECLARED
    )
    kinds = [type(event) for event in events]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "a <tool"
    assert kinds.index(ToolCallStart) > max(n for n, kind in enumerate(kinds) if kind is TextDelta)


def test_truncated_answer_has_no_leaked_call() -> None:
    events = read(
        text(LEAKED.removesuffix("</tool_call>")[:-3]), stop("length"), conversation=DECLARED
    )
    assert not any(isinstance(event, ToolCallStart) for event in events)


def test_answer_awaits_its_end_after_the_stop_reason() -> None:
    reader = ChatReader(DECLARED, target())
    reader.feed(text("hi"))
    assert not reader.awaits_end
    reader.feed(chunk({}, "stop"))
    assert reader.awaits_end
    reader.feed(text(" more"))
    assert not reader.awaits_end
    reader.feed(chunk({}, "stop"))
    assert reader.feed(DONE) == []
    assert reader.awaits_end
    assert reader.feed(b"data: {no json\n\n" + text("no")) == []
    assert [type(event) for event in reader.feed(data({"usage": {"prompt_tokens": 1}}))] == [
        UsageSeen,
        Stopped,
    ]


def test_end_mark_after_the_usage_ends_the_answer() -> None:
    reader = ChatReader(DECLARED, target())
    reader.feed(text("hi", "stop", usage={"prompt_tokens": 1, "completion_tokens": 1}))
    assert isinstance(reader.feed(DONE)[-1], Stopped)


@pytest.mark.parametrize(
    "more",
    [text("lo world", "stop"), tool(0, id="c", name="f", arguments="{}"), chunk({"reasoning": "hm"}), data({"error": {"message": "died"}})],
)  # fmt: skip
def test_body_that_ends_inside_more_of_the_answer_is_no_complete_answer(more: bytes) -> None:
    """Some upstreams give a stop reason in each chunk."""
    early = text("Hel", "stop")
    for end in range(8, len(more) - 3):
        assert failure(early + more[:end]) in {"stream_interrupted", "upstream_protocol"}, more[
            :end
        ]


@pytest.mark.parametrize(
    "event",
    [b'data: {"choices":[{"delta":{"content":"lo wor\n\n', b"data: error: upstream died\n\n"],
)
def test_broken_event_behind_a_stop_reason_is_no_end(event: bytes) -> None:
    assert failure(text("Hel", "stop") + event + text("ld", "stop")) == "upstream_protocol"


@pytest.mark.parametrize("early", [text("Hello", "stop"), text("Hello") + chunk({}, "stop")])
def test_body_that_ends_inside_the_usage_is_complete(early: bytes) -> None:
    counts = {"completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 1, "text_tokens": 2}}  # fmt: skip
    for last in (chunk({"role": "assistant", "content": ""}, usage=counts), used(counts)):
        for end in range(last.index(b'"completion_tokens"'), len(last)):
            assert isinstance(read(early + last[:end])[-1], Stopped), last[:end]


def choice(
    index: int | None, message: dict[str, Any], reason: str | None = "stop"
) -> dict[str, Any]:
    number = {} if index is None else {"index": index}
    return {"message": message, "finish_reason": reason, **number}


def call(call_id: str, arguments: str, **fields: Any) -> dict[str, Any]:
    return {"id": call_id, "function": {"name": "read", "arguments": arguments}, **fields}


A, B = '{"path":"a"}', '{"path":"b"}'
READS = [("read", A), ("read", B)]


@pytest.mark.parametrize(
    ("choices", "said", "calls"),
    [
        ([choice(1, {"content": "two"}), choice(0, {"content": "one"})], "one", []),
        ([choice(0, {"content": "one"}), choice(1, {"content": "two"}, "length")], "one", []),
        ([choice(None, {"tool_calls": [call("x", A)]}), choice(None, {"content": "one"})], "one", READS[:1]),
        ([choice(0, {"tool_calls": [call("x", A, index=0)]}), choice(1, {"tool_calls": [call("x2", B, index=0)]})], "", READS),
        ([choice(0, {"content": "one"}, None), choice(1, {"tool_calls": [call("x", A)]}, "tool_calls")], "one", READS[:1]),
        ([choice(0, {"content": "one"}), choice(1, {"tool_calls": [call("x", A), call("y", '{"path":"/')]}, "length")], "one", READS[:1]),
    ],
    ids=["order", "versions", "text behind", "same index", "reason behind", "cut call"],
)  # fmt: skip
def test_document_of_several_choices(
    choices: list[dict[str, Any]], said: str, calls: list[tuple[str, str]]
) -> None:
    events = read(orjson.dumps({"choices": choices}), conversation=DECLARED)
    assert isinstance(events[-1], Stopped)
    assert "".join(one.text for one in events if isinstance(one, TextDelta)) == said
    ended = {one.index for one in events if isinstance(one, ToolCallEnd)}
    started = [one for one in events if isinstance(one, ToolCallStart) if one.index in ended]
    texts = [one for one in events if isinstance(one, ToolCallDelta)]
    found = [
        (one.name, "".join(d.arguments for d in texts if d.index == one.index)) for one in started
    ]
    assert found == calls


@pytest.mark.parametrize("first", [A, "{}"])
def test_arguments_that_come_before_their_name_stay_with_their_index(first: str) -> None:
    sent = tool(0, id="x", name="read", arguments=first) + tool(1, arguments=B)
    events = read(sent + tool(1, id="y", name="read") + CALLED, conversation=DECLARED)
    second = "".join(e.arguments for e in events if isinstance(e, ToolCallDelta) and e.index == 1)
    assert second == B


def test_answer_of_another_protocol_is_no_error() -> None:
    """Its text is the model's, whatever it speaks of."""
    part = {"type": "output_text", "text": "The prompt is too long."}
    output = {"object": "response", "output": [{"type": "message", "content": [part]}]}
    gemini = {"candidates": [{"content": {"parts": [{"text": "The prompt is too long."}]}}]}
    ollama = {"message": {"content": "The prompt is too long."}}
    for answer in (output, gemini, ollama):
        assert failure(orjson.dumps(answer)) == "stream_interrupted"
        assert failure(data(answer)) == "stream_interrupted"


def test_message_that_is_repeated_at_the_end_is_no_more_of_the_answer() -> None:
    """MiniMax repeats it. Only a blank line is missing."""
    repeated = data({"choices": [{"index": 0, "message": {"content": "Hello"}}]})
    assert isinstance(read(text("Hello", "stop") + repeated[:-2])[-1], Stopped)
