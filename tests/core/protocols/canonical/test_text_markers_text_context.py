"""What surrounds a place in a streaming text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.text_markers import TextContext


def after(*pieces: str) -> tuple[bool, bool, bool]:
    """Return what is true after the text: in code, in a line, behind a word."""
    context = TextContext()
    for piece in pieces:
        context.add(piece)
    return context.in_code, context.in_line, context.belongs_to_text("<|im_end|>")


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", (False, False, False)),
        ("a", (False, True, False)),
        ("a ", (False, True, True)),
        ("a. ", (False, True, False)),
        ("a\n", (False, False, False)),
        ("a `b", (True, True, False)),
        ("a `b` ", (False, True, False)),
        ("```\nb", (True, True, False)),
        ("```\nb\n```\n", (False, False, False)),
        ("> ~~~ x\n", (True, False, False)),
    ],
)
def test_place_is_known(text: str, state: tuple[bool, bool, bool]) -> None:
    assert after(text) == state


@given(st.text("a `\n~.", max_size=40))
def test_any_split_gives_the_same(text: str) -> None:
    assert after(*text) == after(text)


def test_closing_tag_of_struck_text_is_no_end_token() -> None:
    context = TextContext()
    for letter in "a <s>b":
        context.add(letter)
    assert context.belongs_to_text("</s>")
    assert not context.belongs_to_text("<|im_end|>")
