"""Escapes are resolved however often a text was escaped, and a long run of backslashes is read once."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.masking.echoes import unescaped

WORD = "Zq7-Lk.W"


@pytest.mark.parametrize(
    "escaped",
    [
        "".join(f"\\u{ord(c):04x}" for c in WORD),
        "".join(f"\\\\\\u{{{ord(c):x}}}" for c in WORD),
        "".join(f"\\x{ord(c):02X}" for c in WORD),
        "".join(f"\\{ord(c):03o}" for c in WORD),
        "".join(f"%{ord(c):02x}" for c in WORD),
        quote("".join(f"%{ord(c):02x}" for c in WORD)),
        "".join(f"%u00{ord(c):02x}" for c in WORD),
        "".join(f"&#{ord(c)};" for c in WORD),
        "".join(f"&#x{ord(c):04x};" for c in WORD),
        ", ".join(f"0x{ord(c):02x}" for c in WORD),
    ],
)
def test_escaped_word_is_found(escaped: str) -> None:
    plain = unescaped(escaped.encode()).decode()
    assert plain.translate(str.maketrans("", "", ";}, ")) == WORD


def test_named_characters_and_line_ends_are_left_out() -> None:
    assert unescaped(html.escape('a"b<c').encode()) == b"abc"
    assert unescaped(json.dumps("a\n\tb").encode()) == b'"ab"'


@given(st.text("abc XYZ,.(){}[]-+_=", max_size=60))
def test_text_without_an_escape_is_the_same_object(text: str) -> None:
    data = text.encode()
    assert unescaped(data) is data


def test_long_run_of_backslashes_is_read_once() -> None:
    run = b"\\" * 300_000
    assert unescaped(run + b"u0041 " + run) == b"A " + run
