"""Threads are moved, restored byte for byte, and never changed while Codex has them open."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from addons.adapters.codex.thread_journal import ThreadJournal
from addons.adapters.codex.thread_lock import writer_lock
from addons.adapters.codex.thread_moves import Outcome, ThreadMoveError, ThreadMoves
from addons.adapters.system.files import FileAccessError, write_atomic
from tests.adapters.codex.codex_threads import CodexThreads, message_line, thread_id

OPENAI, SHIM = "openai", "codex_shim"


@pytest.fixture
def codex(tmp_path: Path) -> CodexThreads:
    return CodexThreads(tmp_path)


@pytest.fixture
def moves(codex: CodexThreads) -> ThreadMoves:
    return ThreadMoves(codex.env)


def move_all(moves: ThreadMoves, target: str = SHIM) -> Outcome:
    return moves.move([one for one in moves.threads() if one.provider != target], target)


def ids(outcome: Outcome | None) -> list[str]:
    assert outcome
    return [thread.id for thread in outcome.moved]


def test_move_changes_rollout_and_database_and_undo_restores_both(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    threads = [codex.begin(number) for number in range(3)]
    before = [codex.path(thread).read_bytes() for thread in threads]
    for thread in threads:
        os.utime(codex.path(thread), ns=(1_000_000_000, 2_000_000_000))
        codex.path(thread).chmod(0o640)
    assert ids(move_all(moves)) == threads
    for thread, content in zip(threads, before, strict=True):
        assert (codex.row(thread), codex.named(thread)) == (SHIM, {SHIM})
        status = codex.path(thread).stat()
        assert status.st_size == len(content)
        assert (status.st_mtime_ns, status.st_mode & 0o777) == (2_000_000_000, 0o640)
    assert ids(moves.undo()) == threads
    assert [codex.path(thread).read_bytes() for thread in threads] == before
    assert {codex.row(thread) for thread in threads} == {OPENAI}
    assert moves.undo() is None
    assert not ThreadJournal(codex.env).path.exists()


def test_undo_keeps_what_codex_added_and_restores_what_was_before(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    thread = codex.begin(1)
    before = codex.path(thread).read_bytes()
    move_all(moves)
    added = codex.go_on(thread, SHIM)
    moves.undo()
    after = codex.path(thread).read_bytes()
    assert after.startswith(before)
    assert len(after) == len(before) + len(added)
    assert message_line("more", 5) in after
    assert (codex.row(thread), codex.named(thread)) == (OPENAI, {OPENAI})


def test_moves_are_undone_latest_first(codex: CodexThreads, moves: ThreadMoves) -> None:
    thread = codex.begin(1)
    before = codex.path(thread).read_bytes()
    move_all(moves, SHIM)
    move_all(moves, OPENAI)
    back = codex.path(thread).read_bytes()
    move_all(moves, SHIM)
    moves.undo()
    assert codex.path(thread).read_bytes() == back
    moves.undo()
    assert codex.row(thread) == SHIM
    moves.undo()
    assert codex.path(thread).read_bytes() == before


def test_disable_restores_only_what_enable_moved(codex: CodexThreads, moves: ThreadMoves) -> None:
    with_enable, by_hand = codex.begin(1), codex.begin(2)
    before = codex.path(with_enable).read_bytes()
    found = {thread.id: thread for thread in moves.threads()}
    moves.move([found[with_enable]], SHIM, "enable")
    moves.move([found[by_hand]], SHIM)
    assert ids(moves.undo_enable()) == [with_enable]
    assert codex.path(with_enable).read_bytes() == before
    assert codex.row(by_hand) == SHIM
    assert ids(moves.undo()) == [by_hand]


def test_folders_of_codex_that_share_a_state_folder_are_kept_apart(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    thread = codex.begin(1)
    moves.move(moves.threads(), SHIM, "enable")
    elsewhere = ThreadMoves({**codex.env, "CODEX_HOME": str(codex.home / "elsewhere")})
    assert elsewhere.undo() is None
    assert elsewhere.undo_enable() == Outcome()
    assert codex.row(thread) == SHIM
    assert ids(moves.undo_enable()) == [thread]


def test_thread_that_was_moved_back_by_hand_stays_there(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    thread = codex.begin(1)
    moves.move(moves.threads(), SHIM, "enable")
    move_all(moves, OPENAI)
    moves.undo_enable()
    assert (codex.row(thread), codex.named(thread)) == (OPENAI, {OPENAI})


def test_open_thread_is_not_moved_and_not_restored(codex: CodexThreads, moves: ThreadMoves) -> None:
    opened, closed = codex.begin(1), codex.begin(2)
    (codex.codex / "thread-writer-locks").mkdir()
    before = codex.path(opened).read_bytes()
    with writer_lock(codex.env, opened) as is_held:
        assert is_held
        outcome = move_all(moves)
    assert ids(outcome) == [closed]
    assert outcome.skipped == [(opened, "Codex has it open")]
    assert (codex.path(opened).read_bytes(), codex.row(opened)) == (before, OPENAI)

    with writer_lock(codex.env, closed):
        refused = moves.undo()
    assert refused
    assert refused.skipped == [(closed, "Codex has it open")]
    assert codex.row(closed) == SHIM
    assert ids(moves.undo()) == [closed]
    assert list((codex.codex / "thread-writer-locks").iterdir()) == [
        codex.codex / "thread-writer-locks" / ".coordination.lock"
    ]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="file descriptors of others")
def test_rollout_that_another_process_has_open_is_not_moved(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    thread = codex.begin(1)
    code = f"f = open({str(codex.path(thread))!r}, 'ab'); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        child.stdout.readline()
        assert move_all(moves).skipped == [(thread, "Codex has it open")]
        child.communicate(b"\n")
    assert ids(move_all(moves)) == [thread]


def test_compressed_and_full_rollouts_are_left(codex: CodexThreads, moves: ThreadMoves) -> None:
    compressed, full = codex.begin(1), codex.begin(2)
    path = codex.path(compressed)
    path.rename(path.with_name(f"{path.name}.zst"))
    content = codex.path(full).read_bytes()
    codex.path(full).write_bytes(content.replace(b"36.465Z", b"36Z"))
    outcome = move_all(moves)
    assert outcome.moved == []
    reasons = dict(outcome.skipped)
    assert "compressed" in reasons[compressed]
    assert "no room" in reasons[full]
    assert not ThreadJournal(codex.env).path.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions")
def test_folder_without_permission_does_not_keep_others_from_moving(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    closed, writable = codex.begin(1), codex.begin(2)
    folder = codex.path(closed).parent
    archive = codex.codex / "archived_sessions" / codex.path(writable).name
    archive.parent.mkdir()
    codex.path(writable).rename(archive)
    folder.chmod(0o500)
    try:
        outcome = move_all(moves)
    finally:
        folder.chmod(0o700)
    assert ids(outcome) == [writable]
    assert [thread for thread, _ in outcome.skipped] == [closed]
    assert ids(moves.undo()) == [writable]


def test_file_that_cannot_be_written_does_not_keep_others_from_being_restored(
    codex: CodexThreads, moves: ThreadMoves, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, written = codex.begin(1), codex.begin(2)
    before = [codex.path(thread).read_bytes() for thread in (refused, written)]
    move_all(moves)

    def full_disk(path: Path, *args: Any, **named: Any) -> None:
        if path == codex.path(refused):
            raise FileAccessError(path, "No space left on device")
        write_atomic(path, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr("addons.adapters.codex.thread_moves.write_atomic", full_disk)
        outcome = moves.undo()
    assert outcome
    assert ids(outcome) == [written]
    assert "No space left on device" in outcome.skipped[0][1]
    assert ids(moves.undo()) == [refused]
    assert [codex.path(thread).read_bytes() for thread in (refused, written)] == before


def test_rollout_that_codex_rewrote_is_moved_back_by_its_meaning(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    thread = codex.begin(1)
    move_all(moves)
    codex.path(thread).write_bytes(b" " + codex.path(thread).read_bytes())
    moves.undo()
    assert (codex.row(thread), codex.named(thread)) == (OPENAI, {OPENAI})


def test_deleted_thread_does_not_keep_the_others_from_being_restored(
    codex: CodexThreads, moves: ThreadMoves
) -> None:
    gone, kept = codex.begin(1), codex.begin(2)
    move_all(moves)
    codex.path(gone).unlink()
    outcome = moves.undo()
    assert outcome
    assert (ids(outcome), outcome.skipped) == ([kept], [(gone, "its rollout is gone")])
    assert moves.undo() is None


def test_archived_thread_is_restored_where_it_is(codex: CodexThreads, moves: ThreadMoves) -> None:
    thread = codex.begin(1)
    before = codex.path(thread).read_bytes()
    move_all(moves)
    archive = codex.codex / "archived_sessions" / codex.path(thread).name
    archive.parent.mkdir()
    codex.path(thread).rename(archive)
    assert ids(moves.undo()) == [thread]
    assert archive.read_bytes() == before


def test_thread_without_a_row_is_moved(codex: CodexThreads, moves: ThreadMoves) -> None:
    thread = codex.begin(1)
    codex.database.unlink()
    assert ids(move_all(moves)) == [thread]
    assert codex.named(thread) == {SHIM}
    assert not codex.database.exists()


def test_database_in_use_stops_the_move_and_the_next_command_finishes_it(
    codex: CodexThreads, moves: ThreadMoves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.adapters.codex.thread_index.BUSY_SECONDS", 0.0)
    first, second = codex.begin(1), codex.begin(2)
    with closing(sqlite3.connect(codex.database)) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(ThreadMoveError, match="locked") as raised:
            move_all(moves)
    assert "Close Codex" in raised.value.advice
    assert moves.interrupted()
    moves.finish()
    assert not moves.interrupted()
    assert (codex.row(first), codex.row(second)) == (SHIM, SHIM)
    assert ids(moves.undo()) == [first, second]


def test_what_codex_added_to_a_half_moved_thread_is_moved_too(
    codex: CodexThreads, moves: ThreadMoves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.adapters.codex.thread_index.BUSY_SECONDS", 0.0)
    thread = codex.begin(1)
    before = codex.path(thread).read_bytes()
    with closing(sqlite3.connect(codex.database)) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(ThreadMoveError):
            move_all(moves)
    codex.go_on(thread, OPENAI)
    moves.finish()
    assert (codex.row(thread), codex.named(thread)) == (SHIM, {SHIM})
    moves.undo()
    assert codex.path(thread).read_bytes().startswith(before)
    assert codex.named(thread) == {OPENAI}


def test_damaged_journal_is_an_error_with_advice(codex: CodexThreads, moves: ThreadMoves) -> None:
    codex.begin(1)
    path = ThreadJournal(codex.env).path
    path.parent.mkdir()
    for content in ("{", "[]", '{"format": 2, "moves": []}', '{"format": 1, "moves": [{}]}'):
        path.write_text(content)
        with pytest.raises(ThreadMoveError) as raised:
            move_all(moves)
        assert str(path) in str(raised.value)
        assert "mv " in raised.value.advice
    assert codex.row(thread_id(1)) == OPENAI
