from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.translate.conversation import Call, Conversation, Reasoning, Text, User
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.events import (
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
from addons.core.translate.messages import reader
from addons.core.translate.replay import unseal
from addons.core.usage import Usage
from addons.core.wire.messages import MessagesReader
from tests.conformance import check
from tests.core.translate.messages_samples import TARGET, TOOLS, talk, written
from tests.core.wire.messages_streams import (
    ASKED,
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


def test_text_comes_as_it_is_said() -> None:
    assert read(start(), text("Hel", "lo"), end()) == [
        TextDelta("Hel"),
        TextDelta("lo"),
        Stopped(StopReason.END),
    ]


def test_thinking_goes_back_before_the_call_that_it_led_to() -> None:
    events = read(start(), thinking("Hm."), tool(LS, index=1), end("tool_use"))
    (done,) = [event for event in events if isinstance(event, ReasoningDone)]
    items = (User((Text("Go"),)), Reasoning("Hm.", done.opaque), Call("toolu_1", "shell", LS))
    body = written(talk(*items, tools=TOOLS))
    assert body["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "Hm.",
        "signature": "c2ln",
    }


def test_a_signature_without_text_and_redacted_thinking_are_kept() -> None:
    redacted = opened(1, "redacted_thinking", data="ZGF0YQ") + closed(1)
    events = read(start(), thinking(), redacted, text("Hi", index=2), end())
    kept = [
        unseal(event.opaque or "", TARGET.lineage)
        for event in events
        if isinstance(event, ReasoningDone)
    ]
    assert kept == [{"thinking": "", "signature": "c2ln"}, {"redacted_thinking": "ZGF0YQ"}]


def test_calls_get_the_clients_names_and_kinds() -> None:
    events = read(
        start(),
        tool(LS),
        tool('{"inp', 'ut": "*** Begin', '\\nx"}', index=1, name="apply_patch", call_id="t2"),
        tool("{}", index=2, name="mcp__docs__find", call_id="t3"),
        tool("{}", index=3, name="undeclared", call_id="t4"),
        end("tool_use"),
    )
    assert [(one.name, one.namespace, one.kind) for one in calls(events)] == [
        ("shell", None, CallKind.FUNCTION),
        ("apply_patch", None, CallKind.CUSTOM),
        ("find", "mcp__docs", CallKind.FUNCTION),
        ("undeclared", None, CallKind.FUNCTION),
    ]
    patch = [event for event in events if isinstance(event, ToolCallDelta) and event.index == 1]
    assert "".join(event.arguments for event in patch) == "*** Begin\nx"
    assert ended(events) == [0, 1, 2, 3]


def test_ids_are_the_threads_own() -> None:
    asked = Conversation((Call("toolu_1", "shell", LS),), TOOLS)
    stream = (
        start() + tool(LS) + tool(LS, index=1) + tool(LS, index=2, call_id="") + end("tool_use")
    )
    ids = [one.call_id for one in calls(read(stream, asked=asked))]
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
        (tool('{"command": "l'), "tool_use", []),
        (tool(LS, stop=False), "max_tokens", []),
        (tool(LS, stop=False), "tool_use", [0]),
        (tool("*** Begin", name="apply_patch"), "tool_use", [0]),
        (tool("*** Begin", name="apply_patch"), "max_tokens", []),
        (tool('{"input": "*** Be', name="apply_patch"), "tool_use", []),
        (tool() + tool('{"a', index=1), "max_tokens", [0]),
    ],
)
def test_a_call_ends_only_when_it_is_whole(blocks: bytes, reason: str, whole: list[int]) -> None:
    events = read(start(), blocks, end(reason))
    assert ended(events) == whole
    emitter = Emitter("resp_0a1b", 1_700_000_000, "stub", {}, Client.CODEX)
    final = check(emitter.emit(events))["response"]
    assert (final["status"] == "completed") == (len(whole) == len(calls(events)))


