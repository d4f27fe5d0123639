"""Tool calls assembled from fragments: each call keeps its own name, id and arguments, however they interleave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.conversation import Call, Conversation, Tool
from addons.core.protocols.canonical.events import (
    CallKind,
    Event,
    ReasoningDone,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from addons.core.protocols.canonical.opaque_reasoning import unwrap
from addons.core.protocols.chat import tool_calls
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from tests.conformance import check
from tests.core.protocols.chat import streams as chat_streams
from tests.core.protocols.chat.streams import failure, read, target
from tests.core.protocols.messages import streams as messages_streams
from tests.quirks.chat_quirks import CALLED, chunk, stop, tool

PATCH = "*** Begin Patch\n+é\n"


def declared(name: str, kind: CallKind, namespace: str | None = None) -> Conversation:
    upstream_name = f"{namespace}__{name}" if namespace else name
    return Conversation((), tools=(Tool(upstream_name, name, namespace, kind, "", {}),))


ARGUMENTS = st.dictionaries(
    st.text(max_size=3), st.integers() | st.text(max_size=6) | st.just({}), max_size=3
).map(json.dumps)
CALLS = st.lists(st.tuples(st.sampled_from(("read", "list", "apply_patch")), ARGUMENTS), min_size=1, max_size=4)  # fmt: skip
DECLARED = declared("apply_patch", CallKind.CUSTOM)


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    edges = [0, *cuts, len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[list[tuple[str, str]], list[tuple[int, str]]]:
    """Draw calls, and (index of the call, fragment of its arguments) in an order that keeps each call's own."""
    calls = [
        (name, json.dumps({"input": arguments}) if name == "apply_patch" else arguments)
        for name, arguments in draw(CALLS)
    ]
    left = {place: pieces(draw, arguments) for place, (_, arguments) in enumerate(calls)}
    order = draw(st.permutations([place for place, parts in left.items() for _ in parts]))
    return calls, [(place, left[place].pop(0)) for place in order]


def delivered(events: Sequence[Event]) -> list[tuple[str, str, str]]:
    """Return (id, name, arguments) of each call in the response."""
    emitter = Emitter("resp_1", 1, "m", {}, Client.CODEX)
    check(emitter.emit(events))
    output: Any = emitter.response["output"]
    return [
        (item["call_id"], item["name"], item["arguments"])
        if item["type"] == "function_call"
        else (item["call_id"], item["name"], json.dumps({"input": item["input"]}))
        for item in output
    ]


def expected(calls: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    return [(f"c{place}", name, arguments) for place, (name, arguments) in enumerate(calls)]


def chat_of(place: int, **fields: Any) -> bytes:
    return chunk({"tool_calls": [{"index": place, **fields}]})


@given(interleaved(), st.booleans(), st.booleans())
def test_interleaved_chat_calls_keep_their_arguments(
    script: tuple[list[tuple[str, str]], list[tuple[int, str]]], ids_stay: bool, names_stay: bool
) -> None:
    """The id alone, or id and name, may be repeated in every fragment."""
    calls, fragments = script
    sent = b"".join(
        chat_of(place, id=f"c{place}", type="function", function={"name": name, "arguments": ""})
        for place, (name, _) in enumerate(calls)
    )
    for place, piece in fragments:
        name = {"name": calls[place][0]} if ids_stay and names_stay else {}
        known = {"id": f"c{place}"} if ids_stay else {}
        sent += chat_of(place, **known, function={**name, "arguments": piece})
    events = chat_streams.read(sent + stop("tool_calls"), conversation=DECLARED)
    assert sorted(delivered(events)) == expected(calls)


@given(interleaved())
def test_interleaved_messages_calls_keep_their_arguments(
    script: tuple[list[tuple[str, str]], list[tuple[int, str]]],
) -> None:
    calls, fragments = script
    begun = b"".join(
        messages_streams.opened(place, "tool_use", id=f"c{place}", name=name, input={})
        for place, (name, _) in enumerate(calls)
    )
    deltas = b"".join(
        messages_streams.delta(place, "input_json_delta", partial_json=piece)
        for place, piece in fragments
    )
    ended = b"".join(messages_streams.closed(place) for place in range(len(calls)))
    sent = messages_streams.start() + begun + deltas + ended + messages_streams.end("tool_use")
    conversation = Conversation((), DECLARED.tools)
    assert sorted(delivered(messages_streams.read(sent, conversation=conversation))) == expected(
        calls
    )


def test_oversized_arguments_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_calls, "MAX_ARGUMENT_BYTES", 8)
    assert (
        failure(tool(0, id="c", name="f", arguments='{"a":"bcdef') + CALLED) == "upstream_protocol"
    )


def test_too_many_calls_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_calls, "MAX_CALLS", 2)
    sent = b"".join(tool(n, id=f"c{n}", name="f", arguments="{}") for n in range(3))
    assert failure(sent + CALLED) == "upstream_protocol"


