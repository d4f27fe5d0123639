"""Answers of a protocol that the views read through its translator."""

from __future__ import annotations

import pytest

from addons.core.upstream.protocol import Protocol
from addons.views.answer_translated import translate_answer
from tests.views.rendering import CALL_BLOCK, answer_page
from tests.views.samples import chat_stream, messages_stream


@pytest.mark.parametrize(
    ("body", "protocol"),
    [(chat_stream(), Protocol.CHAT), (messages_stream(), Protocol.MESSAGES)],
)
def test_translated_answer_has_the_same_content(body: bytes, protocol: Protocol) -> None:
    text = answer_page(translate_answer(body, protocol))

    assert "ASSISTANT\n  I will look." in text
    assert CALL_BLOCK in text
    assert "ENDED: response.completed" in text


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", messages_stream()])
def test_body_of_another_protocol_has_no_translation(body: bytes) -> None:
    assert translate_answer(body, Protocol.CHAT) == b""


def test_answer_that_breaks_off_keeps_the_content_before() -> None:
    cut = chat_stream().partition(b"tool_calls")[0]

    text = answer_page(translate_answer(cut, Protocol.CHAT))

    assert "ASSISTANT" in text
    assert "I will look." in text
    assert "ENDED: response.failed" in text
