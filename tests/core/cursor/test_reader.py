"""Events of a child's output: text once, tools as progress, exactly one end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.lines import control_line
from addons.core.cursor.reader import CursorReader, usage_of
from addons.core.errors import Problem
from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    ReasoningDelta,
    Stopped,
    StopReason,
    TextDelta,
    TextDone,
    UsageSeen,
)
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.usage import Usage
from tests.conformance import check
from tests.core.cursor import streams as s

END = Stopped(StopReason.END)
WHOLE = (
    s.init() + s.echo() + s.thinking("Reading ") + s.thinking("files") + s.THOUGHT
    + s.text_deltas(["I", " look"]) + s.flush("I look") + s.tool("c\n1", path="a.py")
    + s.text_deltas(["It is é", " fine"]) + s.final("It is é fine") + s.result("I lookIt is é fine", usage=s.USAGE)
)  # fmt: skip


def read(*reads: bytes, finish: bool = True) -> list[Event]:
    reader = CursorReader()
    events = [event for data in reads for event in reader.feed(data)]
    return [*events, *(reader.finish() if finish else ())]


def segments(events: list[Event]) -> list[str]:
    texts, current = [], ""
    for event in events:
        if isinstance(event, TextDelta):
            current += event.text
        elif isinstance(event, TextDone | Stopped) and current:
            texts.append(current)
            current = ""
    return texts


def thoughts(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def failed(events: list[Event]) -> Problem:
    assert isinstance(events[-1], Failed)
    return events[-1].problem


TRAPS = ["1", "10", "100", "ha", "ha"]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (s.text_deltas(TRAPS) + s.final("".join(TRAPS)), ["110100haha"]),
        # the final event holds the last segment, or the whole answer
        (s.text_deltas("ab") + s.flush("ab") + s.tool("1") + s.text_deltas("cd") + s.final("cd"), ["ab", "cd"]),
        (s.text_deltas("ab") + s.flush("ab") + s.tool("1") + s.text_deltas("cd") + s.final("abcd"), ["ab", "cd"]),
        # the same text after a tool is new
        (s.text_deltas("ab") + s.flush("ab") + s.tool("1") + s.text_deltas("ab") + s.final("ab"), ["ab", "ab"]),
        # nothing after the tool: the final event repeats earlier text
        (s.text_deltas("ab") + s.flush("ab") + s.tool("1") + s.final("ab"), ["ab"]),
        # the final event joins the segments by line feeds
        (s.text_deltas("ab") + s.flush("ab") + s.tool("1") + s.text_deltas("cd") + s.flush("cd", "m-1") + s.tool("2") + s.final("ab\ncd"), ["ab", "cd"]),
        (s.text_deltas("ab") + s.flush("ab") + s.tool("1") + s.text_deltas("cd") + s.flush("cd", "m-1") + s.tool("2") + s.final("ab\n\ncd"), ["ab", "cd"]),
        (s.text_deltas("ab") + s.flush("ab") + s.tool("1") + s.text_deltas("cd") + s.flush("cd", "m-1") + s.tool("2") + s.final("ab cd"), ["ab", "cd", "ab cd"]),
        # two tools in one model call: the text is flushed before each
        (s.text_deltas("ab") + s.flush("ab") + s.tool("1") + s.flush("ab") + s.tool("2") + s.text_deltas("c"), ["ab", "c"]),
        # no flush before the tool
        (s.text_deltas("ab") + s.tool("1") + s.text_deltas("cd") + s.final("cd"), ["ab", "cd"]),
        # a child without partial output
        (s.flush("ab", "m-1") + s.tool("1") + s.final("cd"), ["ab", "cd"]),
        (s.final("ab") + s.tool("1") + s.final("ab"), ["ab", "ab"]),
        # one segment of many came without deltas
        (s.text_deltas("ab") + s.flush("ab") + s.tool("1") + s.flush("xy", "m-2") + s.tool("2") + s.text_deltas("c"), ["ab", "xy", "c"]),
        (b"", ["all"]),
    ],
)  # fmt: skip
def test_text_is_emitted_once(stream: bytes, expected: list[str]) -> None:
    events = read(s.init() + stream + s.result("all"))
    assert segments(events) == expected
    assert events[-1] == END


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=12))
def test_deltas_join_to_the_whole_text(deltas: list[str]) -> None:
    whole = "".join(deltas)
    assert (
        "".join(segments(read(s.init() + s.text_deltas(deltas) + s.final(whole) + s.result(whole))))
        == whole
    )


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_any_split_gives_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WHOLE)]
    assert read(*(WHOLE[a:b] for a, b in itertools.pairwise(edges))) == read(WHOLE)


@given(st.integers(0, len(WHOLE) - 1))
def test_truncated_stream_is_not_a_complete_answer(length: int) -> None:
    events = read(WHOLE[:length])
    ends = [event for event in events if isinstance(event, Failed | Stopped)]
    assert len(ends) == 1
    # only the line feed of the result may be missing
    assert isinstance(ends[0], Failed) or length == len(WHOLE) - 1


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_end_the_turn_once(reads: list[bytes]) -> None:
    events = read(*reads)
    assert [isinstance(event, Failed | Stopped) for event in events].count(True) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["type", "message", "content", "text", "tool_call", "readToolCall", "args", "result",
                         "success", "error", "rejected", "function", "tool", "case", "usage", "path"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(
    st.sampled_from(["system", "assistant", "tool_call", "thinking", "result", "user", "interaction_query"]),
    st.sampled_from(["init", "started", "completed", "delta", "success", "error"]),
    st.tuples(JSON, JSON, JSON, JSON),
)  # fmt: skip
def test_any_event_shape_ends_the_turn_once(
    kind: str, subtype: str, shapes: tuple[object, ...]
) -> None:
    message, call, outcome, text = shapes
    event = {
        "type": kind,
        "subtype": subtype,
        "message": message,
        "tool_call": call,
        "result": outcome,
        "text": text,
    }
    events = read(s.init() + s.line(event))
    Emitter("resp_1", 1, "m", {}, Client.CODEX).emit(events)
    assert isinstance(events[-1], Failed | Stopped)


def test_complete_turn_conforms_for_every_client() -> None:
    for client in Client:
        emitter = Emitter("resp_1", 1, "composer-2-5", {}, client)
        last = check(emitter.emit(read(WHOLE)))
        kinds = [item["type"] for item in last["response"]["output"]]
        assert kinds == ["reasoning", "message", "reasoning", "message"]
        assert last["response"]["usage"]["input_tokens"] == 105


def test_cursor_tools_become_reasoning_and_never_calls() -> None:
    events = read(
        s.init()
        + s.started("1", "shell", command="npm\n test")
        + s.started("2", "edit", path="a.py")
        + s.completed("1", "shell", {"success": {"exitCode": 1}}, command="npm test")
        + s.completed("2", "edit", {"success": {"linesAdded": 3, "linesRemoved": 1}}, path="a.py")
        + s.completed("3", "shell", {"rejected": {"reason": "not allowed"}}, command="rm x")
        + s.completed("4", "read", {"error": {"error": "no such file"}}, path="b")
        + s.line({"type": "tool_call", "subtype": "started", "call_id": "5",
                  "tool_call": {"function": {"name": "lookup", "arguments": "{}"}}})
        + s.line({"type": "tool_call", "subtype": "started", "call_id": "6",
                  "tool_call": {"tool": {"case": "shellToolCall", "value": {"args": {"command": "ls"}}}}})
        + s.delta("done") + s.result("done")
    )  # fmt: skip
    shown = thoughts(events)
    assert "**Running npm test**" in shown
    assert "**Running npm test** → exit code 1" in shown
    assert "**Editing a.py** → +3 -1" in shown
    assert "refused by Cursor's policy: not allowed" in shown
    assert "failed: no such file" in shown
    assert "Using lookup" in shown
    assert "**Running ls**" in shown
    assert {type(event).__name__ for event in events} == {
        "ReasoningDelta", "ReasoningDone", "TextDelta", "TextDone", "Stopped",
    }  # fmt: skip


def test_character_split_into_two_deltas_is_joined() -> None:
    first = s.delta("ok X").replace(b"X", b"\\ud83d")
    second = s.delta("X!").replace(b"X", b"\\ude00")
    assert segments(read(s.init() + first + second + s.result("x"))) == ["ok 😀!"]


def test_non_event_lines_are_skipped() -> None:
    broken = s.delta("caf\xe9").replace("é".encode(), b"\xe9")
    noise = b'garbage\n\xff\xfe\n{"type":\n[1]\n\n{"type":"interaction_query"}\n{"no":"type"}\n{"type":["x"]}\n'
    prefixed = b"stdout: " + s.delta("b")
    events = read(s.init() + noise + broken + prefixed + s.result("x"))
    assert segments(events) == ["caf�b"]


def test_huge_line_is_read() -> None:
    huge = s.completed(
        "1", "edit", {"success": {"afterFullFileContent": "x" * 5_000_000}}, path="a"
    )
    assert segments(read(s.init() + huge + s.delta("ok") + s.result("ok"))) == ["ok"]


@pytest.mark.parametrize("source", ["env", "flag", "", None])
def test_foreign_credential_ends_the_turn(source: str | None) -> None:
    events = read(s.init(source) + s.delta("billed") + s.result("billed"))  # type: ignore[arg-type]
    assert "not your login" in failed(events).message
    assert len(events) == 1


@pytest.mark.parametrize(
    "first", [s.delta("a"), s.thinking("a"), s.started("1", "read"), s.result("a")]
)
def test_billed_event_before_init_ends_the_turn(first: bytes) -> None:
    events = read(s.echo() + first + s.init() + s.delta("b") + s.result("b"))
    assert "not your login" in failed(events).message
    assert len(events) == 1


def test_failed_result_before_init_is_classified() -> None:
    events = read(s.result("Error: [unauthenticated] Error", is_error=True))
    assert failed(events).type == "authentication_error"


def test_control_line_ends_the_turn_with_its_problem() -> None:
    problem = Problem(401, "invalid_prompt", "log in", "authentication_error")
    assert read(s.init() + s.delta("a") + control_line(problem) + s.delta("b"))[1:] == [
        Failed(problem)
    ]


def test_child_cannot_write_a_control_line_inside_an_event() -> None:
    assert segments(read(s.init() + s.delta('!{"status":1}\n!') + s.result("x"))) == [
        '!{"status":1}\n!'
    ]


def test_failed_result_is_an_error_and_never_text() -> None:
    events = read(s.init() + s.result("You've hit your usage limit. Resets 9/1", is_error=True))
    assert failed(events).type == "insufficient_quota"
    assert "9/1" in failed(events).message
    assert segments(events) == []


def test_failure_after_an_action_is_final() -> None:
    problem = Problem(429, "rate_limit_exceeded", "try again in 1s")
    acting = s.init() + s.started("1", "shell", command="x")
    assert failed(read(acting + control_line(problem))).code == "invalid_prompt"
    assert "begun to act" in failed(read(acting + control_line(problem))).message
    harmless = s.init() + s.tool("1", path="x")
    assert failed(read(harmless + control_line(problem))) == problem


def test_empty_result_is_a_failure() -> None:
    assert "without an answer" in failed(read(s.init() + s.result(""))).message


def test_notes_are_emitted_first_as_reasoning() -> None:
    reader = CursorReader(notes=["left out 3 parts"])
    events = [*reader.feed(b"\n"), *reader.feed(s.init() + s.delta("a") + s.result("a"))]
    assert thoughts(events) == "codex-shim: left out 3 parts"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (s.USAGE, Usage(105, 30, 9, 0, 114)),
        ({"inputTokens": 1, "outputTokens": 2}, Usage(1, 0, 2, 0, 3)),
        ({"inputTokens": 0, "outputTokens": 0}, Usage(0, 0, 0, 0, 0)),
        ({"inputTokens": -1, "outputTokens": 2}, None),
        ({"inputTokens": 1}, None),
        ({"inputTokens": "1", "outputTokens": 2}, None),
        ({"inputTokens": True, "outputTokens": 2}, None),
        (None, None),
    ],
)
def test_usage_is_emitted_when_complete(value: object, expected: Usage | None) -> None:
    assert usage_of(value) == expected
    events = read(s.init() + s.result("x", usage=value))
    assert [event.usage for event in events if isinstance(event, UsageSeen)] == (
        [expected] if expected else []
    )
