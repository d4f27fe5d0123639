"""The building blocks of this port's answers."""

from __future__ import annotations

import pytest

from addons.core.server.replies import MAX_QUOTED_CHARACTERS, answer_json, quote
from addons.core.turn import Answer, ClientRequest, Reply


def reply_of(method: str) -> Reply:
    step = answer_json(ClientRequest(method, "/", (), b""), {"a": 1}).start()
    assert isinstance(step, Answer)
    return step.reply


def test_head_has_the_head_of_get_and_no_body() -> None:
    get, head = reply_of("GET"), reply_of("HEAD")
    assert (get.body, head.body) == (b'{"a":1}', b"")
    assert head.head == get.head


@pytest.mark.parametrize("text", ["", "a", "\x1b[2J", "\udcff", "é" * 300])
def test_quoted_text_is_printable_and_cut(text: str) -> None:
    quoted = quote(text)
    assert quoted.isprintable()
    assert len(quoted) <= 4 * MAX_QUOTED_CHARACTERS
