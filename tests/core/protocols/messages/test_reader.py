from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.protocols.canonical.conversation import Call, Conversation, Reasoning, Text, User
from addons.core.protocols.canonical.events import (
    CallKind,
    Event,
    Failed,
    ReasoningDone,
    RefusalDelta,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageSeen,
)
from addons.core.protocols.canonical.opaque_reasoning import unwrap
from addons.core.protocols.messages.reader import MessagesReader
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.usage import Usage
from tests.conformance import check
from tests.core.protocols.messages.samples import TARGET, TOOLS, conversation_of, written
from tests.core.protocols.messages.streams import (
    CONVERSATION,
    STOP,
    closed,
    delta,
    end,
    opened,
    read,
    sse,
    start,
    stopping,
    text,
    thinking,
    tool,
)

LS = '{"command": "ls"}'


def problem(events: list[Event]) -> Problem:
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert events[-1] is failed
    return failed.problem


def calls(events: list[Event]) -> list[ToolCallStart]:
    return [event for event in events if isinstance(event, ToolCallStart)]


def ended(events: list[Event]) -> list[int]:
    return [event.index for event in events if isinstance(event, ToolCallEnd)]


def test_text_deltas_are_passed_on() -> None:
    assert read(start(), text("Hel", "lo"), end()) == [
        TextDelta("Hel"),
        TextDelta("lo"),
        Stopped(StopReason.END),
    ]


def test_thinking_is_replayed_before_its_call() -> None:
    events = read(start(), thinking("Hm."), tool(LS, index=1), end("tool_use"))
    (done,) = [event for event in events if isinstance(event, ReasoningDone)]
    items = (User((Text("Go"),)), Reasoning("Hm.", done.opaque), Call("toolu_1", "shell", LS))
    body = written(conversation_of(*items, tools=TOOLS))
    assert body["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "Hm.",
        "signature": "c2ln",
    }


def test_signature_without_text_and_redacted_thinking_are_wrapped() -> None:
    redacted = opened(1, "redacted_thinking", data="ZGF0YQ") + closed(1)
    events = read(start(), thinking(), redacted, text("Hi", index=2), end())
    kept = [
        unwrap(event.opaque or "", TARGET.reasoning_scope)
        for event in events
        if isinstance(event, ReasoningDone)
    ]
    assert kept == [{"thinking": "", "signature": "c2ln"}, {"redacted_thinking": "ZGF0YQ"}]


def test_calls_have_the_declared_names_and_kinds() -> None:
    events = read(
        start(),
        tool(LS),
        tool('{"inp', 'ut": "*** Begin', '\\nx"}', index=1, name="apply_patch", call_id="t2"),
        tool("{}", index=2, name="mcp__docs__find", call_id="t3"),
        tool("{}", index=3, name="undeclared", call_id="t4"),
        end("tool_use"),
    )
    assert [
        (reader_under_test.name, reader_under_test.namespace, reader_under_test.kind)
        for reader_under_test in calls(events)
    ] == [
        ("shell", None, CallKind.FUNCTION),
        ("apply_patch", None, CallKind.CUSTOM),
        ("find", "mcp__docs", CallKind.FUNCTION),
        ("undeclared", None, CallKind.FUNCTION),
    ]
    patch = [event for event in events if isinstance(event, ToolCallDelta) and event.index == 1]
    assert "".join(event.arguments for event in patch) == "*** Begin\nx"
    assert ended(events) == [0, 1, 2, 3]


def test_call_ids_are_unique_in_the_thread() -> None:
    conversation = Conversation((Call("toolu_1", "shell", LS),), TOOLS)
    stream = (
        start() + tool(LS) + tool(LS, index=1) + tool(LS, index=2, call_id="") + end("tool_use")
    )
    ids = [
        reader_under_test.call_id
        for reader_under_test in calls(read(stream, conversation=conversation))
    ]
    assert ids[:2] == ["toolu_1_2", "toolu_1_3"]
    assert len({"toolu_1", *ids}) == 4
    assert all(ids)


@pytest.mark.parametrize(
    ("blocks", "reason", "whole"),
    [
        (tool(LS), "tool_use", [0]),
        (tool(), "tool_use", [0]),
        (tool(LS), "max_tokens", [0]),
        (tool(), "max_tokens", []),
        (tool('{"command": "l'), "max_tokens", []),
        (tool('{"command": "l'), "tool_use", [0]),
        (tool('{"command": "l', stop=False), "tool_use", []),
        (tool(LS, stop=False), "max_tokens", []),
        (tool(LS, stop=False), "tool_use", [0]),
        (tool("*** Begin", name="apply_patch"), "tool_use", [0]),
        (tool("*** Begin", name="apply_patch"), "max_tokens", []),
        (tool('{"input": "*** Be', name="apply_patch"), "tool_use", []),
        (tool() + tool('{"a', index=1), "max_tokens", [0]),
    ],
)
def test_call_ends_only_if_it_is_complete(blocks: bytes, reason: str, whole: list[int]) -> None:
    events = read(start(), blocks, end(reason))
    assert ended(events) == whole
    emitter = Emitter("resp_0a1b", 1_700_000_000, "stub", {}, Client.CODEX)
    final = check(emitter.emit(events))["response"]
    assert (final["status"] == "completed") == (len(whole) == len(calls(events)))


