"""The parts of an item's content, in every form that clients send."""

from __future__ import annotations

import pytest

from addons.core.protocols.canonical.conversation import (
    Image,
    Text,
    User,
)
from tests.core.protocols.responses.test_request import conversation, says
from tests.histories import PNG


@pytest.mark.parametrize(
    "kind", ["input_text", "output_text", "text", "summary_text", "reasoning_text"]
)
def test_text_part_types(kind: str) -> None:
    assert conversation(says("user", {"type": kind, "text": "t"})).items == (User((Text("t"),)),)


@pytest.mark.parametrize("media", ["text/css", "application/json", "application/xml", "application/yaml", "application/x-sh"])  # fmt: skip
def test_text_media_types(media: str) -> None:
    file = {"type": "input_file", "filename": "f", "file_data": f"data:{media};base64,aGk="}
    assert conversation(says("user", file)).items == (
        User((Text('<file name="f">\nhi\n</file>'),)),
    )


@pytest.mark.parametrize(
    ("part", "items"),
    [
        ("t", (User((Text("t"),)),)),
        ({"type": "image_url", "image_url": {"url": PNG}}, (User((Image(PNG),)),)),
        ({"type": "input_image", "image_url": {"url": PNG, "detail": "low"}, "detail": "high"}, (User((Image(PNG, "high"),)),)),
        ({"type": "input_image", "image_url": PNG, "detail": 3}, (User((Image(PNG),)),)),
    ],
)  # fmt: skip
def test_loose_forms_of_parts_are_read(part: object, items: tuple[object, ...]) -> None:
    assert conversation(says("user", part)).items == items


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("data:text/plain;base64,aGk=", "hi"),
        ("data:text/plain,h%20i", "h i"),
        ("data:,hi", "hi"),
        ("data:TEXT/markdown;charset=utf-8;base64,aGk=", "hi"),
        ("data:application/json;base64,e30=", "{}"),
        ("aGk=", "hi"),
    ],
)
def test_text_of_a_file_is_read_in_every_form(data: str, text: str) -> None:
    for name in ("a.txt", None):
        file = {"type": "input_file", "filename": name, "file_data": data}
        shown = f'<file name="{name or ""}">\n{text}\n</file>'
        assert conversation(says("user", file)).items == (User((Text(shown),)),)


@pytest.mark.parametrize(
    "data",
    [
        "data:application/pdf;base64,JVBERi0xLjc=",
        "data:text/plain;base64,AGE=",
        "AGE=",
        "data:text/plain;base64,/w==",
    ],
)
def test_binary_file_becomes_a_note(data: str) -> None:
    file = {"type": "input_file", "filename": "a.pdf", "file_data": data}
    (item,) = conversation(says("user", {"type": "input_text", "text": "read"}, file)).items
    assert isinstance(item, User)
    assert item.parts[0] == Text("read")
    assert isinstance(item.parts[1], Text)
    assert item.parts[1].text.startswith("[a file was left out, a.pdf: it is no text")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "input_file", "file_id": "file_1"}, "a file was left out, without a name"),
        ({"type": "input_file", "file_url": "https://a.test/a.pdf"}, "a file was left out"),
        ({"type": "input_image", "file_id": "file_1"}, "an image was left out"),
    ],
)
def test_mere_reference_becomes_a_note(part: dict[str, str], words: str) -> None:
    (item,) = conversation(says("user", part)).items
    assert isinstance(item, User)
    assert isinstance(item.parts[0], Text)
    assert words in item.parts[0].text


def test_picture_sent_as_a_file_is_a_picture() -> None:
    url = "data:image/png;base64,aGk="
    items = conversation(says("user", {"type": "input_file", "file_data": url})).items
    assert items == (User((Image(url),)),)
