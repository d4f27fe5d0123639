from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.translate.events import Event, Failed, Stopped, TextDelta, ToolCallDelta
from addons.core.wire.halves import Halves
from tests.core.wire import chat_streams, messages_streams
from tests.quirks.chat_quirks import stop


def event(**fields: object) -> bytes:
    """An event as JavaScript writes it: halves of characters are escapes."""
    return f"data: {json.dumps(fields)}\n\n".encode()


def chat_text(piece: str) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": piece}, "finish_reason": None}])


def chat_call(piece: str) -> bytes:
    call = {"index": 1, "id": "c", "function": {"name": "f", "arguments": piece}}
    return event(choices=[{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}])


def messages_text(piece: str) -> bytes:
    return event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": piece})


def said(events: list[Event]) -> str:
    assert isinstance(events[-1], Stopped), events
    return "".join(one.text for one in events if isinstance(one, TextDelta))


def units(text: str, cuts: list[int]) -> list[str]:
    """The text, cut between UTF-16 units."""
    packed = text.encode("utf-16-le")
    edges = [0, *sorted(min(2 * cut, len(packed)) for cut in cuts), len(packed)]
    return [packed[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(edges)]


TEXTS = st.text(st.sampled_from('a\u00e9\U00010000\U0010ffff\U0001f600\n"\\'), max_size=12)  # fmt: skip


@given(TEXTS, st.lists(st.integers(0, 24), max_size=8))
def test_characters_that_are_cut_in_two_are_whole_again(text: str, cuts: list[int]) -> None:
    pieces = units(text, cuts)
    chat = b"".join(map(chat_text, pieces)) + stop()
    assert said(chat_streams.read(chat)) == text
    messages = messages_streams.start() + messages_streams.opened(0, "text", text="")
    messages += b"".join(map(messages_text, pieces)) + messages_streams.end()
    assert said(messages_streams.read(messages)) == text


@given(TEXTS, st.lists(st.integers(0, 24), max_size=8))
def test_arguments_too(text: str, cuts: list[int]) -> None:
    whole = json.dumps({"cmd": text}, ensure_ascii=False)
    sent = b"".join(map(chat_call, units(whole, cuts))) + stop("tool_calls")
    events = chat_streams.read(sent)
    assert isinstance(events[-1], Stopped)
    given_on = "".join(one.arguments for one in events if isinstance(one, ToolCallDelta))
    assert json.loads(given_on) == {"cmd": text}


def test_halves_meet_by_the_index_of_their_call_and_else_by_their_place() -> None:
    halves = Halves()
    assert halves.loads(b'[{"index": 1, "a": "\\ud83d"}, "x\\ud83d"]') == [
        {"index": 1, "a": ""},
        "x",
    ]
    assert halves.loads(b'[{"index": 0, "a": "\\ude00"}, "\\ude00"]') == [
        {"index": 0, "a": "\ufffd"},
        "\U0001f600",
    ]
    assert halves.loads(b'[0, 0, {"index": 1, "a": "\\ude00!"}]') == [
        0,
        0,
        {"index": 1, "a": "\U0001f600!"},
    ]


def test_a_key_is_whole_too_and_what_has_no_half_is_not_read() -> None:
    assert Halves().loads(b'{"a\\ud83d": 1}') == {"a\ufffd": 1}
    assert Halves().loads(b'{"a": 1}') is None


@pytest.mark.parametrize("half", ["\ud83d!", "!\ude00", "\ude00\ud83d!"])
def test_a_half_that_stays_alone_is_replaced(half: str) -> None:
    text = said(chat_streams.read(chat_text(half) + chat_text("ok") + stop()))
    assert text.endswith("ok")
    assert "\ufffd" in text
    text.encode()


@given(st.binary(max_size=40) | st.just(b'{"a": "\\ud83d"} x') | st.just(b"[" * 9000 + b'"\\ud83d'))
def test_nothing_makes_it_raise(data: bytes) -> None:
    Halves().loads(data)


def test_what_is_no_json_for_other_reasons_fails_as_ever() -> None:
    [last] = chat_streams.read(b'data: {"choices": "\\ud83d\n\n')
    assert isinstance(last, Failed)
    assert last.problem.code == "upstream_protocol"
