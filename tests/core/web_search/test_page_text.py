"""The text of pages."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.web_search.call import PageRequest
from addons.core.web_search.page_text import MAX_CHARACTERS, html_text, page_view, plain_text

HTML = """<html><head><title>Title</title><style>p{}</style></head><body><script>evil()</script>
<h1>Head&amp;line</h1><p>One  <b>two</b>
three <a href="/x?y=1">link</a> <a href="#top">up</a> <a href="javascript:x()">no</a></p><ul><li>a<li>b</ul></body>"""


def test_readable_text_and_links_of_a_page() -> None:
    text = html_text(HTML, "https://a.example/dir/")
    assert text == (
        "Title\nHead&line\n\nOne two three link (https://a.example/x?y=1) up no\n\na\nb"
    )


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert "\n\n\n" not in html_text(text, "https://a.example/")
    assert "\n\n\n" not in plain_text(text)
    assert page_view(text, PageRequest("u", 5, ""), 50)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<!-- <b>no</b> --->b", "ab"),
        ("a<!-- no", "a"),
        ("a<!doctype html><?xml?>b", "ab"),
        ("1 < 2 &lt; 3", "1 < 2 < 3"),
        ("a<script>'<p>' </scripts></SCRIPT >b", "ab"),
        ("a<svg><svg>no</svg>no</svg>b", "ab"),
        ("a<style>no", "a"),
        ("a<a href", "a"),
        ("<a title='>' href=/x>y</a>", "y (https://a.example/x)"),
        ("<a title=\"see href='/no'\" href='/a&amp;b'>y</a>", "y (https://a.example/a&b)"),
        ('<a href="/x>y</a>', 'y (https://a.example/"/x)'),
        ("<a href='http://[x'>y</a>", "y"),
        (f"<a href='/{'x' * 9000}'>y</a>", "y"),
    ],
)
def test_page_is_read_as_by_a_browser(html: str, text: str) -> None:
    assert html_text(html, "https://a.example/") == text


REPEATED: Mapping[str, str] = {
    "begin": '<a "',
    "attribute": '<a href="',
    "comment": "<!--",
    "instruction": "<?",
    "end": "</",
    "nested": "<svg></p>",
    "link": "<a href=x></a>",
}


@pytest.mark.parametrize("part", REPEATED.values(), ids=REPEATED)
def test_hostile_page_is_read_within_seconds(part: str) -> None:
    html, begin = part * (1_000_000 // len(part)), time.monotonic()
    text = html_text(html, f"https://a.example/{'x' * 1500}/")
    assert len(text) < MAX_CHARACTERS + 3000
    # the parser of the standard library takes hours
    assert time.monotonic() - begin < 20


def test_page_is_shown_from_a_line_on() -> None:
    text = "\n".join(f"row {number}" for number in range(300))
    view = page_view(text, PageRequest("u", 10), 10_000)
    assert view.startswith("Lines 10 to 209 of 300:\nL10: row 10\n")
    assert page_view(text, PageRequest("u", 999), 100).startswith("Lines 299 to 299 of 300:")
    assert len(page_view(text, PageRequest("u"), 50)) < 100


def test_long_line_is_broken() -> None:
    assert "\nL1: " in page_view("x" * 300, PageRequest("u"), 1000)


def test_places_of_a_text() -> None:
    text = "zero\none\nTwo\nthree\nfour\nfive"
    view = page_view(text, PageRequest("u", pattern="two"), 1000)
    assert view == '"two" is in 1 of 6 lines:\nL0: zero\nL1: one\nL2: Two\nL3: three\nL4: four'
    assert "is not on the page, which has 6 lines" in page_view(text, PageRequest("u", pattern="x9"), 99)  # fmt: skip
