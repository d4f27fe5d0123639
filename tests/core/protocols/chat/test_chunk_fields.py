"""Fields of a chat completions answer besides text, reasoning and calls: passed on, or noted as omitted."""

from __future__ import annotations

from typing import Any

import pytest

from addons.core.protocols.canonical.events import (
    Citation,
    Omitted,
    ReasoningDelta,
    ReasoningDone,
    Stopped,
    StopReason,
    TextDelta,
)
from tests.core.protocols.chat.streams import read
from tests.quirks.chat_quirks import chunk, data, stop, text

SITE = {"url": "https://a.example", "title": "A", "start_index": 1, "end_index": 3}
CITED = {"type": "url_citation", "url_citation": SITE}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
END = Stopped(StopReason.END)


def omitted(*chunks: bytes) -> list[str]:
    return [one.what for one in read(*chunks, stop()) if isinstance(one, Omitted)]


def test_citation_follows_its_text() -> None:
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
def test_citation_needs_only_a_url(given: dict[str, Any], read_as: Citation) -> None:
    flat = {"type": "url_citation", **given}
    for form in ({"type": "url_citation", "url_citation": given}, flat):
        assert read_as in read(text("x"), chunk({"annotations": [form]}), stop())


def test_repeated_citation_counts_once() -> None:
    events = read(text("a"), *[chunk({"annotations": [CITED]})] * 2, stop())
    assert sum(isinstance(event, Citation) for event in events) == 1


def test_annotations_after_the_stop_reason_do_not_continue_the_answer() -> None:
    events = read(text("a", "stop"), chunk({"annotations": [CITED], "images": [PICTURE]}))
    assert events[-1] == END
    assert any(isinstance(event, Citation) for event in events)


def test_unknown_annotation_is_noted() -> None:
    other = {"type": "file_citation", "file_id": "f"}
    assert omitted(text("a"), chunk({"annotations": [other, "odd"]})) == [
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
def test_image_is_noted_once_and_not_passed_on(delta: dict[str, Any]) -> None:
    events = read(text("Here: "), chunk(delta), chunk(delta), stop())
    (missing,) = [event for event in events if isinstance(event, Omitted)]
    assert missing.what == "a picture in the answer"
    assert "picture" in missing.note
    assert events.index(missing) > events.index(TextDelta("Here: "))
    assert "iVBOR" not in str(events)


def test_audio_is_noted_and_its_transcript_is_passed_on() -> None:
    parts = ({"id": "a1", "transcript": "Hel"}, {"data": "AAAA"}, {"transcript": "lo"})
    events = read(*(chunk({"audio": part}) for part in parts), stop())
    words = [event.text for event in events if isinstance(event, TextDelta)]
    assert words == ["Hel", "lo"]
    (missing,) = [event for event in events if isinstance(event, Omitted)]
    assert missing.what == "sound in the answer"
    assert missing.note == "[The answer contains sound, which codex-shim cannot pass on.]"
    assert "AAAA" not in str(events)


def test_document_is_read_like_a_stream() -> None:
    message = {"role": "assistant", "content": "see", "annotations": [CITED], "images": [PICTURE]}
    body = data({"choices": [{"message": message, "finish_reason": "stop"}]})
    events = read(body.removeprefix(b"data: "))
    assert [type(event) for event in events] == [TextDelta, Citation, Omitted, Stopped]


def test_reasoning_ends_before_an_omitted_part() -> None:
    events = read(chunk({"reasoning": "hm"}), chunk({"images": [PICTURE]}), stop())
    assert [type(event) for event in events[:3]] == [ReasoningDelta, ReasoningDone, Omitted]


def test_unknown_field_is_noted_once() -> None:
    assert omitted(*[chunk({"content": "a", "executed\n": [{"x": 1}]})] * 3) == [
        "field 'executed?' in the answer"
    ]
    assert not any(one.note for one in read(chunk({"odd": 1}), stop()) if isinstance(one, Omitted))


@pytest.mark.parametrize("value", [None, "", [], {}, False, 0])
def test_empty_field_is_not_noted(value: object) -> None:
    assert omitted(chunk({"content": "a", "odd": value, "images": value, "audio": value})) == []


@pytest.mark.parametrize(
    "name",
    [
        "channel", "created", "finish_reason", "id", "index", "logprobs", "model", "name", "object", "obfuscation", "padding",
        "provider_specific_fields", "role", "sender_name", "sender_type", "stop_reason", "token_ids", "type", "usage",
    ],
)  # fmt: skip
def test_metadata_field_is_not_noted(name: str) -> None:
    assert omitted(chunk({"content": "a", name: "x"})) == []


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
def test_content_field_is_not_noted(name: str, value: object) -> None:
    assert omitted(chunk({name: value})) == []


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
def test_part_without_text_is_noted(kind: str, what: str) -> None:
    part = {"type": kind, "data": "AAAA"}
    for content in (part, [part], [[part], {"type": "text", "text": "a"}]):
        assert omitted(chunk({"content": content})) == [what]


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
def test_part_with_text_is_not_noted(part: object) -> None:
    assert omitted(chunk({"content": [part]})) == []


def test_number_of_noted_fields_is_limited() -> None:
    found = omitted(*(chunk({f"field_{number}": 1}) for number in range(20)))
    assert found == [f"field 'field_{number}' in the answer" for number in range(8)]


def test_length_of_a_noted_field_is_limited() -> None:
    assert omitted(chunk({"x" * 50: 1})) == [f"field '{'x' * 40}' in the answer"]


@pytest.mark.parametrize("inner", [b'"x"', b'{"type":"image"}', b'{"text":"x"}'])
@pytest.mark.parametrize(
    ("around", "behind", "depth"),
    [(b"[", b"]", 1_000), (b'{"text":', b"}", 1_000), (b'[{"text":', b"}]", 500)],
)
def test_deeply_nested_content_does_not_raise(
    around: bytes, behind: bytes, depth: int, inner: bytes
) -> None:
    content = around * depth + inner + behind * depth
    assert (
        read(b'data: {"choices":[{"delta":{"content":' + content + b"}}]}\n\n", stop())[-1] == END
    )
