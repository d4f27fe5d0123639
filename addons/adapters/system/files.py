"""Small files: cached reads that one stat validates, and atomic writes that survive a crash.

Never does: parse, log, block on a pipe. Invariant: `CachedFile.read` never returns content older than the file at the
time of the call, and `write_atomic` leaves neither a partial file under the final name nor a temporary file on failure.
"""

from __future__ import annotations

import errno
import os
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
    """The operating system refused access to a file. `reason` is its error text, without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Seen:
    mark: tuple[int, int, int]
    data: bytes


class CachedFile:
    """The bytes of one file. A read of an unchanged file costs one stat and returns the same object."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = os.fspath(path)
        self._seen: _Seen | None = None

    def read(self) -> bytes | None:
        """Return the file's bytes, or None when there is no such file.

        Raises FileAccessError when it exists and cannot be read.
        """
        try:
            # one system call, also for a file that does not exist
            found = os.stat(self._name)  # noqa: PTH116  of a string: this runs several times a turn
            if (seen := self._seen) is not None and _mark(found) == seen.mark:
                return seen.data
            return self._opened()
        except FileNotFoundError:
            self._seen = None
            return None
        except OSError as error:
            raise _access_error(self.path, error) from error

    @property
    def is_settled(self) -> bool:
        """Whether the last content is old enough for one stat to validate it."""
        return self._seen is not None

    def forget(self) -> None:
        """Drop the cache, so that the next read opens the file."""
        self._seen = None

    def _opened(self) -> bytes:
        self._seen = None
        # A named pipe must not block the caller, so `Path.read_bytes` is not used.
        with open(self.path, "rb", opener=open_nonblocking) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise OSError(0, "not a regular file")
            data = file.read()
        if time.time_ns() - before.st_mtime_ns > RACY_NS:
            self._seen = _Seen(_mark(before), data)
        return data


def _no_check() -> None:
    """Accept the replacement."""


def write_atomic(
    path: Path,
    data: bytes,
    mode: int = 0o600,
    owner: tuple[int, int] | None = None,
    before_replace: Callable[[], None] = _no_check,
    *,
    times_ns: tuple[int, int] | None = None,
) -> None:
    """Write a file so that readers, also after a crash, see either the old content or the new.

    A symlink's target is replaced, not the link. Missing folders are made with mode 0700. `owner` is user and group, for
    root, who may write other users' files. `before_replace` is called after the new content is on disk
    and before it replaces the old; it may raise to abort. `times_ns` are the times of access and modification that the
    file shall have.
    Raises FileAccessError; the file is then unchanged.
    """
    try:
        target = Path(os.path.realpath(path))
        make_private_folder(target.parent)
        temporary = target.with_name(f".{target.name}.{os.urandom(8).hex()}.tmp")
        try:
            _write_new(temporary, data, mode, owner)
            if times_ns:
                os.utime(temporary, ns=times_ns)
            before_replace()
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)
    except OSError as error:
        raise _access_error(path, error) from error


def open_nonblocking(path: str, _flags: int) -> int:
    """Open for reading without waiting for the writer of a named pipe: an `opener` for `open`."""
    return os.open(path, _READ_FLAGS)


def _write_new(path: Path, data: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    with os.fdopen(os.open(path, _NEW_FLAGS, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(mode if not owner or _give_to(path, owner) else mode & OWNER_ONLY)


def _give_to(path: Path, owner: tuple[int, int]) -> bool:
    """Return whether the file belongs to `owner` now. If not, the group bits must not open it to another group."""
    if os.name == "nt" or owner == (path.stat().st_uid, path.stat().st_gid):
        return True
    try:
        os.chown(path, *owner)
    except PermissionError:
        return False
    return True


def make_private_folder(folder: Path) -> None:
    """Make a folder and its missing parents with mode 0700. Raises OSError."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    # `mkdir(parents=True)` would give the parents the default mode.
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder") from None


def _sync_folder(folder: Path) -> None:
    """Make the new directory entry survive a power failure. Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _access_error(path: Path, error: OSError) -> FileAccessError:
    return FileAccessError(path, error.strerror or type(error).__name__)
