"""What a chat completions answer brings beside text, thinking and calls: given on, or told to be missing."""

from __future__ import annotations

from typing import Any

import pytest

from addons.core.translate.events import (
    Citation,
    LeftOut,
    ReasoningDelta,
    Stopped,
    StopReason,
    TextDelta,
)
from tests.core.wire.chat_streams import read
from tests.quirks.chat_quirks import chunk, data, stop, text

SITE = {"url": "https://a.example", "title": "A", "start_index": 1, "end_index": 3}
CITED = {"type": "url_citation", "url_citation": SITE}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
END = Stopped(StopReason.END)


def left_out(*chunks: bytes) -> list[str]:
    return [one.what for one in read(*chunks, stop()) if isinstance(one, LeftOut)]


def test_a_citation_follows_the_text_that_it_came_with() -> None:
    events = read(chunk({"content": "see", "annotations": [CITED]}), stop())
    assert events == [TextDelta("see"), Citation("https://a.example", "A", 1, 3), END]


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ({"url": "u"}, Citation("u", "", None, None)),
        ({"url": "u", "title": None, "start_index": True}, Citation("u", "", None, None)),
        ({"url": "u", "title": "t", "start_index": 2}, Citation("u", "t", 2, None)),
        ({"url": "u", "start_index": 3, "end_index": 2}, Citation("u", "", 3, 2)),
    ],
)
def test_a_citation_may_lack_all_but_its_address(given: dict[str, Any], read_as: Citation) -> None:
    flat = {"type": "url_citation", **given}
    for form in ({"type": "url_citation", "url_citation": given}, flat):
        assert read_as in read(text("x"), chunk({"annotations": [form]}), stop())


def test_a_citation_that_is_told_again_counts_once() -> None:
    events = read(text("a"), *[chunk({"annotations": [CITED]})] * 2, stop())
    assert sum(isinstance(event, Citation) for event in events) == 1


def test_annotations_behind_the_end_make_no_cut_answer() -> None:
    events = read(text("a", "stop"), chunk({"annotations": [CITED], "images": [PICTURE]}))
    assert events[-1] == END
    assert any(isinstance(event, Citation) for event in events)


def test_an_annotation_of_another_kind_is_told_to_be_missing() -> None:
    other = {"type": "file_citation", "file_id": "f"}
    assert left_out(text("a"), chunk({"annotations": [other, "odd"]})) == [
        "annotation 'file_citation' in the answer",
        "annotation '' in the answer",
    ]


@pytest.mark.parametrize(
    "delta",
    [
        {"images": [PICTURE, PICTURE]},
        {"content": [{"type": "text", "text": ""}, PICTURE]},
        {"content": {"type": "output_image", "image_url": "https://a.example/x.png"}},
        {"content": None, "image": "iVBORw0KGgo="},
    ],
)
def test_a_picture_is_told_to_be_missing_once_and_never_shown(delta: dict[str, Any]) -> None:
    events = read(text("Here: "), chunk(delta), chunk(delta), stop())
    (missing,) = [event for event in events if isinstance(event, LeftOut)]
    assert missing.what == "a picture in the answer"
    assert "picture" in missing.note
    assert events.index(missing) > events.index(TextDelta("Here: "))
    assert "iVBOR" not in str(events)


def test_sound_gives_its_words_and_is_told_to_be_missing() -> None:
    parts = ({"id": "a1", "transcript": "Hel"}, {"data": "AAAA"}, {"transcript": "lo"})
    events = read(*(chunk({"audio": part}) for part in parts), stop())
    words = [event.text for event in events if isinstance(event, TextDelta)]
    assert words == ["Hel", "lo"]
    (missing,) = [event for event in events if isinstance(event, LeftOut)]
    assert missing.what == "sound in the answer"
    assert missing.note == "[The answer holds sound, which codex-shim cannot pass on.]"
    assert "AAAA" not in str(events)


