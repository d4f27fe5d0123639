"""The journal returns what was written, and refuses what it did not write."""

from __future__ import annotations

from pathlib import Path

import pytest

from addons.adapters.codex.thread_journal import JournalError, Move, Moved, ThreadJournal
from addons.core.codex.rollout import Edit

EVERY_BYTE = bytes(range(256))
MOVE = Move(
    "/home/.codex",
    "enable",
    "moving",
    1.5,
    (Moved("id", "openai", "codex_shim", 7, "ab", (Edit(3, EVERY_BYTE, EVERY_BYTE[::-1]),)),),
)


@pytest.fixture
def journal(tmp_path: Path) -> ThreadJournal:
    return ThreadJournal({"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")})


def test_every_byte_of_an_edit_is_kept(journal: ThreadJournal) -> None:
    assert journal.read() == []
    journal.write([MOVE, MOVE])
    assert journal.read() == [MOVE, MOVE]
    assert journal.path.stat().st_mode & 0o077 == 0


def test_journal_without_moves_is_deleted(journal: ThreadJournal) -> None:
    journal.write([MOVE])
    journal.write([])
    assert not journal.path.exists()
    journal.write([])


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 9, "moves": []}', '{"format": 1, "moves": [{"threads": 1}]}',
     '{"format": 1, "moves": [{"home": "/", "author": "command", "state": "done", "time": 1, "threads": [{"edits": 1}]}]}'],
)  # fmt: skip
def test_damaged_journal_is_refused(journal: ThreadJournal, content: str) -> None:
    journal.path.parent.mkdir()
    journal.path.write_text(content)
    with pytest.raises(JournalError, match=r"thread-moves\.json"):
        journal.read()
