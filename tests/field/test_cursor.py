"""Reported failures of cursor-agent: what Codex is shown, and whether it sends the turn again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boundary.cursor_shim import CursorHome, cursor_shim
from tests.conformance import check

FINAL = {"invalid_prompt", "insufficient_quota", "context_length_exceeded", "usage_not_included"}
"""Error codes after which Codex does not send the turn again."""


@pytest.fixture
def home(tmp_path: Path) -> CursorHome:
    return CursorHome(tmp_path)


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        pytest.param("unreachable", "ETIMEDOUT", id="d01"),
        pytest.param("retriable_text", "RetriableError", id="d04"),
    ],
)
async def test_cursor_that_cannot_be_reached_is_a_failure_that_codex_retries(
    home: CursorHome, scenario: str, words: str
) -> None:
    home.fake.play(scenario)
    async with cursor_shim(home) as shim:
        await shim.is_live()
        last = check((await shim.turn()).body)
    error = last["response"]["error"]
    assert last["type"] == "response.failed"
    assert words in error["message"]
    assert error["code"] not in FINAL


async def test_program_that_cannot_start_is_reported_with_its_own_message(home: CursorHome) -> None:
    home.fake.play("cannot_start")
    async with cursor_shim(home) as shim:
        await shim.is_live()
        last = check((await shim.turn()).body)
    message = last["response"]["error"]["message"]
    assert last["type"] == "response.failed"
    assert "Library not loaded" in message
    assert "login" not in message