def test_a_whole_answer_is_read_alike() -> None:
    message = {"role": "assistant", "content": "see", "annotations": [CITED], "images": [PICTURE]}
    body = data({"choices": [{"message": message, "finish_reason": "stop"}]})
    events = read(body.removeprefix(b"data: "))
    assert [type(event) for event in events] == [TextDelta, Citation, LeftOut, Stopped]


def test_reasoning_ends_before_what_is_told_to_be_missing() -> None:
    events = read(chunk({"reasoning": "hm"}), chunk({"images": [PICTURE]}), stop())
    assert [type(event) for event in events[:2]] == [ReasoningDelta, LeftOut]


def test_a_field_that_nobody_knows_is_noted_by_its_name_once() -> None:
    assert left_out(*[chunk({"content": "a", "executed\n": [{"x": 1}]})] * 3) == [
        "field 'executed?' in the answer"
    ]
    assert not any(one.note for one in read(chunk({"odd": 1}), stop()) if isinstance(one, LeftOut))


@pytest.mark.parametrize("value", [None, "", [], {}, False, 0])
def test_a_field_without_a_value_says_nothing(value: object) -> None:
    assert left_out(chunk({"content": "a", "odd": value, "images": value, "audio": value})) == []


@pytest.mark.parametrize(
    "name",
    [
        "channel", "created", "finish_reason", "id", "index", "logprobs", "model", "name", "object", "obfuscation", "padding",
        "provider_specific_fields", "role", "sender_name", "sender_type", "stop_reason", "token_ids", "type", "usage",
    ],
)  # fmt: skip
def test_what_only_describes_the_answer_is_not_missing(name: str) -> None:
    assert left_out(chunk({"content": "a", name: "x"})) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content", "a"),
        ("refusal", "no"),
        ("reasoning", "hm"),
        ("reasoning_content", "hm"),
        ("reasoning_details", [{"type": "reasoning.text", "text": "hm"}]),
        ("thinking", "hm"),
        ("tool_calls", [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]),
        ("function_call", {"name": "f", "arguments": "{}"}),
    ],
)
def test_what_is_read_is_not_missing(name: str, value: object) -> None:
    assert left_out(chunk({name: value})) == []


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("image", "a picture in the answer"),
        ("image_url", "a picture in the answer"),
        ("inline_data", "a picture in the answer"),
        ("input_image", "a picture in the answer"),
        ("output_image", "a picture in the answer"),
        ("audio", "sound in the answer"),
        ("audio_url", "sound in the answer"),
        ("input_audio", "sound in the answer"),
        ("output_audio", "sound in the answer"),
        ("reference", "part 'reference' in the answer"),
    ],
)
def test_a_part_that_is_no_text_is_told_to_be_missing(kind: str, what: str) -> None:
    part = {"type": kind, "data": "AAAA"}
    for content in (part, [part], [[part], {"type": "text", "text": "a"}]):
        assert left_out(chunk({"content": content})) == [what]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "a"},
        {"type": "image", "text": "a"},
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "refusal", "refusal": "no"},
        {},
        "a",
    ],
)
def test_a_part_with_words_is_read(part: object) -> None:
    assert left_out(chunk({"content": [part]})) == []


def test_of_many_fields_the_first_are_noted() -> None:
    found = left_out(*(chunk({f"field_{number}": 1}) for number in range(20)))
    assert found == [f"field 'field_{number}' in the answer" for number in range(8)]


def test_of_a_long_name_the_beginning_is_noted() -> None:
    assert left_out(chunk({"x" * 50: 1})) == [f"field '{'x' * 40}' in the answer"]


@pytest.mark.parametrize("inner", [b'"x"', b'{"type":"image"}', b'{"text":"x"}'])
@pytest.mark.parametrize(
    ("around", "behind", "depth"),
    [(b"[", b"]", 1_000), (b'{"text":', b"}", 1_000), (b'[{"text":', b"}]", 500)],
)
def test_content_that_is_nested_without_end_does_not_raise(
    around: bytes, behind: bytes, depth: int, inner: bytes
) -> None:
    content = around * depth + inner + behind * depth
    assert (
        read(b'data: {"choices":[{"delta":{"content":' + content + b"}}]}\n\n", stop())[-1] == END
    )
