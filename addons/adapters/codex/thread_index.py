"""Finds Codex's threads and their model providers: in its state databases and among its rollouts.

`codex resume` uses the provider in the database. A list of threads first corrects the database from the rollouts, and a new
database is filled from them. A thread without a row is described by the first line of its rollout. Measured with Codex
0.169 and 0.171; 0.133 has the same database without a history.

Never does: change a rollout, create a database. Invariant: a thread that has no rollout is not returned.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from addons.adapters.system.files import CachedFile, FileAccessError, open_nonblocking
from addons.adapters.system.paths import codex_config_file, codex_home
from addons.core.codex.rollout import read_meta

BUSY_SECONDS = 5.0
FOLDERS = ("sessions", "archived_sessions")
COMPRESSED = ".zst"
_ROLLOUT = re.compile(r"rollout-.+-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl(\.zst)?")
_STATE = re.compile(r"state_(\d+)\.sqlite")
MAX_FIRST_LINE = 1 << 24


class ThreadIndexError(Exception):
    """A database of Codex cannot be used. The message names it."""


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread of Codex. `parent` is the thread that started it, if it is that of a sub-agent."""

    id: str
    provider: str
    path: Path
    title: str = ""
    updated: float = 0.0
    parent: str = ""
    model: str = ""
    """The slug of its latest turn, if the database has it."""

    @property
    def is_compressed(self) -> bool:
        """Whether Codex has compressed the rollout."""
        return self.path.suffix == COMPRESSED


class ThreadIndex:
    """The threads in the folders of Codex that this environment names."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def threads(self) -> list[Thread]:
        """Return every thread that has a rollout, the latest first. Raises ThreadIndexError, or OSError for a folder."""
        rollouts = dict(self._rollouts())
        known = {thread.id: thread for thread in self._rows(rollouts)}
        for thread_id, path in rollouts.items():
            if thread_id not in known or not known[thread_id].provider:
                found = _from_rollout(thread_id, path)
                if found:
                    old = known.get(thread_id)
                    known[thread_id] = replace(old, provider=found.provider) if old else found
        return sorted(known.values(), key=lambda thread: (-thread.updated, thread.id))

    def set_provider(self, thread_id: str, provider: str) -> None:
        """Write a thread's provider into every state database that knows it. Raises ThreadIndexError."""
        for path in self._databases():
            try:
                with closing(_connect(path, "rw")) as database, database:
                    database.execute(
                        "UPDATE threads SET model_provider = ? WHERE id = ? AND model_provider <> ?",
                        (provider, thread_id, provider),
                    )
            except sqlite3.Error as error:
                raise _database_error(path, error) from error

    def has_sessions(self) -> bool:
        """Return whether the folder of rollouts is there, so that a thread without one is gone."""
        return (codex_home(self._env) / FOLDERS[0]).is_dir()

    def _rollouts(self) -> Iterator[tuple[str, Path]]:
        """Yield the id and the rollout of each thread. The plain file of a thread comes last, so that it wins."""
        found = []
        for name in FOLDERS:
            folder = codex_home(self._env) / name
            found += [
                (match, Path(place, file))
                for place, _, files in os.walk(folder, onerror=_require_missing)
                for file in files
                if (match := _ROLLOUT.fullmatch(file))
            ]
        for match, path in sorted(found, key=lambda each: each[0][2] is None):
            yield match[1], path

    def _rows(self, rollouts: Mapping[str, Path]) -> Iterator[Thread]:
        # The newest database comes last, so that it wins.
        for path in self._databases():
            for row in _read_rows(path):
                if row["id"] in rollouts:
                    yield Thread(
                        row["id"],
                        row["model_provider"] or "",
                        rollouts[row["id"]],
                        row["title"] or "",
                        float(row["updated_at"] or 0),
                        row["parent"] or "",
                        row["model"] or "",
                    )

    def _databases(self) -> list[Path]:
        folder = sqlite_home(self._env)
        found = [
            (int(match[1]), path)
            for path in folder.glob("state_*.sqlite")
            if (match := _STATE.fullmatch(path.name))
        ]
        return [path for _, path in sorted(found)]


def _require_missing(error: OSError) -> None:
    """Accept a folder that does not exist. One that cannot be read may hold threads: raise its error."""
    if not isinstance(error, FileNotFoundError):
        raise error
    if os.path.lexists(error.filename):
        raise OSError(errno.ENOENT, "it is a symlink to a missing folder", error.filename)


def sqlite_home(env: Mapping[str, str]) -> Path:
    """Return the folder of Codex's databases: `sqlite_home` in its config, else $CODEX_SQLITE_HOME, else its home."""
    home = codex_home(env)
    try:
        config = tomllib.loads((CachedFile(codex_config_file(env)).read() or b"").decode())
    except (FileAccessError, ValueError):
        config = {}
    named = config.get("sqlite_home")
    if not isinstance(named, str) or not named:
        named = env.get("CODEX_SQLITE_HOME", "")
    return home / Path(named).expanduser() if named else home


_PARENT = """
coalesce((SELECT parent_thread_id FROM thread_spawn_edges WHERE child_thread_id = threads.id),
         CASE WHEN source LIKE '%"subagent"%' THEN 'unknown' END)
"""


def _read_rows(path: Path) -> list[sqlite3.Row]:
    try:
        with closing(_connect(path, "ro")) as database:
            database.row_factory = sqlite3.Row
            tables = {row["name"] for row in database.execute("SELECT name FROM sqlite_master")}
            if "threads" not in tables:
                return []
            columns = {row["name"] for row in database.execute("PRAGMA table_info(threads)")}
            # Older versions of Codex have neither.
            parent = _PARENT if "thread_spawn_edges" in tables else "NULL"
            model = "model" if "model" in columns else "NULL"
            query = (
                f"SELECT id, model_provider, title, updated_at, {parent} AS parent, {model} AS model"  # noqa: S608
                " FROM threads"
            )
            return database.execute(query).fetchall()
    except sqlite3.Error as error:
        raise _database_error(path, error) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=BUSY_SECONDS)


def _database_error(path: Path, error: sqlite3.Error) -> ThreadIndexError:
    return ThreadIndexError(f"{path} cannot be used: {error}")


def _from_rollout(thread_id: str, path: Path) -> Thread | None:
    """Return what the first line of a rollout says: no provider when it cannot be read, None when it is no rollout."""
    if path.suffix == COMPRESSED:
        return Thread(thread_id, "", path)
    try:
        # A named pipe must not block the caller, so `Path.open` is not used.
        with open(path, "rb", opener=open_nonblocking) as file:
            status = os.fstat(file.fileno())
            line = file.readline(MAX_FIRST_LINE) if stat.S_ISREG(status.st_mode) else b""
    except FileNotFoundError:
        return None
    except OSError:
        return Thread(thread_id, "", path)
    meta = read_meta(line)
    if meta is None:
        return None
    return Thread(thread_id, meta.provider, path, "", status.st_mtime, meta.parent)
