"""The page of a comparison: its content, and that no text of a model is more than text."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

from addons.core.what_if.answer import Answer, Call
from addons.core.what_if.page import comparison_page
from tests.core.what_if.samples import answer, body_of, original

HOSTILE = (
    '</pre></section><script>alert(1)</script><img src=x onerror="alert(2)">'
    "<style>*{display:none}</style><a href='javascript:alert(3)'>x</a>]]>&lt;\u202eevil\u2066\x1b[2J\x00\ud800"
    '<meta http-equiv="refresh" content="0;url=https://e.x"><!-- '
)
OWN_TAGS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "details", "summary", "pre", "div", "table",
    "thead", "tbody", "tr", "th", "td", "label", "input", "section", "del", "ins",
}  # fmt: skip


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.comments = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:  # noqa: ARG002
        self.comments += 1


def hostile_page() -> str:
    bad = answer(HOSTILE, HOSTILE, label=HOSTILE, model=HOSTILE, left_out=[HOSTILE], changed=[HOSTILE])  # fmt: skip
    bad.calls = [Call(HOSTILE, HOSTILE)]
    failed = Answer(HOSTILE)
    failed.fail("failed", HOSTILE, HOSTILE)
    body = body_of(input=[{"role": "user", "content": HOSTILE.replace("\ud800", "")}])
    return comparison_page(original(body, answer(text=HOSTILE * 2)), [bad, failed, answer(text=HOSTILE + " and so on")], HOSTILE)  # fmt: skip


def test_text_of_a_model_is_never_an_element_or_an_attribute() -> None:
    page = hostile_page()
    plain = Elements(comparison_page(original(recorded=answer()), [answer()], "now"))
    elements = Elements(page)
    assert {tag for tag, _ in elements.found} <= OWN_TAGS
    assert elements.comments == 0
    assert len([tag for tag, _ in elements.found if tag in {"meta", "style", "title"}]) == len(
        [tag for tag, _ in plain.found if tag in {"meta", "style", "title"}]
    )
    values = {(tag, name, value) for tag, attrs in elements.found for name, value in attrs.items()}
    own = {(tag, name, value) for tag, attrs in plain.found for name, value in attrs.items()}
    assert values <= own | {("p", "class", "bad"), ("p", "class", "note")}
    assert not re.search("[\x00\x1b\u202e\u2066\ud800]", page)
    page.encode()


def test_page_loads_and_sends_nothing() -> None:
    page = hostile_page()
    assert not [attrs for _, attrs in Elements(page).found if attrs.keys() & {"src", "href", "action"}]  # fmt: skip
    (style,) = re.findall(r"<style>(.*?)</style>", page.partition("<body>")[0], re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page
    assert "url(" not in style
    assert "@import" not in style


def test_differences_are_marked_against_the_recorded_answer() -> None:
    page = comparison_page(
        original(recorded=answer(text="I list the files now.")),
        [answer("other", "I read the files now.", left_out=["a tool"])],
        "2026-11-30",
    )
    assert "<pre>I list the files now." in page
    assert "I <del>list </del><ins>read </ins>the files now." in page
    assert "Compared with row (recorded)" in page
    assert "not sent: a tool" in page
    assert "<summary>The last message of the request</summary><pre>hi</pre>" in page


def test_without_a_recorded_text_the_first_answer_is_compared_with() -> None:
    failed = Answer("bad")
    failed.fail("failed", "x", "the reason")
    first, second = answer("one", "same words here"), answer("two", "same words there")
    page = comparison_page(original(recorded=answer(has_text=False, text="", calls=[])), [failed, first, second], "")  # fmt: skip
    assert "Compared with one:" in page
    assert "<ins>there" in page
    assert "failed: x. the reason" in page
    alone = comparison_page(original(), [answer("one", "")], "")
    assert "Compared" not in alone
    empty = comparison_page(original(), [answer("one", "", calls=[])], "")
    assert "The answer is empty." in empty
