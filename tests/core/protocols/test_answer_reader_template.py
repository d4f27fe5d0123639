"""Templates of delta events. Invariant: the events equal those of a reader without templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.answer_reader import DeltaTemplate
from addons.core.protocols.canonical.events import Event, ReasoningDelta, TextDelta, TextDone
from addons.core.protocols.messages.reader import MessagesReader
from tests.core.protocols.chat import streams as chat_streams
from tests.core.protocols.messages.samples import TARGET
from tests.core.protocols.messages.streams import CONVERSATION, delta, opened, start

BEFORE, AFTER = b'data: {"id":"c","choices":[{"delta":{"content":', b"}}]}"


def block(text: str) -> bytes:
    return BEFORE + orjson.dumps(text) + AFTER


def content(value: Any) -> object:
    found: object = value["choices"][0]["delta"]["content"]
    return found


def learned(data: bytes, *meaning: Event) -> DeltaTemplate | None:
    return DeltaTemplate.learn(data, meaning, content)


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)


@given(TEXTS, TEXTS)
def test_next_text_is_read(first: str, second: str) -> None:
    template = learned(block(first), TextDelta(first))
    assert template is None or template.match(block(second)) == TextDelta(second)


RAW = st.lists(st.sampled_from(['"', ",", "\\", "\n", "[", "]", "{", "}", "a", " "]), max_size=6)


@given(st.lists(RAW.map("".join) | TEXTS.map(lambda text: orjson.dumps(text)[1:-1].decode())))
def test_texts_are_those_of_the_single_blocks(raw: list[str]) -> None:
    template = learned(block("a"), TextDelta("a"))
    assert template is not None
    blocks = [BEFORE + b'"' + text.encode() + b'"' + AFTER for text in raw]
    deltas = [delta for one in blocks if (delta := template.match(one))]
    expected = [delta.text for delta in deltas] if len(deltas) == len(blocks) else []
    assert template.texts(blocks) == expected


@pytest.mark.parametrize(
    "raw",
    [
        ['a","b', "c"],
        ["a\\", "b"],
        ['a","b', "c\\", "d"],
        ['a",["b', "c", 'd"],"e'],
        ['a"', '"b'],
        ['a",{"b":"c"},"d', "e"],
        ["", "a"],
    ],
)
def test_text_cannot_join_or_split_the_texts_of_other_blocks(raw: list[str]) -> None:
    template = learned(block("a"), TextDelta("a"))
    assert template is not None
    assert template.texts([BEFORE + b'"' + text.encode() + b'"' + AFTER for text in raw]) == []


def test_kind_of_the_delta_is_kept() -> None:
    template = learned(block("a"), ReasoningDelta("a"))
    assert template is not None
    assert template.match(block("b\n")) == ReasoningDelta("b\n")


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
def test_other_form_does_not_match(data: bytes) -> None:
    template = learned(block("first"), TextDelta("first"))
    assert template is not None
    assert template.match(data) is None


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
def test_ambiguous_block_is_not_learned(data: bytes, meaning: Sequence[Event]) -> None:
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
def test_chat_stream_without_templates_gives_the_same_events(
    chunks: list[bytes], replay: bool
) -> None:
    profile = chat_streams.target().profile
    if replay:
        profile = type(profile)(replay_field="reasoning_content")
    stream = b"".join((*chunks, chunk(delta={}, finish_reason="stop"), b"data: [DONE]\n\n"))
    quick = chat_streams.read(stream, profile=profile)
    with patch.object(DeltaTemplate, "learn", lambda *_: None):
        assert chat_streams.read(stream, profile=profile) == quick


@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning"])
def test_long_chat_answer_uses_the_template(field: str) -> None:
    stream = b"".join(chunk(delta={field: f"word {n} "}) for n in range(9))
    with patch.object(
        DeltaTemplate, "match", autospec=True, side_effect=DeltaTemplate.match
    ) as match:
        chat_streams.read(stream)
    assert match.call_count == 8


def test_long_messages_answer_uses_the_template() -> None:
    pieces = (delta(0, "text_delta", text=f"word {n} ") for n in range(9))
    stream = b"".join((start(), opened(0, "text", text=""), *pieces))
    with patch.object(
        DeltaTemplate, "match", autospec=True, side_effect=DeltaTemplate.match
    ) as match:
        MessagesReader(CONVERSATION, TARGET).feed(stream)
    assert match.call_count == 8


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
def test_messages_stream_without_templates_gives_the_same_events(events: list[bytes]) -> None:
    stream = b"".join((start(), opened(0, "text", text=""), *events))

    def read() -> list[Event]:
        reader = MessagesReader(CONVERSATION, TARGET)
        return [*reader.feed(stream), *reader.finish()]

    quick = read()
    with patch.object(DeltaTemplate, "learn", lambda *_: None):
        assert read() == quick
