"""Threads are found in every database and among the rollouts that no database knows."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from addons.adapters.codex.thread_index import ThreadIndex, ThreadIndexError, sqlite_home
from tests.adapters.codex.codex_threads import CodexThreads, rollout, thread_id

posix = pytest.mark.skipif(os.name == "nt", reason="symlinks and named pipes")


@pytest.fixture
def codex(tmp_path: Path) -> CodexThreads:
    return CodexThreads(tmp_path)


def test_threads_come_latest_first_with_title_and_parent(codex: CodexThreads) -> None:
    old, new = codex.begin(2, title="old"), codex.begin(1, "codex_shim", "new")
    agent = codex.begin_sub_agent(3, new, "codex_shim")
    found = ThreadIndex(codex.env).threads()
    assert [(one.id, one.provider, one.title, one.parent) for one in found] == [
        (new, "codex_shim", "new", ""),
        (old, "openai", "old", ""),
        (agent, "codex_shim", "agent", new),
    ]
    assert found[0].path == codex.path(new)


def test_home_without_codex_has_no_threads(codex: CodexThreads) -> None:
    assert ThreadIndex(codex.env).threads() == []
    assert not codex.codex.exists()


def test_thread_without_a_row_is_read_from_its_first_line(codex: CodexThreads) -> None:
    known, unknown = codex.begin(1), thread_id(2)
    codex.path(unknown).write_bytes(rollout(unknown, "codex_shim"))
    codex.path(thread_id(3)).write_bytes(b"no rollout\n")
    codex.path(known).with_name("notes.jsonl").write_bytes(b"{}\n")
    found = {one.id: one.provider for one in ThreadIndex(codex.env).threads()}
    assert found == {known: "openai", unknown: "codex_shim"}


def test_row_without_a_provider_has_that_of_the_rollout(codex: CodexThreads) -> None:
    thread = codex.begin(1, title="kept")
    with closing(sqlite3.connect(codex.database)) as database, database:
        database.execute("UPDATE threads SET model_provider = ''")
    (found,) = ThreadIndex(codex.env).threads()
    assert (found.id, found.provider, found.title) == (thread, "openai", "kept")


def test_row_without_a_rollout_is_no_thread(codex: CodexThreads) -> None:
    codex.path(codex.begin(1)).unlink()
    assert ThreadIndex(codex.env).threads() == []


def test_plain_rollout_wins_over_a_compressed_copy(codex: CodexThreads) -> None:
    both, compressed = codex.begin(1), codex.begin(2)
    shutil.copy(codex.path(both), f"{codex.path(both)}.zst")
    codex.path(compressed).rename(f"{codex.path(compressed)}.zst")
    found = {one.id: one.is_compressed for one in ThreadIndex(codex.env).threads()}
    assert found == {both: False, compressed: True}


def test_newest_database_tells_and_all_are_changed(codex: CodexThreads) -> None:
    thread = codex.begin(1)
    older = codex.codex / "state_4.sqlite"
    shutil.copy(codex.database, older)
    (codex.codex / "state_x.sqlite").write_text("not one of Codex's")
    index = ThreadIndex(codex.env)
    with closing(sqlite3.connect(older)) as database, database:
        database.execute("UPDATE threads SET title = 'older'")
    assert [one.title for one in index.threads()] == ["hello"]
    index.set_provider(thread, "codex_shim")
    assert codex.row(thread) == "codex_shim"
    with closing(sqlite3.connect(older)) as database:
        assert database.execute("SELECT model_provider FROM threads").fetchall() == [
            ("codex_shim",)
        ]


def test_older_database_without_sub_agents_or_models_is_read(codex: CodexThreads) -> None:
    thread = codex.begin(1)
    assert [one.model for one in ThreadIndex(codex.env).threads()] == ["gpt-5.5"]
    with closing(sqlite3.connect(codex.database)) as database, database:
        database.execute("DROP TABLE thread_spawn_edges")
        database.execute("ALTER TABLE threads DROP COLUMN model")
    assert [one.id for one in ThreadIndex(codex.env).threads()] == [thread]
    with closing(sqlite3.connect(codex.database)) as database, database:
        database.execute("DROP TABLE threads")
    assert [one.id for one in ThreadIndex(codex.env).threads()] == [thread]


def test_damaged_database_is_an_error_that_names_it(codex: CodexThreads) -> None:
    thread = codex.begin(1)
    codex.database.write_bytes(b"no database" * 100)
    with pytest.raises(ThreadIndexError, match="state_5"):
        ThreadIndex(codex.env).threads()
    with pytest.raises(ThreadIndexError, match="state_5"):
        ThreadIndex(codex.env).set_provider(thread, "openai")


def test_folder_of_the_databases(codex: CodexThreads, tmp_path: Path) -> None:
    codex.codex.mkdir()
    assert sqlite_home(codex.env) == codex.codex
    named = {**codex.env, "CODEX_SQLITE_HOME": str(tmp_path / "a")}
    assert sqlite_home(named) == tmp_path / "a"
    (codex.codex / "config.toml").write_text(f'sqlite_home = "{tmp_path.as_posix()}/b"\n')
    assert sqlite_home(named) == tmp_path / "b"
    (codex.codex / "config.toml").write_text("sqlite_home = [")
    assert sqlite_home(codex.env) == codex.codex


@posix
def test_folder_that_cannot_be_read_is_an_error(codex: CodexThreads, tmp_path: Path) -> None:
    thread = codex.begin(1)
    sessions = codex.codex / "sessions"
    sessions.rename(tmp_path / "elsewhere")
    index = ThreadIndex(codex.env)
    assert index.threads() == []
    assert not index.has_sessions()
    sessions.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match=r"symlink to a missing folder.*sessions"):
        index.threads()
    sessions.unlink()
    sessions.write_bytes(b"no folder")
    with pytest.raises(NotADirectoryError, match="sessions"):
        index.threads()
    sessions.unlink()
    sessions.symlink_to(tmp_path / "elsewhere")
    assert [one.id for one in index.threads()] == [thread]


@posix
def test_named_pipe_with_the_name_of_a_rollout_is_no_thread(codex: CodexThreads) -> None:
    thread, pipe = codex.begin(1), codex.path(thread_id(2))
    os.mkfifo(pipe)
    assert [one.id for one in ThreadIndex(codex.env).threads()] == [thread]
