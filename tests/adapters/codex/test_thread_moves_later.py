"""A thread that cannot be changed now stays in the journal, and a damaged journal is not written into a rollout."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, nullcontext

import pytest

from addons.adapters.codex.thread_journal import ThreadJournal
from addons.adapters.codex.thread_moves import (
    COMPRESSED,
    READ_ONLY,
    ThreadMoveError,
    ThreadMoves,
)
from tests.adapters.codex.codex_threads import CodexThreads
from tests.adapters.codex.test_thread_moves import OPENAI, SHIM, codex, ids, move_all, moves

__all__ = ["codex", "moves"]


@pytest.mark.parametrize("state", ["done", "moving"])
def test_thread_that_codex_compressed_is_restored_later(
    codex: CodexThreads, moves: ThreadMoves, state: str
) -> None:
    thread, other = codex.begin(1), codex.begin(2)
    before = codex.path(thread).read_bytes()
    moves.move(moves.threads(), SHIM, "enable")
    journal = ThreadJournal(codex.env).path
    journal.write_text(journal.read_text().replace('"done"', f'"{state}"'))
    compressed = codex.path(thread).with_name(f"{codex.path(thread).name}.zst")
    codex.path(thread).rename(compressed)

    if state == "moving":
        moves.finish()
    outcome = moves.undo_enable()

    assert (ids(outcome), outcome.skipped) == ([other], [(thread, COMPRESSED)])
    assert [each.id for move in ThreadJournal(codex.env).read() for each in move.threads] == [
        thread
    ]
    compressed.rename(codex.path(thread))
    assert ids(moves.undo_enable()) == [thread]
    assert codex.path(thread).read_bytes() == before
    assert not journal.exists()


@pytest.mark.parametrize("state", ["done", "moving"])
def test_missing_folder_of_sessions_forgets_no_thread(
    codex: CodexThreads, moves: ThreadMoves, state: str
) -> None:
    thread = codex.begin(1)
    move_all(moves)
    journal = ThreadJournal(codex.env).path
    journal.write_text(journal.read_text().replace('"done"', f'"{state}"'))
    sessions = codex.codex / "sessions"
    sessions.rename(codex.home / "unmounted")

    moves.finish()
    outcome = moves.undo()

    assert outcome
    assert outcome.skipped == [(thread, "Codex's folder `sessions` is missing")]
    sessions.write_bytes(b"no folder")
    with pytest.raises(ThreadMoveError, match="sessions"):
        moves.undo()
    sessions.unlink()
    (codex.home / "unmounted").rename(sessions)
    assert ids(moves.undo()) == [thread]


def test_second_command_with_the_list_of_before_moves_nothing(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    thread, gone = codex.begin(1), codex.begin(2)
    before = codex.path(thread).read_bytes()
    listed = moves.threads()
    codex.path(gone).unlink()
    moves.move(listed, SHIM)

    outcome = moves.move(listed, SHIM)

    assert (outcome.moved, outcome.skipped) == ([], [(gone, "its rollout is gone")])
    assert ids(moves.undo()) == [thread]
    assert (codex.path(thread).read_bytes(), codex.row(thread)) == (before, OPENAI)
    assert moves.undo() is None


@pytest.mark.skipif(os.name == "nt", reason="symlinks")
def test_journal_is_that_of_the_folder_and_not_of_its_name(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    thread = codex.begin(1)
    link = codex.home / "link"
    link.symlink_to(codex.codex)
    linked = ThreadMoves({**codex.env, "CODEX_HOME": str(link)})
    move_all(linked)
    assert ids(moves.undo()) == [thread]
    move_all(moves)
    journal = ThreadJournal(codex.env).path
    journal.write_text(journal.read_text().replace(str(codex.codex), str(link)))
    assert ids(moves.undo()) == [thread]


def test_rollout_that_vanishes_is_skipped_and_may_come_back(
    codex: CodexThreads, moves: ThreadMoves, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, other = codex.begin(1), codex.begin(2)
    away = codex.home / "away"

    def vanish(_env: object, held: str) -> AbstractContextManager[bool]:
        if (
            held == thread
            and codex.path(thread).exists()
            and ThreadJournal(codex.env).path.exists()
        ):
            codex.path(thread).rename(away)
        return nullcontext(enter_result=True)

    with monkeypatch.context() as patch:
        patch.setattr("addons.adapters.codex.thread_moves.writer_lock", vanish)
        outcome = move_all(moves)

    assert ids(outcome) == [other]
    assert [one for one, _ in outcome.skipped] == [thread]
    assert moves.interrupted()
    away.rename(codex.path(thread))
    moves.finish()
    assert ids(moves.undo()) == [thread, other]


def test_read_only_rollout_is_not_changed(codex: CodexThreads, moves: ThreadMoves) -> None:
    thread = codex.begin(1)
    codex.path(thread).chmod(0o400)
    assert move_all(moves).skipped == [(thread, READ_ONLY)]
    codex.path(thread).chmod(0o600)
    move_all(moves)
    codex.path(thread).chmod(0o400)
    outcome = moves.undo()
    assert outcome
    assert outcome.skipped == [(thread, READ_ONLY)]
    assert codex.path(thread).stat().st_mode & 0o777 == 0o400
    codex.path(thread).chmod(0o600)
    assert ids(moves.undo()) == [thread]


@pytest.mark.skipif(os.name == "nt", reason="named pipes")
def test_named_pipe_in_place_of_a_rollout_is_skipped(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    thread = codex.begin(1)
    codex.path(thread).unlink()
    os.mkfifo(codex.path(thread))
    assert move_all(moves).skipped == [(thread, "its rollout is not a file")]


def test_damaged_bytes_of_the_journal_are_not_written(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    thread = codex.begin(1)
    move_all(moves)
    path = ThreadJournal(codex.env).path
    record = json.loads(path.read_text())
    edit = record["moves"][0]["threads"][0]["edits"][0]
    edit[1] = "}" * len(edit[1])
    path.write_text(json.dumps(record))

    assert ids(moves.undo()) == [thread]

    assert codex.named(thread) == {OPENAI}


@pytest.mark.skipif(os.name == "nt", reason="symlinks")
def test_rollout_that_cannot_be_opened_is_not_forgotten(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    thread = codex.begin(1)
    codex.database.unlink()
    move_all(moves)
    kept = codex.path(thread).rename(codex.home / "kept")
    codex.path(thread).symlink_to(codex.path(thread))
    outcome = moves.undo()
    assert outcome
    assert [one for one, _ in outcome.skipped] == [thread]
    codex.path(thread).unlink()
    kept.rename(codex.path(thread))
    assert ids(moves.undo()) == [thread]
    assert codex.named(thread) == {OPENAI}
