"""A page of text: bounds, outlines, control characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.views.page import (
    BLOCK_CHARACTERS,
    PAGE_CHARACTERS,
    Block,
    Page,
    clipped,
    outlined,
    visible,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def test_value_is_shown_as_an_outline() -> None:
    value = {"cmd": "ls\npwd", "n": 1, "list": [1, {"a": None}], "empty": {}}

    assert list(outlined(value)) == [
        "cmd: |",
        "  ls",
        "  pwd",
        "n: 1",
        "list:",
        "  - 1",
        "  -",
        "    a: null",
        "empty: {}",
    ]


def test_number_of_members_is_limited() -> None:
    lines = list(outlined(list(range(1000))))

    assert len(lines) == 201
    assert lines[-1] == "… 800 more"


def test_depth_is_limited() -> None:
    value: object = 1
    for _ in range(5000):
        value = [value]

    assert list(outlined(value))[-1].strip() == "…"


def test_page_is_bounded_and_names_the_cut() -> None:
    page = Page()
    for _ in range(100):
        page.block(Block("TEXT", "x" * BLOCK_CHARACTERS))

    assert page.full
    assert len(page.text()) <= PAGE_CHARACTERS + 100
    assert page.text().endswith("the rest is omitted: see the raw view")


def test_value_in_a_block_is_bounded() -> None:
    page = Page()
    page.block(Block("CALL", value={str(n): "x" * 10_000 for n in range(100)}))

    assert len(page.text()) < 2 * BLOCK_CHARACTERS


def test_folded_block_shows_both_ends() -> None:
    page = Page()
    page.block(Block("SYSTEM", "BEGIN" + "x" * 5000 + "END", folded=True))

    assert "BEGIN" in page.text()
    assert "END" in page.text()
    assert "4,408 characters omitted" in page.text()


@pytest.mark.parametrize("control", ["\x1b[31m", "\x00", "\x9b", "\u202e", "\u2028", "\ud800"])
def test_control_character_is_replaced(control: str) -> None:
    assert control[0] not in visible(f"a{control}b")


def test_line_ends_become_line_feeds() -> None:
    assert visible("a\r\nb\rc\td") == "a\nb\nc\td"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_clipped_text_keeps_its_ends(text: str, limit: int) -> None:
    short = clipped(text, limit)

    assert short == text or len(short) <= limit + 80
    assert short[:1] == text[:1] or limit == 1


@given(JSON, st.integers(min_value=0, max_value=300))
def test_any_value_fits_on_a_page(value: object, limit: int) -> None:
    page = Page(limit)
    page.outline(value)

    assert len(page.text()) <= limit + 50
