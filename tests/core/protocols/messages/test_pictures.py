"""Pictures that the messages API would refuse: each becomes a note, and the thread goes on."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.conversation import (
    Assistant,
    Call,
    Image,
    Item,
    Output,
    Text,
    User,
)
from addons.core.protocols.canonical.turns import group_turns
from addons.core.protocols.messages.blocks import write_messages
from addons.core.protocols.messages.pictures import NOT_HTTPS, OLDER, TOO_WIDE, UNREADABLE
from tests.core.protocols.canonical.picture_files import jpeg, png, vp8
from tests.core.protocols.messages.samples import target
from tests.strict.messages import validate

SMALL, WIDE = png(800, 600), png(2001, 10)


def url(data: bytes, label: str = "image/png") -> str:
    return f"data:{label};base64,{base64.b64encode(data).decode()}"


def written(items: list[Item]) -> list[dict[str, Any]]:
    return write_messages(group_turns(items), target()).messages


def blocks(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all blocks, those inside results in place of the results."""
    return [
        inner
        for message in messages
        for block in message["content"]
        for inner in (block["content"] if block["type"] == "tool_result" else [block])
    ]


def kept(messages: list[dict[str, Any]]) -> list[bool]:
    """Return for each picture of the history, oldest first, whether it is sent."""
    notes = {"type": "text", "text": OLDER}
    return [one["type"] == "image" for one in blocks(messages) if one["type"] == "image" or one == notes]  # fmt: skip


def faults(messages: list[dict[str, Any]]) -> list[str]:
    return validate({"model": "m", "max_tokens": 9, "messages": messages, "tools": TOOLS})


TOOLS = [{"name": "see", "input_schema": {"type": "object"}}]


def seen(number: int, data: bytes) -> list[Item]:
    return [Call(f"c{number}", "see", "{}"), Output(f"c{number}", (Image(url(data)),))]


@pytest.mark.parametrize(
    ("data", "label", "kind"),
    [
        (png(1, 1), "image/jpeg", "image/png"),
        (jpeg(1, 1), "image/png", "image/jpeg"),
        (vp8(1, 1), "image/gif", "image/webp"),
        (png(1, 1), "application/octet-stream", "image/png"),
    ],
)
def test_media_type_is_that_of_the_bytes(data: bytes, label: str, kind: str) -> None:
    (block,) = blocks(written([User((Image(url(data, label)),))]))
    assert block["source"]["media_type"] == kind


@pytest.mark.parametrize(
    ("address", "note"),
    [
        (url(b"<svg/>", "image/svg+xml"), UNREADABLE),
        (url(b"<svg/>", "image/png"), UNREADABLE),
        (url(b"BM12", "image/bmp"), UNREADABLE),
        (url(b"\x00\x00\x00 ftypheic", "image/heic"), UNREADABLE),
        (url(b"?", "application/pdf"), UNREADABLE),
        (url(png(8001, 1)), TOO_WIDE),
        (url(png(1, 8001)), TOO_WIDE),
        ("http://a.test/b.png", NOT_HTTPS),
        ("file:///b.png", NOT_HTTPS),
    ],
)
def test_picture_that_can_never_be_sent_is_a_note(address: str, note: str) -> None:
    assert blocks(written([User((Image(address),))])) == [{"type": "text", "text": note}]


def test_twenty_wide_pictures_are_all_sent() -> None:
    messages = written([part for number in range(20) for part in seen(number, WIDE)])
    assert kept(messages) == [True] * 20
    assert faults(messages) == []


def test_oldest_pictures_are_notes_from_the_twenty_first_wide_one_on() -> None:
    messages = written([part for number in range(21) for part in seen(number, WIDE)])
    assert kept(messages) == [False] * 10 + [True] * 11
    assert faults(messages) == []


def test_pictures_of_moderate_size_are_sent_up_to_a_hundred() -> None:
    user: list[Item] = [User(tuple(Image(url(SMALL)) for _ in range(100)))]
    assert kept(written(user)) == [True] * 100
    assert kept(written([*user, Assistant("ok"), User((Image(url(SMALL)),))])) == [False] * 10 + [True] * 91  # fmt: skip


def test_one_wide_picture_among_many_counts() -> None:
    items: list[Item] = [User((Image(url(WIDE)),))]
    items += [part for number in range(30) for part in seen(number, SMALL)]
    assert kept(written(items)) == [False] * 10 + [True] * 21


@given(st.lists(st.sampled_from((SMALL, WIDE)), max_size=130))
def test_any_number_of_pictures_is_accepted(pictures: list[bytes]) -> None:
    items = [part for number, data in enumerate(pictures) for part in seen(number, data)]
    assert faults(written([User((Text("go"),)), *items])) == []


@given(st.lists(st.sampled_from((SMALL, WIDE)), min_size=2, max_size=60))
def test_picture_that_became_a_note_stays_a_note(pictures: list[bytes]) -> None:
    items = [part for number, data in enumerate(pictures) for part in seen(number, data)]
    before, after = (written([User((Text("go"),)), *some]) for some in (items[:-2], items))
    gone = kept(before).count(False)
    assert kept(after)[:gone] == [False] * gone
    if kept(after).count(False) == gone:
        assert after[: len(before)] == before
