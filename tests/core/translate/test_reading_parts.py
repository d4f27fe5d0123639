"""The parts of an item's content, in every form that clients give them."""

from __future__ import annotations

import pytest

from addons.core.translate.conversation import (
    Image,
    Text,
    User,
)
from tests.core.translate.test_reading import conversation, refused, says
from tests.histories import PNG


@pytest.mark.parametrize(
    "kind", ["input_text", "output_text", "text", "summary_text", "reasoning_text"]
)
def test_a_text_has_many_types(kind: str) -> None:
    assert conversation(says("user", {"type": kind, "text": "t"})).items == (User((Text("t"),)),)


@pytest.mark.parametrize("media", ["text/css", "application/json", "application/xml", "application/yaml", "application/x-sh"])  # fmt: skip
def test_these_files_are_text(media: str) -> None:
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
def test_looser_forms_of_parts_are_read(part: object, items: tuple[object, ...]) -> None:
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
def test_text_of_a_file_is_read_in_each_form(data: str, text: str) -> None:
    for name in ("a.txt", None):
        file = {"type": "input_file", "filename": name, "file_data": data}
        shown = f'<file name="{name or ""}">\n{text}\n</file>'
        assert conversation(says("user", file)).items == (User((Text(shown),)),)


@pytest.mark.parametrize(
    "data",
    [
        "data:image/png;base64,aGk=",
        "data:text/plain;base64,AGE=",
        "AGE=",
        "data:text/plain;base64,/w==",
    ],
)
def test_bytes_are_no_text(data: str) -> None:
    assert "not text" in refused(says("user", {"type": "input_file", "file_data": data}))
