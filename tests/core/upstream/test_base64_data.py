"""One spelling of base64: the same as by the ways that look at each character, for any text."""

from __future__ import annotations

import base64
import binascii

from hypothesis import example, given
from hypothesis import strategies as st

from addons.core.upstream.base64_data import (
    bytes_of,
    is_base64,
    padded,
    plain_base64,
    plain_base64_of,
)

TEXTS = st.text(st.sampled_from("AZaz09+/-_== \n\t\r\x0b\x0c\x1c\x1f\x85\xa0é\u2003%!"))


def by_character(text: str) -> str:
    return "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")


def decoded(plain: bytes) -> bytes | None:
    try:
        return base64.b64decode(padded(plain), validate=True)
    except binascii.Error:
        return None


@given(TEXTS)
@example("QUJD\n\x1cREVG==")
@example("QQ")
@example("Q")
@example("QQ=Q")
@example("")
def test_text_and_bytes_have_the_spelling_and_validity_of_the_slow_way(text: str) -> None:
    plain = plain_base64(text)
    assert plain == by_character(text).encode()
    data = text.encode()
    slow = b"".join(data.split()).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    assert plain_base64_of(data) == slow
    for each in (plain, slow):
        whole = decoded(each)
        assert is_base64(each) == (whole is not None)
        if whole is not None:
            assert bytes_of(each) == whole
            assert bytes_of(each, 4) == whole[:3]


def test_lone_surrogate_is_no_base64() -> None:
    assert not is_base64(plain_base64("QUJD\udc80"))
