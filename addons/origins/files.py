"""Small files, read through a cache that one stat keeps honest, and written so that a crash leaves old or new.

Never does: parse, log, block on a pipe. Invariant: `CachedFile.read` never gives content older than the file had when
it was called, and `write_atomic` never leaves a half-written file under the final name, nor a temporary one on failure.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RACY_NS = 2_000_000_000
"""A file changed this recently may change again without its mtime showing it (FAT counts in 2 s)."""

OWNER_ONLY = 0o700
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class FileAccessError(Exception):
    """The operating system refused a file. `reason` is its own text, without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Seen:
    mark: tuple[int, int, int]
    data: bytes


class CachedFile:
    """One file's bytes. A read of an unchanged file costs one stat and gives the same object again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: _Seen | None = None

    def read(self) -> bytes | None:
        """Give the file's bytes, or None when there is no such file.

        Raises FileAccessError when it exists and cannot be read.
        """
        try:
            return self._fresh()
        except FileNotFoundError:
            self._seen = None
            return None
        except OSError as error:
            raise _refused(self.path, error) from error

    @property
    def rests(self) -> bool:
        """Whether the content last read is old enough for one stat to vouch for it."""
        return self._seen is not None

    def forget(self) -> None:
        """Drop the cache: the next read really reads."""
        self._seen = None

    def _fresh(self) -> bytes:
        seen = self._seen
        if seen is not None and _mark(self.path.stat()) == seen.mark:
            return seen.data
        self._seen = None
        # A pipe under this name must not block the caller, hence not `Path.read_bytes`.
        with open(self.path, "rb", opener=open_at_once) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise OSError(0, "not a regular file")
            data = file.read()
        if time.time_ns() - before.st_mtime_ns > RACY_NS:
            self._seen = _Seen(_mark(before), data)
        return data


def _no_look() -> None:
    """Whatever the file holds, it is replaced."""


def write_atomic(
    path: Path,
    data: bytes,
    mode: int = 0o600,
    owner: tuple[int, int] | None = None,
    last_look: Callable[[], None] = _no_look,
) -> None:
    """Write a file so that readers, and a machine that crashes, see the old content or the new.

    A symlink's target is replaced, not the link. Missing folders are made with mode 0700. `owner` is user and group,
    for root, who may write the files of others. `last_look` may raise when the new content lies ready, which may take a
    while, and the old one has yet to go.
    Raises FileAccessError; the file is then unchanged.
    """
    try:
        target = Path(os.path.realpath(path))
        make_private(target.parent)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
        try:
            _write_new(temporary, data, mode, owner)
            last_look()
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)
    except OSError as error:
        raise _refused(path, error) from error


def open_at_once(path: str, _flags: int) -> int:
    """Open for reading, without waiting for a writer when a pipe has the name: an `opener` for `open`."""
    return os.open(path, _READ_FLAGS)


def _write_new(path: Path, data: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    with os.fdopen(os.open(path, _NEW_FLAGS, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(mode if not owner or _is_given(path, owner) else mode & OWNER_ONLY)


def _is_given(path: Path, owner: tuple[int, int]) -> bool:
    """Give the file to its owner; where that is not allowed, the old group bits would open it to another group."""
    if os.name == "nt" or owner == (path.stat().st_uid, path.stat().st_gid):
        return True
    try:
        os.chown(path, *owner)
    except PermissionError:
        return False
    return True


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone. Raises OSError."""
    if folder.is_dir():
        return
    make_private(folder.parent)
    # `mkdir(parents=True)` would give the folders in between the default mode.
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder") from None


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut. Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _refused(path: Path, error: OSError) -> FileAccessError:
    return FileAccessError(path, error.strerror or type(error).__name__)
