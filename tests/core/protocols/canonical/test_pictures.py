"""Types and sizes of pictures, by headers that are written here from the specifications."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.pictures import (
    GIF,
    JPEG,
    PNG,
    WEBP,
    is_other_format,
    media_type,
    pixel_size,
    relabelled,
)
from tests.core.protocols.canonical.picture_files import gif, jpeg, png, vp8, vp8l, vp8x

SIDES = st.integers(1, 16_383)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (png(1, 1), PNG),
        (jpeg(1, 1), JPEG),
        (gif(1, 1), GIF),
        (vp8(1, 1), WEBP),
        (b"RIFF....AVI ", ""),
        (b"<svg/>", ""),
        (b"", ""),
    ],
)
def test_type_is_that_of_the_bytes(data: bytes, kind: str) -> None:
    assert media_type(data) == kind


@given(SIDES, SIDES)
def test_size_is_read_from_each_header(width: int, height: int) -> None:
    for write in (png, jpeg, gif, vp8, vp8l, vp8x):
        assert pixel_size(write(width, height)) == (width, height), write.__name__


def test_size_of_a_jpeg_is_found_behind_its_metadata() -> None:
    exif = b"\xff\xe1" + struct.pack(">H", 60_002) + bytes(60_000)
    data = jpeg(640, 480)
    assert pixel_size(data[:2] + exif + b"\xff" + data[2:]) == (640, 480)


@given(st.binary(max_size=60))
def test_any_bytes_have_a_size_or_none(data: bytes) -> None:
    starts = (png(1, 1)[:16], jpeg(1, 1)[:4], gif(1, 1)[:6], vp8(1, 1)[:16], vp8x(1, 1)[:16])
    for start in starts:
        size = pixel_size(start + data)
        assert size is None or len(size) == 2


@pytest.mark.parametrize("write", [png, jpeg, gif, vp8, vp8l, vp8x])
def test_cut_header_has_no_size(write: object) -> None:
    assert callable(write)
    for end in range(10):
        assert pixel_size(write(300, 200)[:end]) is None


@pytest.mark.parametrize(
    ("data", "other"),
    [
        (b"BM\x00\x00", True),
        (b"%PDF-1.7", True),
        (b" <svg xmlns=", True),
        (b"\x00\x00\x00 ftypheic", True),
        (b"II*\x00", True),
        (png(1, 1), False),
        (jpeg(1, 1), False),
        (b"hi", False),
    ],
)
def test_other_formats_are_known(data: bytes, other: bool) -> None:
    assert is_other_format(data) is other


@pytest.mark.parametrize("label", ["image/jpeg", "image/jpg", "", "application/octet-stream"])
def test_label_of_a_data_url_follows_the_bytes(label: str) -> None:
    data = base64.b64encode(png(3, 2)).decode()
    assert relabelled(f"data:{label};base64,{data}") == f"data:image/png;base64,{data}"


@pytest.mark.parametrize(
    "url",
    [
        "https://a.test/b.png",
        "data:image/png;base64,aGk=",
        "data:image/png;base64,%%%",
        "data:image/png,raw",
        "data:image/png;base64,",
        "",
    ],
)
def test_other_urls_stay_as_they_are(url: str) -> None:
    assert relabelled(url) == url


def test_right_label_stays_as_it_is() -> None:
    url = f"data:image/png;base64,{base64.b64encode(png(3, 2)).decode()}"
    assert relabelled(url) == url
