"""Calls of Codex's tools inside a model's text: whole or not at all, and no text lost."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.calls import CallReader, fence_of, holds_broken_call, offer
from addons.core.cursor.reader import CursorReader
from addons.core.translate.conversation import Tool, ToolChoice
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.events import (
    CallKind,
    Event,
    Failed,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from tests.conformance import check
from tests.core.cursor import streams as s

MARK = "0123456789abcdef0123"
FENCE = fence_of(MARK)
TOOLS = (
    Tool("exec_command", "exec_command", None, CallKind.FUNCTION, "Runs it.", {"type": "object"}),
    Tool("mcp__srv__add", "add", "mcp__srv", CallKind.FUNCTION, "Adds.", {}),
    Tool("apply_patch", "apply_patch", None, CallKind.CUSTOM, "Patches.", {}),
)


def block(value: object) -> str:
    body = value if isinstance(value, str) else json.dumps(value)
    return f"{FENCE}\n{body}\n```"


LS = block({"name": "exec_command", "arguments": {"cmd": "ls"}})


def read(*texts: str) -> list[Event]:
    reader = CallReader(TOOLS, MARK, "seed")
    events = [event for text in texts for event in reader.feed(text)]
    return [*events, *reader.finish()]


def text_in(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_in(events: list[Event]) -> list[tuple[str, str | None, str]]:
    starts = [event for event in events if isinstance(event, ToolCallStart)]
    arguments = [event.arguments for event in events if isinstance(event, ToolCallDelta)]
    assert len(starts) == len(arguments) == sum(isinstance(e, ToolCallEnd) for e in events)
    return [
        (start.name, start.namespace, given) for start, given in zip(starts, arguments, strict=True)
    ]


def test_text_around_calls_survives() -> None:
    events = read(
        f"I look.\n{LS}\n\nAnd I add.\n{block({'name': 'mcp__srv__add', 'arguments': {}})}\nDone."
    )
    assert calls_in(events) == [("exec_command", None, '{"cmd":"ls"}'), ("add", "mcp__srv", "{}")]
    assert text_in(events) == "I look.\nAnd I add.\nDone."
    ids = [event.call_id for event in events if isinstance(event, ToolCallStart)]
    assert ids == ["call_seed_0", "call_seed_1"]


PATCH = "*** Begin Patch\n+é\n*** End Patch"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "apply_patch", "arguments": {"input": PATCH}},
        {"name": "apply_patch", "arguments": PATCH},
        f'{{"name": "apply_patch", "arguments": {{"input": "{PATCH}"}}}}',  # raw line breaks
    ],
)
def test_a_custom_tool_is_given_its_text(body: object) -> None:
    assert calls_in(read(block(body))) == [("apply_patch", None, PATCH)]


@pytest.mark.parametrize(
    "text",
    [
        block("{not json"),
        block('["exec_command"]'),
        block({"name": "unknown", "arguments": {}}),
        block({"name": "exec_command", "arguments": "not json"}),
        block({"name": "exec_command", "arguments": [1]}),
        block({"name": "apply_patch", "arguments": {}}),
        block({"name": "exec_command", "arguments": {"a": "\ud800"}}),
        LS.removesuffix("```"),
        FENCE,
        LS.replace(FENCE, "```codex-call-otherkey0000"),
        LS.replace(FENCE, "```json"),
        f"see {LS}",
    ],
)  # fmt: skip
def test_what_is_no_valid_call_stays_text(text: str) -> None:
    events = read(f"a\n{text}\nb") if not text.endswith(("\n", FENCE)) else read(f"a\n{text}")
    assert calls_in(events) == []
    assert text.strip() in text_in(events)


@given(
    st.lists(st.sampled_from([LS, "text", "\n", "`", "```", "``` ", FENCE, "é", block("{"), FENCE[:9]]), max_size=6)
    .map("".join),
    st.lists(st.integers(0, 200), max_size=6),
)  # fmt: skip
def test_any_split_gives_the_same(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    split = read(*(text[a:b] for a, b in itertools.pairwise(edges)))
    assert calls_in(split) == calls_in(read(text))
    assert text_in(split) == text_in(read(text))


@given(st.text(alphabet="`cod exal-\n01", max_size=60))
def test_text_without_a_block_is_given_as_it_is(text: str) -> None:
    assert text_in(read(f"x{text}")) == f"x{text}"


def test_an_endless_block_becomes_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("addons.core.cursor.calls.LONGEST_BLOCK", 100)
    text = f"{FENCE}\n" + "x" * 90 + "\n" + "y" * 90 + "\nafter"
    events = read(text)
    assert calls_in(events) == []
    assert text_in(events) == text


def turn(*lines: bytes) -> tuple[CursorReader, list[Event]]:
    reader = CursorReader(CallReader(TOOLS, MARK, "seed"))
    return reader, [*reader.feed(b"".join((s.init(), *lines))), *reader.finish()]


def test_a_turn_with_calls_is_a_stream_that_clients_accept() -> None:
    _, events = turn(s.spoken(["I look.\n", *LS, "\n"]), s.final(f"I look.\n{LS}\n"), s.result("x"))
    assert events[-1] == Stopped(StopReason.TOOL_CALLS)
    for client in Client:
        last = check(Emitter("resp_1", 1, "m", {}, client).emit(events))
        assert [item["type"] for item in last["response"]["output"]] == ["message", "function_call"]


def test_a_block_does_not_reach_over_a_tool_of_cursors() -> None:
    _, events = turn(s.delta(f"{FENCE}\n"), s.tool("1"), s.delta('{"name":1}\n```'), s.result("x"))
    assert calls_in(events) == []
    assert FENCE in text_in(events)


def test_cursor_that_acts_by_itself_ends_the_turn() -> None:
    ran = s.started("1", "shell", command="rm x") + s.completed("1", "shell", {"success": {}})
    _, events = turn(ran, s.delta(LS), s.result("x"))
    assert isinstance(events[-1], Failed)
    assert "acted by itself" in events[-1].problem.message
    assert calls_in(events) == []


def test_cursor_may_read_and_be_refused() -> None:
    refused = s.started("1", "shell", command="x") + s.completed("1", "shell", {"rejected": {}})
    reader, events = turn(refused, s.tool("2", path="a"), s.delta(LS), s.result("x"))
    assert len(calls_in(events)) == 1
    assert not reader.acted


def test_the_offer_names_the_form_the_key_and_every_tool() -> None:
    told = offer(TOOLS, ToolChoice("required"), MARK)
    assert FENCE in told
    assert all(tool.wire_name in told for tool in TOOLS)
    assert "must call at least one" in told
    assert "must call apply_patch" in offer(TOOLS, ToolChoice("named", "apply_patch"), MARK)
    assert offer(TOOLS, ToolChoice("none"), MARK) == offer((), ToolChoice(), MARK) == ""


def test_a_shown_block_is_recognised_later() -> None:
    assert holds_broken_call(f"oops\n  {LS}")
    assert not holds_broken_call("```python\ncodex-call-\n```")
