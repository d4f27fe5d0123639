"""Codex tool calls inside a model's text: complete calls only, and no text lost."""

from __future__ import annotations

import itertools
import json
import time
from itertools import batched

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.reader import CursorReader
from addons.core.cursor.tool_form import opening_fence
from addons.core.cursor.tool_reader import CallReader
from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from tests.conformance import check
from tests.core.cursor import streams as s
from tests.core.cursor.tools import TOOLS

KEY = "0123456789ab"
FENCE = opening_fence(KEY)


def block(value: object) -> str:
    body = value if isinstance(value, str) else json.dumps(value)
    return f"{FENCE}\n{body}\n```"


LS = block({"name": "exec_command", "arguments": {"cmd": "ls"}})


def read(*texts: str, max_calls: int = 9) -> list[Event]:
    reader = CallReader(TOOLS, KEY, "seed", max_calls)
    events = [event for text in texts for event in reader.feed(text)]
    return [*events, *reader.finish()]


def text_in(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_in(events: list[Event]) -> list[tuple[str, str | None, str]]:
    starts = [event for event in events if isinstance(event, ToolCallStart)]
    arguments = [event.arguments for event in events if isinstance(event, ToolCallDelta)]
    assert len(starts) == len(arguments) == sum(isinstance(e, ToolCallEnd) for e in events)
    return [
        (start.name, start.namespace, text) for start, text in zip(starts, arguments, strict=True)
    ]


def test_text_around_calls_is_kept() -> None:
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
def test_custom_tool_gets_its_text(body: object) -> None:
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
def test_invalid_call_stays_text(text: str) -> None:
    events = read(f"a\n{text}\nb") if not text.endswith(("\n", FENCE)) else read(f"a\n{text}")
    assert calls_in(events) == []
    assert text.strip() in text_in(events)


@given(
    st.lists(st.sampled_from([LS, "text", "\n", "`", "```", "``` ", FENCE, "é", block("{"), FENCE[:9]]), max_size=6)
    .map("".join),
    st.lists(st.integers(0, 200), max_size=6),
)  # fmt: skip
def test_any_split_gives_the_same_events(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    split = read(*(text[a:b] for a, b in itertools.pairwise(edges)))
    assert calls_in(split) == calls_in(read(text))
    assert text_in(split) == text_in(read(text))


@given(st.text(alphabet="`cod exal-\n01", max_size=60))
def test_text_without_a_block_is_unchanged(text: str) -> None:
    assert text_in(read(f"x{text}")) == f"x{text}"


def test_block_over_the_limit_becomes_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("addons.core.cursor.tool_reader.MAX_BLOCK_LENGTH", 100)
    text = f"{FENCE}\n" + "x" * 90 + "\n" + "y" * 90 + f"\nafter\n{LS}"
    for pieces in ([text], text):
        events = read(*pieces)
        assert len(calls_in(events)) == 1
        assert text_in(events) == text.removesuffix(LS)


def test_long_block_in_small_pieces_is_read_in_linear_time() -> None:
    body = json.dumps({"name": "exec_command", "arguments": {"cmd": "x" * 1_500_000}})
    pieces = ["".join(piece) for piece in batched(body, 4)]
    start = time.process_time()
    [(_, _, arguments)] = calls_in(read(f"{FENCE}\n", *pieces, "\n```"))
    assert len(arguments) > 1_500_000
    assert text_in(read(*("\n" * 700_000), "end")) == "end"
    assert time.process_time() - start < 8


def test_calls_over_the_limit_stay_text() -> None:
    events = read(f"{LS}\n{LS}\nend", max_calls=1)
    assert len(calls_in(events)) == 1
    assert text_in(events) == f"{LS}\nend"


@pytest.mark.parametrize("blanks", [150, 190, 200, 300])
def test_blanks_around_a_fence_count_the_same_in_any_split(blanks: int) -> None:
    text = LS.replace(FENCE, " " * blanks + FENCE) + "\n" + LS.replace(FENCE, FENCE + " " * blanks)
    assert calls_in(read(*text)) == calls_in(read(text))
    assert text_in(read(*text)) == text_in(read(text))


def turn(*lines: bytes) -> tuple[CursorReader, list[Event]]:
    reader = CursorReader(CallReader(TOOLS, KEY, "seed"))
    return reader, [*reader.feed(b"".join((s.init(), *lines))), *reader.finish()]


def test_turn_with_calls_conforms_for_every_client() -> None:
    _, events = turn(
        s.text_deltas(["I look.\n", *LS, "\n"]), s.final(f"I look.\n{LS}\n"), s.result("x")
    )
    assert events[-1] == Stopped(StopReason.TOOL_CALLS)
    for client in Client:
        last = check(Emitter("resp_1", 1, "m", {}, client).emit(events))
        assert [item["type"] for item in last["response"]["output"]] == ["message", "function_call"]


def test_block_does_not_span_a_cursor_tool() -> None:
    _, events = turn(s.delta(f"{FENCE}\n"), s.tool("1"), s.delta('{"name":1}\n```'), s.result("x"))
    assert calls_in(events) == []
    assert FENCE in text_in(events)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("shell", {"success": {}}),
        ("shell", {"failure": {"exitCode": 1}}),
        ("shell", {"timeout": {}}),
        ("shell", {}),
        ("mcp", {"success": {}}),
        ("somethingNew", {"success": {}}),
    ],
)
def test_action_of_cursor_ends_the_turn(kind: str, outcome: dict[str, object]) -> None:
    ran = s.started("1", kind, command="rm x") + s.completed("1", kind, outcome)
    _, events = turn(ran, s.delta(LS), s.result("x"))
    assert isinstance(events[-1], Failed)
    assert "acted by itself" in events[-1].problem.message
    assert calls_in(events) == []


