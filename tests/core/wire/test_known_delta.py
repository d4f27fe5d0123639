"""Deltas that are read by their form. Invariant: what comes out is what reading each event in full gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.translate.events import Event, ReasoningDelta, TextDelta, TextDone
from addons.core.wire.known_delta import KnownDelta
from addons.core.wire.messages import MessagesReader
from tests.core.translate.messages_samples import TARGET
from tests.core.wire import chat_streams
from tests.core.wire.messages_streams import ASKED, delta, opened, start

BEFORE, AFTER = b'data: {"id":"c","choices":[{"delta":{"content":', b"}}]}"


def block(text: str) -> bytes:
    return BEFORE + orjson.dumps(text) + AFTER


def content(value: Any) -> object:
    found: object = value["choices"][0]["delta"]["content"]
    return found


def learned(data: bytes, *meaning: Event) -> KnownDelta | None:
    return KnownDelta.of(data, meaning, content)


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)


@given(TEXTS, TEXTS)
def test_the_next_text_is_read(first: str, second: str) -> None:
    known = learned(block(first), TextDelta(first))
    assert known is None or known.again(block(second)) == TextDelta(second)


def test_the_kind_of_the_delta_is_kept() -> None:
    known = learned(block("a"), ReasoningDelta("a"))
    assert known is not None
    assert known.again(block("b\n")) == ReasoningDelta("b\n")


@pytest.mark.parametrize(
    "data",
    [
        BEFORE + b'"a","role":"x"' + AFTER,
        BEFORE + b'"a\nb"' + AFTER,
        BEFORE + b'"\xff"' + AFTER,
        BEFORE + b'"a\\"' + AFTER,
        BEFORE + b"null" + AFTER,
        BEFORE + b'""' + AFTER,
        BEFORE + b'"a"' + AFTER + b"\nid: 1",
        b"event: x\n" + BEFORE + b'"a"' + AFTER,
        BEFORE + b'"' + AFTER,
        b"",
    ],
)
def test_another_form_is_not_read(data: bytes) -> None:
    known = learned(block("first"), TextDelta("first"))
    assert known is not None
    assert known.again(data) is None


@pytest.mark.parametrize(
    ("data", "meaning"),
    [
        (block("a"), ()),
        (block("a"), (TextDelta("a"), TextDelta("b"))),
        (block("a"), (TextDone(),)),
        (block("c"), (TextDelta("c"),)),
        (b'data: {"content":"a","choices":[{"delta":{"content":"\\u0061"}}]}', (TextDelta("a"),)),
        (b'data: {"x":"a"}', (TextDelta("a"),)),
        (b'data: {"choices":[]}', (TextDelta("choices"),)),
        (b'data: {"choices":"a"}', (TextDelta("a"),)),
        (b'data: {"choices":[{"delta":\ndata: {"content":"a"}}]}', (TextDelta("a"),)),
        (b'id: "a"\ndata: {"choices":[{"delta":{"content":"b"}}]}', (TextDelta("a"),)),
    ],
)
def test_what_may_mean_something_else_is_not_learned(data: bytes, meaning: Sequence[Event]) -> None:
    assert learned(data, *meaning) is None


def chunk(**fields: Any) -> bytes:
    return b"data: %b\n\n" % orjson.dumps({"id": "c", "choices": [{"index": 0, **fields}]})


PIECES = st.sampled_from(["a", "b", 'say "hi"', "line\n", "\\", "é", "日本", "c", "delta"])
CHUNKS = st.one_of(
    st.builds(lambda text: chunk(delta={"content": text}), PIECES),
    st.builds(lambda text: chunk(delta={"content": text}), PIECES),
    st.builds(lambda text: chunk(delta={"reasoning_content": text}), PIECES),
    st.builds(lambda text: chunk(delta={"reasoning": text, "content": ""}), PIECES),
    st.builds(lambda text: chunk(delta={"content": text, "refusal": text}), PIECES),
    st.builds(lambda text: chunk(delta={"content": [{"text": text}]}), PIECES),
    st.builds(lambda text: chunk(delta={"content": text}, finish_reason="stop"), PIECES),
    st.builds(lambda text: chunk(delta={"content": text}, logprobs=None), PIECES),
    st.just(chunk(delta={"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f"}}]})),
    st.just(b": ping\n\n"),
    st.just(b"data: {broken\n\n"),
)


@given(st.lists(CHUNKS, max_size=12), st.booleans())
def test_chat_streams_mean_the_same_when_read_in_full(chunks: list[bytes], replay: bool) -> None:
    profile = chat_streams.target().profile
    if replay:
        profile = type(profile)(replay_field="reasoning_content")
    stream = b"".join((*chunks, chunk(delta={}, finish_reason="stop"), b"data: [DONE]\n\n"))
    quick = chat_streams.read(stream, profile=profile)
    with patch.object(KnownDelta, "of", lambda *_: None):
        assert chat_streams.read(stream, profile=profile) == quick


@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning"])
def test_a_long_chat_answer_is_read_by_its_form(field: str) -> None:
    stream = b"".join(chunk(delta={field: f"word {n} "}) for n in range(9))
    with patch.object(KnownDelta, "again", autospec=True, side_effect=KnownDelta.again) as again:
        chat_streams.read(stream)
    assert again.call_count == 8


def test_a_long_answer_of_the_messages_protocol_is_read_by_its_form() -> None:
    pieces = (delta(0, "text_delta", text=f"word {n} ") for n in range(9))
    stream = b"".join((start(), opened(0, "text", text=""), *pieces))
    with patch.object(KnownDelta, "again", autospec=True, side_effect=KnownDelta.again) as again:
        MessagesReader(ASKED, TARGET).feed(stream)
    assert again.call_count == 8


MESSAGE_EVENTS = st.one_of(
    st.builds(lambda text: delta(0, "text_delta", text=text), PIECES),
    st.builds(lambda text: delta(0, "text_delta", text=text), PIECES),
    st.builds(lambda text: delta(1, "text_delta", text=text), PIECES),
    st.builds(lambda text: delta(2, "thinking_delta", thinking=text), PIECES),
    st.builds(lambda text: delta(3, "input_json_delta", partial_json=text), PIECES),
    st.just(opened(2, "thinking", thinking="")),
    st.just(opened(3, "tool_use", id="t", name="shell", input={})),
    st.just(b'event: ping\ndata: {"type":"ping"}\n\n'),
)


@given(st.lists(MESSAGE_EVENTS, max_size=12))
def test_messages_streams_mean_the_same_when_read_in_full(events: list[bytes]) -> None:
    stream = b"".join((start(), opened(0, "text", text=""), *events))

    def read() -> list[Event]:
        reader = MessagesReader(ASKED, TARGET)
        return [*reader.feed(stream), *reader.finish()]

    quick = read()
    with patch.object(KnownDelta, "of", lambda *_: None):
        assert read() == quick