def test_input_of_the_answer_tool_is_text() -> None:
    events = read(start(), tool('{"n"', ": 1}", name="form"), end("tool_use"), answer_tool="form")
    assert events == [TextDelta('{"n"'), TextDelta(": 1}"), Stopped(StopReason.END)]
    whole = opened(0, "tool_use", id="t", name="form", input={"n": 1}) + closed(0)
    assert read(start(), whole, end("tool_use"), answer_tool="form")[0] == TextDelta('{"n":1}')


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", StopReason.END),
        ("stop_sequence", StopReason.END),
        ("pause_turn", StopReason.END),
        ("tool_use", StopReason.END),
        ("a new word", StopReason.END),
        ("max_tokens", StopReason.LENGTH),
        ("model_context_window_exceeded", StopReason.LENGTH),
        ("refusal", StopReason.REFUSAL),
        ("content_filtered", StopReason.CONTENT_FILTER),
    ],
)
def test_stop_reasons(word: str, reason: StopReason) -> None:
    assert read(start(), text("Hi"), end(word))[-1] == Stopped(reason)


@pytest.mark.parametrize(
    "last",
    [
        STOP,
        stopping(None) + STOP,
        stopping("") + STOP,
        sse("message_delta", delta={}, usage={"output_tokens": 1}) + STOP,
        sse("message_delta", delta={"stop_reason": 7}) + STOP,
        sse("message_delta", delta=None) + STOP,
        b"event: message_stop\ndata: {}\n\n",
        b"data: [DONE]\n\n",
    ],
)
@pytest.mark.parametrize(
    "before", [b"", start(), start() + text("Hi")], ids=["nothing", "start", "text"]
)
def test_answer_without_a_stop_reason_fails_and_can_be_sent_again(
    before: bytes, last: bytes
) -> None:
    events = read(before, last)
    failure = events[-1]
    assert isinstance(failure, Failed)
    # Codex retries at this code and ends the turn at invalid_prompt
    assert failure.problem.code == "stream_interrupted"
    assert not any(isinstance(event, Stopped) for event in events)


def test_refusal_without_text_has_its_explanation() -> None:
    stop = {"stop_reason": "refusal", "stop_details": {"explanation": "Not this."}}
    events = read(start(), sse("message_delta", delta=stop), STOP)
    assert events == [RefusalDelta("Not this."), Stopped(StopReason.REFUSAL)]


def test_explanation_is_ignored_after_text_and_for_other_reasons() -> None:
    stop = {"stop_reason": "refusal", "stop_details": {"explanation": "Not this."}}
    events = read(start(), text("I"), sse("message_delta", delta=stop), STOP)
    assert not any(isinstance(event, RefusalDelta) for event in events)
    ended_well = {"stop_reason": "end_turn", "stop_details": {"explanation": "Not this."}}
    events = read(start(), sse("message_delta", delta=ended_well), STOP)
    assert events == [Stopped(StopReason.END)]


def test_usage_is_counted_as_in_responses() -> None:
    started = start(input_tokens=10, cache_read_input_tokens=100, cache_creation_input_tokens=7)
    stream = started + text("Hi") + end(output_tokens=20)
    assert UsageSeen(Usage(117, 100, 20, 0, 137, 7)) in read(stream)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("overloaded_error", "rate_limit_exceeded"),
        ("rate_limit_error", "rate_limit_exceeded"),
        ("api_error", "server_error"),
        ("authentication_error", "invalid_prompt"),
        ("invalid_request_error", "invalid_prompt"),
    ],
)
def test_error_events_in_a_200(kind: str, code: str) -> None:
    failed = sse("error", error={"type": kind, "message": "Because."})
    assert problem(read(start(), text("Ha"), failed, end())).code == code
    assert problem(read(failed.partition(b"data: ")[2])).code == code


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"", "stream_interrupted"),
        (start() + text("Half"), "stream_interrupted"),
        (start() + tool('{"comm', stop=False), "stream_interrupted"),
        (start() + b"data: {nonsense\n\n" + end(), "upstream_protocol"),
        (start() + tool(LS, name=" ") + end(), "upstream_protocol"),
        (b"<html>nginx</html>", "upstream_protocol"),
        (b'{"choices": []}', "upstream_protocol"),
        (b'{"type": "message", "content": [{"type": "text", "text": "Hi"}]}', "stream_interrupted"),
    ],
)
def test_incomplete_answer_fails(stream: bytes, code: str) -> None:
    failed = problem(read(stream))
    assert failed.code == code
    assert "claude-test at https://api.example.test" in failed.message