def test_a_form_is_the_answers_text() -> None:
    events = read(start(), tool('{"n"', ": 1}", name="form"), end("tool_use"), form="form")
    assert events == [TextDelta('{"n"'), TextDelta(": 1}"), Stopped(StopReason.END)]
    whole = opened(0, "tool_use", id="t", name="form", input={"n": 1}) + closed(0)
    assert read(start(), whole, end("tool_use"), form="form")[0] == TextDelta('{"n":1}')


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", StopReason.END),
        ("stop_sequence", StopReason.END),
        ("pause_turn", StopReason.END),
        ("tool_use", StopReason.END),
        ("a new word", StopReason.END),
        (None, StopReason.END),
        ("max_tokens", StopReason.LENGTH),
        ("model_context_window_exceeded", StopReason.LENGTH),
        ("refusal", StopReason.REFUSAL),
        ("content_filtered", StopReason.CONTENT_FILTER),
    ],
)
def test_why_the_model_stopped(word: str | None, reason: StopReason) -> None:
    assert read(start(), text("Hi"), end(word))[-1] == Stopped(reason)


def test_a_refusal_without_a_word_is_explained() -> None:
    stop = {"stop_reason": "refusal", "stop_details": {"explanation": "Not this."}}
    events = read(start(), sse("message_delta", delta=stop), STOP)
    assert events == [RefusalDelta("Not this."), Stopped(StopReason.REFUSAL)]


def test_an_explanation_is_no_refusal_after_words_or_without_one() -> None:
    said = {"stop_reason": "refusal", "stop_details": {"explanation": "Not this."}}
    events = read(start(), text("I"), sse("message_delta", delta=said), STOP)
    assert not any(isinstance(event, RefusalDelta) for event in events)
    ended_well = {"stop_reason": "end_turn", "stop_details": {"explanation": "Not this."}}
    events = read(start(), sse("message_delta", delta=ended_well), STOP)
    assert events == [Stopped(StopReason.END)]


def test_usage_adds_up_as_responses_counts_it() -> None:
    begun = start(input_tokens=10, cache_read_input_tokens=100, cache_creation_input_tokens=7)
    stream = begun + text("Hi") + end(output_tokens=20)
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
def test_errors_inside_a_200(kind: str, code: str) -> None:
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
def test_what_is_no_whole_answer_fails(stream: bytes, code: str) -> None:
    failed = problem(read(stream))
    assert failed.code == code
    assert "claude-test at https://api.example.test" in failed.message


@pytest.mark.parametrize("rest", [b"", b"data: {", STOP[:-9], b": ping\n"])
def test_an_answer_whose_end_was_said_is_whole(rest: bytes) -> None:
    assert read(start(), text("Hi"), stopping("end_turn"), rest)[-1] == Stopped(StopReason.END)


def test_an_event_that_is_too_large_fails() -> None:
    one = MessagesReader(ASKED, TARGET, event_bytes=100)
    assert problem(list(one.feed(start() + delta(0, "text_delta", text="x" * 200)))).code == (
        "upstream_protocol"
    )
    assert one.finish() == []


def test_nothing_is_read_after_the_end() -> None:
    one = reader(ASKED, TARGET)
    one.feed(start() + end())
    assert one.feed(text("more")) == []
    assert one.finish() == []


def test_an_answer_that_goes_on_after_its_end_needs_another_end() -> None:
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


def test_a_name_with_blanks_around_it_is_that_tool() -> None:
    [begun, *_] = read(start() + tool("{}", name=" shell ") + end("tool_use"))
    assert isinstance(begun, ToolCallStart)
    assert begun.name == "shell"


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
    reads = [stream[one:two] for one, two in pairwise(bounds)]
    assert read(*reads) == read(stream)


@given(STREAMS, st.sampled_from(Client))
def test_every_stream_gives_a_stream_of_the_api(stream: bytes, client: Client) -> None:
    events = read(stream)
    assert sum(isinstance(event, Failed | Stopped) for event in events) == 1
    check(Emitter("resp_0a1b", 1_700_000_000, "stub", {}, client).emit(events))


@given(st.binary(max_size=60) | JSON_VALUES.map(orjson.dumps) | JSON_VALUES.map(lambda v: b"data: " + orjson.dumps(v)))  # fmt: skip
def test_no_bytes_make_it_raise(stream: bytes) -> None:
    assert isinstance(read(stream)[-1], Failed)


@pytest.mark.parametrize("index", [b"{}", b"[1]", b'"x"', b"null"])
def test_a_block_whose_index_is_no_number_is_read(index: bytes) -> None:
    begin = b'data: {"type":"content_block_start","index":%b,"content_block":{"type":"text","text":"hi"}}\n\n'
    stop = b'data: {"type":"content_block_stop","index":%b}\n\n'
    assert TextDelta("hi") in read(begin % index, stop % index)