def test_id_of_an_earlier_call_is_made_unique() -> None:
    history = Conversation((Call("c", "read", "{}"),))
    events = read(tool(0, id="c", name="read", arguments="{}") + CALLED, conversation=history)
    start = events[0]
    assert isinstance(start, ToolCallStart)
    assert start.call_id not in {"", "c"}


def test_late_id_belongs_to_its_call() -> None:
    events = read(tool(0, name="f", arguments="{}"), tool(0, id="late"), CALLED)
    assert events[0] == ToolCallStart(0, "late", "f")


def test_late_name_belongs_to_its_call() -> None:
    events = read(tool(0, id="c", arguments='{"a":'), tool(0, name="f", arguments="1}"), CALLED)
    assert events[:3] == [
        ToolCallStart(0, "c", "f"),
        ToolCallDelta(0, '{"a":'),
        ToolCallDelta(0, "1}"),
    ]


def test_namespace_is_restored() -> None:
    events = read(
        tool(0, id="c", name="mcp__gh__find", arguments="{}") + CALLED,
        conversation=declared("find", CallKind.FUNCTION, "mcp__gh"),
    )
    assert events[0] == ToolCallStart(0, "c", "find", "mcp__gh")


def test_undeclared_tool_is_passed_on() -> None:
    assert read(tool(0, id="c", name="made_up", arguments="{}"), CALLED)[0] == ToolCallStart(
        0, "c", "made_up"
    )


def test_custom_tool_input_is_decoded_as_it_streams() -> None:
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
def test_incomplete_custom_tool_call_never_ends(finish: str) -> None:
    events = read(
        tool(0, id="c", name="apply_patch", arguments='{"input":"*** Begin'),
        stop(finish),
        conversation=declared("apply_patch", CallKind.CUSTOM),
    )
    assert ToolCallEnd(0) not in events


def test_only_the_last_call_is_truncated_by_the_limit() -> None:
    first = tool(0, id="c", name="f", arguments="{}")
    events = read(first, tool(1, id="d", name="f", arguments='{"a'), stop("length"))
    assert [event.index for event in events if isinstance(event, ToolCallEnd)] == [0]


@pytest.mark.parametrize("late", [False, True])
def test_thought_signature_is_wrapped_with_its_call(late: bool) -> None:
    extra = {"google": {"thought_signature": "s"}}
    call = {"id": "c", "name": "f", "arguments": "{}"}
    sent = tool(**call) + tool(extra_content=extra) if late else tool(**call, extra_content=extra)
    done = next(event for event in read(sent, stop()) if isinstance(event, ReasoningDone))
    assert unwrap(done.opaque or "", target().reasoning_scope) == {"calls": {"c": extra}}


def test_malformed_arguments_are_delivered_as_they_are() -> None:
    arguments = '{"path": "say "hi""}'
    events = read(tool(0, id="c", name="read", arguments=arguments), CALLED)
    assert ToolCallEnd(0, malformed=True) in events
    assert delivered(events) == [("c", "read", arguments)]


@pytest.mark.parametrize("finish", ["tool_calls", "stop"])
def test_missing_brace_is_added_to_a_complete_call(finish: str) -> None:
    schema = {"properties": {"path": {"type": "string"}}, "required": ["path"]}
    conversation = Conversation(
        (), tools=(Tool("read", "read", None, CallKind.FUNCTION, "", schema),)
    )
    events = read(
        tool(0, id="c", name="read", arguments='{"path":"a"'),
        stop(finish),
        conversation=conversation,
    )
    assert delivered(events) == [("c", "read", '{"path":"a"}')]


def test_limit_ends_no_call_with_malformed_arguments() -> None:
    first = tool(0, id="c", name="f", arguments='{"a":"b"')
    events = read(first, tool(1, id="d", name="f", arguments='{"a'), stop("length"))
    assert not any(isinstance(event, ToolCallEnd) for event in events)


@pytest.mark.parametrize(
    "wrapped",
    [
        '{"input":"a\\nb",}',
        '{"input":"a\nb"}',
        '{"input":"a\\nb"',
        '{"input":"a\\nb"}}',
        '"{\\"input\\":\\"a\\\\nb\\"}"',
    ],
)
def test_arguments_of_a_custom_tool_are_repaired(wrapped: str) -> None:
    schema = {"properties": {"input": {"type": "string"}}, "required": ["input"]}
    conversation = Conversation(
        (), tools=(Tool("apply_patch", "apply_patch", None, CallKind.CUSTOM, "", schema),)
    )
    for size in (1, 100):
        fragments = [wrapped[n : n + size] for n in range(0, len(wrapped), size)]
        sent = tool(0, id="c", name="apply_patch") + b"".join(
            tool(0, arguments=one) for one in fragments
        )
        assert delivered(read(sent, CALLED, conversation=conversation)) == [
            ("c", "apply_patch", json.dumps({"input": "a\nb"}))
        ]