@pytest.mark.parametrize("rest", [b"", b"data: {", STOP[:-9], b": ping\n"])
def test_answer_with_a_stop_reason_is_complete(rest: bytes) -> None:
    assert read(start(), text("Hi"), stopping("end_turn"), rest)[-1] == Stopped(StopReason.END)


def test_oversized_event_fails() -> None:
    reader_under_test = MessagesReader(CONVERSATION, TARGET, max_event_bytes=100)
    assert problem(
        list(reader_under_test.feed(start() + delta(0, "text_delta", text="x" * 200)))
    ).code == ("upstream_protocol")
    assert reader_under_test.finish() == []


def test_answer_that_continues_after_its_stop_needs_another_stop() -> None:
    early = (
        start()
        + text("Hel")
        + stopping("end_turn")
        + opened(1, "text")
        + delta(1, "text_delta", text="lo wor")
    )
    last = read(early)[-1]
    assert isinstance(last, Failed)
    assert last.problem.code == "stream_interrupted"
    for whole in (early + stopping("end_turn"), early + STOP, early + end()):
        assert isinstance(read(whole)[-1], Stopped)


def test_name_of_a_tool_is_stripped() -> None:
    [started, *_] = read(start() + tool("{}", name=" shell ") + end("tool_use"))
    assert isinstance(started, ToolCallStart)
    assert started.name == "shell"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip
BLOCKS = st.sampled_from(
    [
        text("Grüße ", "du"),
        text("more", index=7),
        thinking("Hm."),
        thinking(),
        tool('{"command"', ': "ls"}', index=1),
        tool(index=2),
        tool('{"input": "a\\n', 'b"}', index=1, name="apply_patch"),
        tool('{"x', index=4, stop=False),
        sse("ping"),
        b": comment\r\n\r\n",
        opened(5, "redacted_thinking", data="x"),
        opened(3, "server_tool_use", id="s", name="web_search", input={}),
        delta(3, "input_json_delta", partial_json='{"q'),
        delta(9, "text_delta", text="stray"),
        delta(9, "input_json_delta", partial_json="stray"),
        closed(9),
    ]
)
ODD = st.builds(
    lambda kind, index, value: sse(kind, index=index, content_block=value, delta=value, message=value, usage=value),
    st.sampled_from(["message_start", "content_block_start", "content_block_delta", "message_delta"]),
    st.integers(0, 3) | st.none() | st.text(max_size=2),
    JSON_VALUES | JSON_VALUES.map(lambda value: {"type": "tool_use", "input": value, "name": value}),
)  # fmt: skip
ENDS = st.sampled_from(
    [end(), end("tool_use"), end("max_tokens"), stopping("refusal"), b"", b"data: {"]
)
STREAMS = st.builds(
    lambda blocks, last: start(input_tokens=3) + b"".join(blocks) + last,
    st.lists(BLOCKS | ODD, max_size=6),
    ENDS,
)


@given(STREAMS, st.data())
def test_any_split_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    bounds = [0, *cuts, len(stream)]
    reads = [stream[reader_under_test:two] for reader_under_test, two in pairwise(bounds)]
    assert read(*reads) == read(stream)


@given(STREAMS, st.sampled_from(Client))
def test_every_stream_translates_to_a_valid_stream(stream: bytes, client: Client) -> None:
    events = read(stream)
    assert sum(isinstance(event, Failed | Stopped) for event in events) == 1
    check(Emitter("resp_0a1b", 1_700_000_000, "stub", {}, client).emit(events))


@given(st.binary(max_size=60) | JSON_VALUES.map(orjson.dumps) | JSON_VALUES.map(lambda v: b"data: " + orjson.dumps(v)))  # fmt: skip
def test_any_bytes_fail_without_raising(stream: bytes) -> None:
    assert isinstance(read(stream)[-1], Failed)


@pytest.mark.parametrize("index", [b"{}", b"[1]", b'"x"', b"null"])
def test_block_with_an_invalid_index_is_read(index: bytes) -> None:
    begin = b'data: {"type":"content_block_start","index":%b,"content_block":{"type":"text","text":"hi"}}\n\n'
    stop = b'data: {"type":"content_block_stop","index":%b}\n\n'
    assert TextDelta("hi") in read(begin % index, stop % index)


def test_error_in_an_unknown_form_keeps_its_words_behind_a_ping() -> None:
    events = read(start(), sse("ping"), b'data: {"detail":"The balance of the team is gone"}\n\n')
    assert isinstance(events[-1], Failed)
    assert "The balance of the team is gone" in events[-1].problem.message