@pytest.mark.parametrize(
    "rest",
    [
        s.delta(f"{LS}\n") + s.completed("1", "shell", {"rejected": {}}) + s.result("x"),
        s.delta("done") + s.result("x"),
    ],
)
def test_no_call_is_emitted_while_cursor_may_be_acting(rest: bytes) -> None:
    _, events = turn(s.started("1", "shell", command="rm x"), rest)
    assert isinstance(events[-1], Failed)
    assert "rm x" in events[-1].problem.message
    assert calls_in(events) == []


@pytest.mark.parametrize("refusal", ["rejected", "error", "permissionDenied", "spawnError"])
def test_read_or_refused_cursor_tool_does_not_end_the_turn(refusal: str) -> None:
    refused = s.started("1", "shell", command="x") + s.completed("1", "shell", {refusal: {}})
    reader, events = turn(refused, s.tool("2", path="a"), s.delta(LS), s.result("x"))
    assert len(calls_in(events)) == 1
    assert events[-1] == Stopped(StopReason.TOOL_CALLS)
    assert not reader.acted


@pytest.mark.parametrize("kind", ["read", "shell"])
def test_cursor_tool_after_a_call_ends_the_turn_with_the_call(kind: str) -> None:
    late = s.started("1", kind, path="a") + s.completed("1", kind, {"success": {}})
    _, events = turn(s.delta(f"{LS}\n"), late, s.delta(LS), s.result("x"))
    assert len(calls_in(events)) == 1
    assert events[-1] == Stopped(StopReason.TOOL_CALLS)
    assert [isinstance(event, Stopped | Failed) for event in events].count(True) == 1


STEPS = st.sampled_from(
    [
        s.delta(LS), s.delta(f"{LS}\n"), s.delta(f"{FENCE}\n"), s.delta("```\n"), s.delta("text"), s.flush("text"),
        s.final(LS), s.started("1", "shell"), s.completed("1", "shell", {"success": {}}), s.result(LS),
        s.completed("1", "shell", {"rejected": {}}), s.tool("2"), s.started("3", "read"), b"\n", s.thinking("t"),
    ]
)  # fmt: skip


@given(st.lists(STEPS, max_size=10))
def test_codex_and_cursor_never_both_act_and_the_turn_ends_once(steps: list[bytes]) -> None:
    reader, events = turn(*steps)
    assert [isinstance(event, Stopped | Failed) for event in events].count(True) == 1
    assert isinstance(events[-1], Stopped | Failed)
    for client in Client:
        check(Emitter("resp_1", 1, "m", {}, client).emit(events))
    ran = s.completed("1", "shell", {"success": {}})
    earlier = steps[: steps.index(ran)] if ran in steps else steps
    if ran in steps and s.result(LS) not in earlier and isinstance(events[-1], Stopped):
        assert calls_in(events), "only a call may end the turn before Cursor acts"
    assert not reader.acted
