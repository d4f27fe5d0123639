"""Moves threads from one model provider to another, and back: rollout, state database and journal.

A move is planned as a whole and written into the journal first. Then each thread is changed under Codex's own lock: its
rollout is replaced atomically, and its row in the state database is updated. Every step can be repeated, so after a crash the
next command finishes the move or undoes it.

Never does: change a thread that Codex has open, or a rollout that has changed since it was read. Invariant: after each single
write a rollout is either as before or as after, and the journal can restore it.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shlex
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from addons.adapters.codex.thread_index import Thread, ThreadIndex, ThreadIndexError
from addons.adapters.codex.thread_journal import (
    Author,
    JournalError,
    Move,
    Moved,
    ThreadJournal,
)
from addons.adapters.codex.thread_lock import open_rollouts, writer_lock
from addons.adapters.system.file_lock import LockedError, locked
from addons.adapters.system.files import (
    FileAccessError,
    make_private_folder,
    open_nonblocking,
    write_atomic,
)
from addons.adapters.system.paths import codex_home
from addons.core.codex.rollout import (
    MOVABLE,
    RolloutError,
    apply,
    edits_for,
    is_applied,
    revert,
)

OPEN = "Codex has it open"
COMPRESSED = "Codex has compressed it"
GONE = "its rollout is gone"
NO_SESSIONS = "Codex's folder `sessions` is missing"
READ_ONLY = "its rollout is read-only"
NO_FILE = "its rollout is not a file"
REWRITTEN = "Codex has rewritten it since"
NO_ROOM = "its rollout has no room for the name of the other provider"


class ThreadMoveError(Exception):
    """The command ended early. The message says why, `advice` what to type."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class _SkipError(Exception):
    """This thread is not changed. The message is for the user."""


class _LaterError(_SkipError):
    """This thread is not changed now, and could be later."""


