"""The journal returns what was written, and refuses what it did not write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from addons.adapters.codex.thread_journal import JournalError, Move, Moved, ThreadJournal
from addons.core.codex.rollout import Edit

EVERY_BYTE = bytes(range(256))
MOVE = Move(
    "/home/.codex",
    "enable",
    "moving",
    1.5,
    (Moved("id", "openai", "codex_shim", 259, "ab", (Edit(3, EVERY_BYTE, EVERY_BYTE[::-1]),)),),
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


def _record() -> dict[str, Any]:
    thread = {"id": "1", "source": "openai", "target": "codex_shim", "size": 9, "sha256": "ab", "edits": [[1, "a", "b"], [3, "c", "d"]]}  # fmt: skip
    return {"home": "/", "author": "command", "state": "done", "time": 1, "threads": [thread]}


@pytest.mark.parametrize(
    "damage",
    [
        *({name: None} for name in ("home", "author", "state", "time", "threads")),
        {"state": "finished"},
        {"author": "nobody"},
        {"threads": [None]},
    ],
)
def test_damaged_move_is_refused(journal: ThreadJournal, damage: dict[str, object]) -> None:
    _refuses(journal, _record() | damage)


@pytest.mark.parametrize(
    "damage",
    [
        *({name: None} for name in ("id", "source", "target", "size", "sha256", "edits")),
        *({"size": size} for size in (-1, 3, 1.5, True, "9")),
        *({"edits": [edit]} for edit in (None, [None, "a", "b"], [-1, "a", "b"], [9, "a", "b"], [8, "aa", "bb"],
          [True, "a", "b"], [1, None, "b"], [1, "a", None], [1, "a", "bb"], [1, "a", "\u0100"], [1, "a"], [1e400, "a", "b"])),
        {"edits": [[1, "aa", "bb"], [2, "c", "d"]]},
    ],
)  # fmt: skip
def test_damaged_thread_is_refused(journal: ThreadJournal, damage: dict[str, object]) -> None:
    record = _record()
    record["threads"][0] |= damage
    _refuses(journal, record)


def _refuses(journal: ThreadJournal, record: dict[str, Any]) -> None:
    journal.path.parent.mkdir(exist_ok=True)
    journal.path.write_text(json.dumps({"format": 1, "moves": [_record()]}))
    assert len(journal.read()) == 1
    journal.path.write_text(json.dumps({"format": 1, "moves": [record]}))
    with pytest.raises(JournalError, match=r"thread-moves\.json"):
        journal.read()
