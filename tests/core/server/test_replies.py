"""The building blocks of this port's answers."""

from __future__ import annotations

import pytest

from addons.core.errors import Problem
from addons.core.headers import Headers
from addons.core.server.replies import MAX_QUOTED_CHARACTERS, answer_json, final_reply, quote
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


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/v1/responses", ((b"originator", b"codex_exec"),), 200, b'"invalid_prompt"'),
        ("/v1/responses", (), 429, b'"mine"'),
        ("/api/models", ((b"originator", b"codex_exec"),), 429, b'"mine"'),
    ],
)
def test_final_reply_is_one_that_the_client_does_not_retry(
    path: str, headers: Headers, status: int, code: bytes
) -> None:
    reply = final_reply(Problem(429, "mine", "text"), ClientRequest("POST", path, headers, b""))
    assert (reply.head.status, code in reply.body) == (status, True)
