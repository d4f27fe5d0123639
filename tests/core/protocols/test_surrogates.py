from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.events import Event, Failed, Stopped, TextDelta, ToolCallDelta
from addons.core.protocols.surrogates import SurrogateJoiner
from tests.core.protocols.chat import streams as chat_streams
from tests.core.protocols.messages import streams as messages_streams
from tests.quirks.chat_quirks import stop


def event(**fields: object) -> bytes:
    """Return an event as JavaScript writes it: surrogates are escaped alone."""
    return f"data: {json.dumps(fields)}\n\n".encode()


def chat_text(piece: str) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": piece}, "finish_reason": None}])


def chat_call(piece: str) -> bytes:
    call = {"index": 1, "id": "c", "function": {"name": "f", "arguments": piece}}
    return event(choices=[{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}])


def messages_text(piece: str) -> bytes:
    return event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": piece})


def text_of(events: list[Event]) -> str:
    assert isinstance(events[-1], Stopped), events
    return "".join(one.text for one in events if isinstance(one, TextDelta))


def units(text: str, cuts: list[int]) -> list[str]:
    """Return the text split between UTF-16 code units."""
    packed = text.encode("utf-16-le")
    edges = [0, *sorted(min(2 * cut, len(packed)) for cut in cuts), len(packed)]
    return [packed[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(edges)]


TEXTS = st.text(st.sampled_from('a\u00e9\U00010000\U0010ffff\U0001f600\n"\\'), max_size=12)  # fmt: skip


@given(TEXTS, st.lists(st.integers(0, 24), max_size=8))
def test_split_surrogate_pairs_are_joined(text: str, cuts: list[int]) -> None:
    pieces = units(text, cuts)
    chat = b"".join(map(chat_text, pieces)) + stop()
    assert text_of(chat_streams.read(chat)) == text
    messages = messages_streams.start() + messages_streams.opened(0, "text", text="")
    messages += b"".join(map(messages_text, pieces)) + messages_streams.end()
    assert text_of(messages_streams.read(messages)) == text


@given(TEXTS, st.lists(st.integers(0, 24), max_size=8))
def test_split_surrogate_pairs_in_arguments_are_joined(text: str, cuts: list[int]) -> None:
    whole = json.dumps({"cmd": text}, ensure_ascii=False)
    sent = b"".join(map(chat_call, units(whole, cuts))) + stop("tool_calls")
    events = chat_streams.read(sent)
    assert isinstance(events[-1], Stopped)
    arguments = "".join(one.arguments for one in events if isinstance(one, ToolCallDelta))
    assert json.loads(arguments) == {"cmd": text}


def test_surrogates_are_joined_by_index_else_by_position() -> None:
    joiner = SurrogateJoiner()
    assert joiner.loads(b'[{"index": 1, "a": "\\ud83d"}, "x\\ud83d"]') == [
        {"index": 1, "a": ""},
        "x",
    ]
    assert joiner.loads(b'[{"index": 0, "a": "\\ude00"}, "\\ude00"]') == [
        {"index": 0, "a": "\ufffd"},
        "\U0001f600",
    ]
    assert joiner.loads(b'[0, 0, {"index": 1, "a": "\\ude00!"}]') == [
        0,
        0,
        {"index": 1, "a": "\U0001f600!"},
    ]


def test_lone_surrogate_in_a_key_is_replaced() -> None:
    assert SurrogateJoiner().loads(b'{"a\\ud83d": 1}') == {"a\ufffd": 1}
    assert SurrogateJoiner().loads(b'{"a": 1}') is None


@pytest.mark.parametrize("half", ["\ud83d!", "!\ude00", "\ude00\ud83d!"])
def test_lone_surrogate_is_replaced(half: str) -> None:
    text = text_of(chat_streams.read(chat_text(half) + chat_text("ok") + stop()))
    assert text.endswith("ok")
    assert "\ufffd" in text
    text.encode()


@given(st.binary(max_size=40) | st.just(b'{"a": "\\ud83d"} x') | st.just(b"[" * 9000 + b'"\\ud83d'))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    SurrogateJoiner().loads(data)


def test_invalid_json_with_a_surrogate_fails() -> None:
    [last] = chat_streams.read(b'data: {"choices": "\\ud83d\n\n')
    assert isinstance(last, Failed)
    assert last.problem.code == "upstream_protocol"
