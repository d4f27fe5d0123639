"""Images as blocks of the messages protocol."""

from __future__ import annotations

import pytest

from addons.core.protocols.canonical.conversation import (
    Image,
    Output,
    Text,
    User,
)
from addons.core.protocols.messages.pictures import UNREADABLE
from tests.core.protocols.messages.samples import (
    OTHER,
    PIXEL,
    target,
)
from tests.core.protocols.messages.test_request import ASK, LS, messages, text


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (PIXEL, {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}),
        ("data:image/jpg;base64,_-8", {"type": "base64", "media_type": "image/jpeg", "data": "/+8="}),
        ("data:image/png,%89P", {"type": "base64", "media_type": "image/png", "data": "iVA="}),
        ("data:;base64,aGk=", {"type": "base64", "media_type": "image/png", "data": "aGk="}),
        ("data:IMAGE/GIF;x=y;BASE64,a G%6b", {"type": "base64", "media_type": "image/gif", "data": "aGk="}),
        ("https://a.test/b", {"type": "url", "url": "https://a.test/b"}),
    ],
)  # fmt: skip
def test_image_sources(url: str, source: dict[str, str]) -> None:
    assert messages(User((Image(url),)))[0][1] == [{"type": "image", "source": source}]


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,", "data:image/png;base64,a", "data:image/png,"]
)
def test_unreadable_image_becomes_a_note(url: str) -> None:
    (block,) = messages(User((Image(url),)))[0][1]
    assert block == text(UNREADABLE)


def test_images_of_a_tool_are_inside_its_result_or_after_all_results() -> None:
    items = (ASK, LS, Output("call_1", (Text("see"), Image(PIXEL))))
    assert [part["type"] for part in messages(*items)[2][1][0]["content"]] == ["text", "image"]
    kinds = [block["type"] for block in messages(*items, to=target(OTHER))[2][1]]
    assert kinds == ["tool_result", "text", "image"]


def test_image_becomes_a_note_for_a_model_without_images() -> None:
    (block,) = messages(User((Image(PIXEL),)), to=target(images=False))[0][1]
    assert "image was left out" in block["text"]
