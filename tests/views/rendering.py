"""Render one thing to a page, for the tests of the views."""

from __future__ import annotations

from addons.views.answers import write_answer
from addons.views.json_input import Reads
from addons.views.page import Page


def answer_page(body: bytes, reads: Reads = ()) -> str:
    """Return the page of an answer."""
    page = Page()
    write_answer(page, body, reads)
    return page.text()


CALL_BLOCK = "CALL exec_command · call_1\n  cmd: |\n    ls -la\n    echo done"
"""How the call of `samples.ANSWER` is shown in every protocol."""
