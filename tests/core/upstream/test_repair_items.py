"""Items that a refusal is about: the named one, the newest, or the oldest of too many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from addons.core.upstream.refusal import read_refusal
from addons.core.upstream.repair_items import (
    any_picture,
    oldest_pictures,
    picture_digest,
    refused_pictures,
    refused_reasoning,
    refused_steps,
)
from addons.core.upstream.sent import Change, Sent
from tests.core.upstream.test_traits import TARGET

URLS = [f"https://a.test/{number}.png" for number in range(6)]


def body(*groups: list[str]) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}} for url in urls]}
            for urls in groups
        ]
    }  # fmt: skip


def pictures(words: str, *groups: list[str]) -> list[Change]:
    return list(refused_pictures(read_refusal(400, words.encode()), Sent(TARGET, body(*groups))))


def digests(*urls: str) -> tuple[str, ...]:
    return tuple(picture_digest(url) for url in urls)


@pytest.mark.parametrize(
    ("words", "urls"),
    [
        ("messages.1.content.0: invalid image", URLS[2:3]),
        ("messages[0].content[1].image_url: invalid base64", URLS[1:2]),
        ("messages.1: could not process image", URLS[2:4]),
        ("image #2 is corrupt", URLS[1:2]),
        ("invalid image at index 2", URLS[2:3]),
        ("could not process image", URLS[3:4]),
    ],
)
def test_named_picture_or_the_newest_becomes_a_note(words: str, urls: list[str]) -> None:
    assert pictures(words, URLS[:2], URLS[2:4])[0].items == digests(*urls)


def test_all_pictures_follow_when_the_newest_was_not_the_one() -> None:
    found = pictures("could not process image", URLS[:2], URLS[2:4])
    assert [len(change.items) for change in found] == [1, 4]


def test_half_of_the_allowed_number_stays() -> None:
    [change] = pictures("too many images: at most 4 are allowed", URLS)
    assert change.items == digests(*URLS[:4])


def test_request_without_pictures_is_not_changed() -> None:
    assert pictures("could not process image") == []


def test_details_of_a_chat_upstream_are_left_out() -> None:
    sent = Sent(TARGET, {"messages": [{"role": "assistant", "reasoning_details": []}]})
    [change] = refused_reasoning(read_refusal(400, b"invalid signature"), sent)
    assert change.traits == (("omit:messages.*.reasoning_details", True),)


def test_picture_whose_address_is_quoted_is_the_one_that_goes() -> None:
    refusal = read_refusal(400, f"could not fetch {URLS[1]} as an image".encode())
    first, *_ = refused_pictures(refusal, Sent(TARGET, body(URLS)))
    assert first.items == (picture_digest(URLS[1]),)


def test_guess_does_not_contradict_the_row() -> None:
    refusal, sent = read_refusal(400, b"image?"), Sent(TARGET, body(URLS))
    assert [len(one.items) for one in any_picture(refusal, sent)] == [1, 6]
    row = replace(TARGET, row_fields={"images": "no_image_support"})
    assert not list(any_picture(refusal, Sent(row, sent.body)))


def test_request_without_pictures_or_items_has_none_to_leave_out() -> None:
    refusal, sent = read_refusal(413, b"input[0].id image"), Sent(TARGET, {"messages": "odd"})
    for propose in (any_picture, oldest_pictures, refused_pictures, refused_steps):
        assert not list(propose(refusal, sent))
