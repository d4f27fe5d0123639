"""The content of an answer, independent of its protocol."""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.json_values import JsonObject
from addons.core.usage import Usage
from addons.views.answer import AnswerContent, write_content
from addons.views.page import Block, Page


class Reader:
    """A reader with given content."""

    def __init__(self) -> None:
        self.content = AnswerContent()

    def event(self, event: JsonObject, name: str) -> None:
        raise NotImplementedError

    def blocks(self) -> Iterator[Block]:
        return self.content.blocks()


def test_text_with_the_same_title_is_joined() -> None:
    content = AnswerContent()
    for title, text in (("A", "1"), ("A", "2"), ("B", "3"), ("B", ""), ("A", "4")):
        content.add_text(title, text)
    assert list(content.blocks()) == [Block("A", "12"), Block("B", "3"), Block("A", "4")]


def test_calls_are_joined_by_key_and_keep_the_longer_title() -> None:
    content = AnswerContent()
    content.add_call(0, "CALL", '{"x":')
    content.add_text("TEXT", "between")
    content.add_call(1, "CALL b", "no JSON")
    content.add_call(0, "CALL a · c1", "1}")
    content.add_call(0, "CALL", "")
    assert list(content.blocks()) == [
        Block("CALL a · c1", '{"x":1}', {"x": 1}),
        Block("TEXT", "between"),
        Block("CALL b", "no JSON"),
    ]


def test_page_has_facts_blocks_error_end_usage_quota_and_events() -> None:
    reader = Reader()
    content = reader.content
    content.facts["id"] = "r\n1"
    content.add_text("TEXT", "hello")
    content.error = {"code": "x"}
    content.ended = "stop"
    content.usage = Usage(10, 0, 2, 0, 12)
    content.quota.append("primary: 42 % used")
    content.events.update({"a": 2, "b": 1})
    page = Page()
    write_content(page, reader)
    assert page.text() == (
        "id: r 1\n\nTEXT\n  hello\n\nERROR\n  code: x\n\nENDED: stop\n"
        "  usage: in 10 · out 2\n  quota: primary: 42 % used\n  events: a 2, b 1"
    )


def test_missing_end_is_named() -> None:
    page = Page()
    write_content(page, Reader())
    assert "ENDED: without a terminal event" in page.text()