@dataclass(slots=True)
class Outcome:
    """What a command did: the threads that it moved, and why it left others."""

    moved: list[Thread] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Thread id and reason."""


class ThreadMoves:
    """Moves threads in the folders that this environment names. Every method raises ThreadMoveError."""

    def __init__(self, env: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._env = env
        self._clock = clock
        self._home = os.path.realpath(codex_home(env))
        self._index = ThreadIndex(env)
        self._journal = ThreadJournal(env)

    def threads(self) -> list[Thread]:
        """Return every thread, the latest first."""
        with _errors():
            return self._index.threads()

    def interrupted(self) -> bool:
        """Return whether a move did not come to its end."""
        with _errors():
            return any(move.state != "done" for move in self._moves())

    def move(self, threads: Sequence[Thread], target: str, author: Author = "command") -> Outcome:
        """Move threads to a provider. Those that cannot be moved are reported in the outcome.

        A thread that another command has moved there meanwhile is in neither list.
        """
        with self._locked():
            self._finish()
            outcome, now = Outcome(), self._by_id()
            outcome.skipped += [(one.id, GONE) for one in threads if one.id not in now]
            current = [now[one.id] for one in threads if one.id in now]
            current = [one for one in current if one.provider != target]
            planned = self._plans(current, target, outcome)
            if planned:
                move = Move(self._home, author, "moving", self._clock(), tuple(planned))
                self._journal.write([*self._journal.read(), move])
                self._carry_out(move, outcome)
            return outcome

    def undo(self) -> Outcome | None:
        """Undo the latest move. Returns None when there is none."""
        if not self._journal.path.exists():
            return None
        with self._locked():
            moves = self._moves()
            return self._take_back(moves[-1]) if moves else None

    def undo_enable(self) -> Outcome:
        """Undo every move that `enable` made."""
        total = Outcome()
        if not self._journal.path.exists():
            return total
        with self._locked():
            for move in reversed(self._moves()):
                if move.author == "enable":
                    outcome = self._take_back(move)
                    total.moved += outcome.moved
                    total.skipped += outcome.skipped
            return total

    def finish(self) -> None:
        """Finish what an interrupted command began."""
        if self.interrupted():
            with self._locked():
                self._finish()

    def _moves(self) -> list[Move]:
        """Return the moves in this folder of Codex, the oldest first."""
        return [move for move in self._journal.read() if os.path.realpath(move.home) == self._home]

    # Moves -----------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        for move in self._moves():
            if move.state == "moving":
                self._carry_out(move, Outcome())
            elif move.state == "undoing":
                self._take_back(move)

    def _plans(self, threads: Sequence[Thread], target: str, outcome: Outcome) -> list[Moved]:
        opened = open_rollouts()
        planned = []
        for thread in threads:
            try:
                planned.append(self._plan(thread, target, opened))
            except _SkipError as reason:
                outcome.skipped.append((thread.id, str(reason)))
        return planned

    def _plan(self, thread: Thread, target: str, opened: frozenset[Path]) -> Moved:
        with self._held(thread, opened):
            content = _read(thread.path)
        sources = (MOVABLE | {thread.provider}) - {target}
        try:
            edits = edits_for(content, thread.id, sources, target)
        except RolloutError:
            raise _SkipError(NO_ROOM) from None
        digest = hashlib.sha256(content).hexdigest()
        return Moved(thread.id, thread.provider, target, len(content), digest, tuple(edits))

    def _carry_out(self, move: Move, outcome: Outcome) -> None:
        """Change every thread of a move, then record which ones were changed."""
        threads, opened = self._by_id(), open_rollouts()
        kept, is_done = [], True
        for moved in move.threads:
            thread = threads.get(moved.id)
            try:
                self._change(moved, thread, opened, _moved_content, moved.target)
            except _SkipError as reason:
                outcome.skipped.append((moved.id, str(reason)))
                if not _may_have_moved(moved, thread, reason):
                    continue
                is_done = False
            else:
                assert thread is not None  # noqa: S101  for the type checker
                outcome.moved.append(thread)
            kept.append(moved)
        done = replace(move, threads=tuple(kept), state="done" if is_done else "moving")
        self._replace(move, done)

    def _take_back(self, move: Move) -> Outcome:
        """Restore every thread of a move. Those that are open stay in the journal."""
        undoing = replace(move, state="undoing")
        self._replace(move, undoing)
        threads, opened = self._by_id(), open_rollouts()
        outcome, kept = Outcome(), []
        for moved in move.threads:
            thread = threads.get(moved.id)
            try:
                self._change(moved, thread, opened, _restored_content, moved.source)
            except _SkipError as reason:
                outcome.skipped.append((moved.id, str(reason)))
                if isinstance(reason, _LaterError):
                    kept.append(moved)
            else:
                assert thread is not None  # noqa: S101  for the type checker
                outcome.moved.append(thread)
        self._replace(undoing, replace(move, state="done", threads=tuple(kept)))
        return outcome

    def _replace(self, old: Move, new: Move) -> None:
        """Write the journal with `new` in place of `old`, or without it when it has no threads."""
        moves = [new if move == old else move for move in self._journal.read()]
        self._journal.write([move for move in moves if move.threads])

    # One thread ------------------------------------------------------------------------------------------

    def _change(
        self,
        moved: Moved,
        thread: Thread | None,
        opened: frozenset[Path],
        change: Callable[[Moved, bytes], bytes],
        provider: str,
    ) -> None:
        if thread is None:
            # Without the folder the thread may come back, for example when its disk is mounted.
            raise _SkipError(GONE) if self._index.has_sessions() else _LaterError(NO_SESSIONS)
        with self._held(thread, opened):
            _remove_leftovers(thread.path)
            before = thread.path.stat()
            content = _read(thread.path)
            try:
                after = change(moved, content)
            except RolloutError as error:
                raise _SkipError(str(error)) from None
            if after != content:
                _replace_rollout(thread.path, before, after)
            self._index.set_provider(thread.id, provider)

    @contextmanager
    def _held(self, thread: Thread, opened: frozenset[Path]) -> Iterator[None]:
        """Keep Codex from opening a thread. Raises _SkipError when the thread cannot be changed, also in the body."""
        if thread.is_compressed:
            raise _LaterError(COMPRESSED)
        try:
            with writer_lock(self._env, thread.id) as is_held:
                if not is_held or Path(os.path.realpath(thread.path)) in opened:
                    raise _LaterError(OPEN)
                if not thread.path.stat().st_mode & stat.S_IWUSR:
                    # An atomic replacement would ignore the mode.
                    raise _LaterError(READ_ONLY)
                yield
        except (FileAccessError, OSError) as error:
            # One file that cannot be written must not keep the others from being moved or restored.
            raise _LaterError(str(error)) from error

    def _by_id(self) -> dict[str, Thread]:
        return {thread.id: thread for thread in self._index.threads()}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._journal.path
        with _errors():
            make_private_folder(path.parent)
            with locked(path.with_name(f".{path.name}.lock")):
                _remove_leftovers(path)
                yield


def _moved_content(moved: Moved, content: bytes) -> bytes:
    """Return the rollout after the move, also of what Codex has added since the plan."""
    if _digest(content[: moved.size]) == moved.sha256:
        content = apply(content, moved.edits)
    elif not is_applied(content, moved.edits):
        raise RolloutError(REWRITTEN)
    return _rest_named(moved, content, moved.source, moved.target)


def _restored_content(moved: Moved, content: bytes) -> bytes:
    """Return the rollout before the move, with what Codex has added since, which then names the same provider."""
    if _digest(content[: moved.size]) != moved.sha256:
        if not is_applied(content, moved.edits):
            # Codex has rewritten it: the bytes of before are gone, so only the provider is restored.
            return apply(content, edits_for(content, moved.id, {moved.target}, moved.source))
        restored = revert(content, moved.edits)
        if _digest(restored[: moved.size]) != moved.sha256:
            # The file or the journal has other bytes than the move wrote.
            return apply(content, edits_for(content, moved.id, {moved.target}, moved.source))
        content = restored
    return _rest_named(moved, content, moved.target, moved.source)


def _rest_named(moved: Moved, content: bytes, source: str, target: str) -> bytes:
    return apply(content, edits_for(content, moved.id, {source}, target, moved.size))


def _may_have_moved(moved: Moved, thread: Thread | None, reason: _SkipError) -> bool:
    """Return whether the rollout is already as after the move, also if it cannot be read now."""
    if thread is None or thread.is_compressed:
        return isinstance(reason, _LaterError)
    try:
        content = _read(thread.path)
    except (_SkipError, OSError):
        return True
    return _digest(content[: moved.size]) != moved.sha256 and is_applied(content, moved.edits)


def _replace_rollout(path: Path, before: os.stat_result, content: bytes) -> None:
    def require_unchanged() -> None:
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise _LaterError(OPEN)

    write_atomic(
        path,
        content,
        stat.S_IMODE(before.st_mode),
        (before.st_uid, before.st_gid),
        require_unchanged,
        # Codex sorts threads by this time.
        times_ns=(before.st_atime_ns, before.st_mtime_ns),
    )


def _remove_leftovers(path: Path) -> None:
    """Delete the temporary files that `write_atomic` left for this path when its process was killed."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    try:
        # A named pipe must not block the command, so `Path.read_bytes` is not used.
        with open(path, "rb", opener=open_nonblocking) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _LaterError(NO_FILE)
            return file.read()
    except FileNotFoundError:
        # It was there when the folders were read: Codex may have moved it into another one.
        raise _LaterError(GONE) from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _errors() -> Iterator[None]:
    """Turn the errors of files and databases into ThreadMoveError."""
    try:
        yield
    except LockedError as error:
        raise ThreadMoveError(
            str(error), "Wait until it has finished, then run the command again."
        ) from None
    except ThreadIndexError as error:
        advice = "Close Codex, then run the command again: it finishes what was begun."
        raise ThreadMoveError(str(error), advice) from error
    except JournalError as error:
        advice = (
            f"Move the file away, then run the command again: mv {shlex.quote(str(error.path))} ~"
        )
        raise ThreadMoveError(str(error), advice) from error
    except FileAccessError as error:
        advice = "Check its permissions, then run the command again: it finishes what was begun."
        raise ThreadMoveError(str(error), advice) from error
    except OSError as error:
        advice = "Check its permissions, then run the command again: it finishes what was begun."
        msg = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
        raise ThreadMoveError(msg, advice) from error
