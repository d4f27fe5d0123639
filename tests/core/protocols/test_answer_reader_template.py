"""Templates of delta events. Invariant: the events equal those of a reader without templates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from addons.core.protocols import answer_reader
from addons.core.protocols.answer_reader import AnswerReader, DeltaTemplate
from addons.core.protocols.canonical.events import Event, ReasoningDelta, TextDelta, TextDone
from addons.core.protocols.chat.reader import ChatReader
from addons.core.protocols.messages.reader import MessagesReader
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.protocols.responses.stream_translator import StreamTranslator
from addons.core.protocols.sse import parse_block
from addons.core.protocols.translator import EventReader
from tests.core.protocols.chat import streams as chat_streams
from tests.core.protocols.messages.samples import TARGET
from tests.core.protocols.messages.streams import CONVERSATION, closed, delta, opened, start

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
def test_texts_are_those_of_the_first_blocks_that_match(raw: list[str]) -> None:
    template = learned(block("a"), TextDelta("a"))
    assert template is not None
    blocks = [BEFORE + b'"' + text.encode() + b'"' + AFTER for text in raw]
    deltas = takewhile(bool, map(template.match, blocks))
    assert template.texts(blocks) == [delta.text for delta in deltas if delta]


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


TAILS = st.sampled_from(
    [b"", b"\n", b": ping\n\n", b"data: [DONE]\n\n", BEFORE, block("cut"), block("") + b"\n\n"]
)


@given(
    st.lists(RAW.map("".join) | TEXTS.map(lambda text: orjson.dumps(text)[1:-1].decode())), TAILS
)
@example(["a", "b"], b"")
@example(["a", "b", 'c","d'], b"")
def test_read_is_the_texts_of_its_first_blocks_and_the_rest(raw: list[str], tail: bytes) -> None:
    template = learned(block("a"), TextDelta("a"))
    assert template is not None
    blocks = [BEFORE + b'"' + text.encode() + b'"' + AFTER for text in raw]
    texts, rest = template.texts_of_read(b"".join(each + b"\n\n" for each in blocks) + tail)
    assert [template.match(each) for each in blocks[: len(texts)]] == list(map(TextDelta, texts))
    assert rest == b"".join(each + b"\n\n" for each in blocks[len(texts) :]) + tail


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


class EventsOnly:
    """A reader that gives each text as an event."""

    def __init__(self, reader: AnswerReader) -> None:
        self.feed, self.finish, self._reader = reader.feed, reader.finish, reader

    @property
    def awaits_end(self) -> bool:
        return self._reader.awaits_end


def translated(reader: EventReader, reads: list[bytes]) -> list[object]:
    """Return what each read gives: bytes, quotes and state."""
    stream = StreamTranslator(reader, Emitter("resp_1", 1, "m", {}, Client.CODEX), lambda _: None)
    found = [
        (stream.feed(data), stream.take_quotes(), stream.awaits_end, stream.terminal)
        for data in reads
    ]
    return [*found, stream.finish(), stream.take_quotes()]


@given(
    st.lists(st.lists(CHUNKS, max_size=3) | PIECES.map(lambda text: [chunk(delta={"content": text})] * 12), max_size=8),
    st.lists(st.integers(0, 5000), max_size=5),
    st.sampled_from([1 << 20, 150]),
)  # fmt: skip
def test_texts_without_events_give_the_same_stream(
    parts: list[list[bytes]], places: list[int], limit: int
) -> None:
    end = [chunk(delta={}, finish_reason="stop"), b"data: [DONE]\n\n"]
    data = b"".join(each for part in [*parts, end] for each in part)
    cuts = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    reads = [data[start:stop] for start, stop in pairwise(cuts)]
    conversation, target = chat_streams.EMPTY, chat_streams.target()
    plain = translated(EventsOnly(ChatReader(conversation, target, limit)), reads)
    assert translated(ChatReader(conversation, target, limit), reads) == plain


def words(count: int) -> list[str]:
    return [f"word {number} " for number in range(count)]


PARTS = pytest.mark.parametrize("part", [1, 7, 1000], ids=["one a read", "several", "all at once"])


def parsed(reader: AnswerReader, blocks: list[bytes], part: int) -> int:
    """Read these blocks, that many a read. Return how many of them were parsed."""
    with patch.object(answer_reader, "parse_block", side_effect=parse_block) as parse:
        for at in range(0, len(blocks), part):
            reader.feed(b"".join(blocks[at : at + part]))
    # the form that is learnt is tried once
    return parse.call_count - 1


@PARTS
@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning"])
def test_long_chat_answer_uses_the_template(field: str, part: int) -> None:
    role, end = chunk(delta={"role": "assistant"}), chunk(delta={}, finish_reason="stop")
    texts = [chunk(delta={field: word}) for word in words(200)]
    reader = ChatReader(chat_streams.EMPTY, chat_streams.target())
    assert parsed(reader, [role, *texts, end], part) == 3


@PARTS
def test_long_messages_answer_uses_the_template(part: int) -> None:
    texts = [delta(0, "text_delta", text=word) for word in words(200)]
    reader = MessagesReader(CONVERSATION, TARGET)
    blocks = [start(), opened(0, "text", text=""), *texts, closed(0)]
    assert parsed(reader, blocks, part) == 4


def test_text_with_a_marker_ends_the_run_of_a_read() -> None:
    texts = [*words(100), "a [ b", *words(100)]
    reader = ChatReader(chat_streams.EMPTY, chat_streams.target())
    read = reader.feed(b"".join(chunk(delta={"content": text}) for text in texts))
    assert read == [TextDelta(text) for text in texts]


@pytest.mark.parametrize("between", [0, 1, 2, 5, 10])
def test_blocks_behind_a_marker_are_not_looked_at_many_times(between: int) -> None:
    """Source code, which is full of brackets, took up to three times as long in a read of many blocks."""
    texts = ["a [ b", *words(between)] * (400 // (between + 1))
    blocks = [chunk(delta={"content": text}) for text in texts]
    reader = ChatReader(chat_streams.EMPTY, chat_streams.target())
    looked_at = 0
    read_alike = reader._read_alike

    def counted(some: Sequence[bytes]) -> Sequence[TextDelta | ReasoningDelta]:
        nonlocal looked_at
        looked_at += len(some)
        return read_alike(some)

    with patch.object(ChatReader, "_read_alike", staticmethod(counted)):
        reader.feed(b"".join(blocks))
    assert looked_at <= 2.5 * len(blocks)


def test_block_of_another_form_is_compared_once() -> None:
    texts = [chunk(delta={"content": text}) for text in words(5)]
    blocks = [chunk(delta={"role": "assistant"}), *texts, chunk(delta={}, finish_reason="stop")]
    reader = ChatReader(chat_streams.EMPTY, chat_streams.target())
    with patch.object(DeltaTemplate, "_text", return_value="") as compared:
        reader.feed(b"".join(blocks))
    # the texts of a run are read at once, and what ends it is parsed
    assert not compared.called


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
