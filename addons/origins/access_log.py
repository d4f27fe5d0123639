"""The access log: one JSON line a turn in the state folder, rotated by size.

Never does: hold content or a secret (`addons.core.access` makes the lines), follow a symlink, raise for a full disk at
a caller on the request path: only the writer's thread calls it. Invariant: what is written in one call is written by
one write, so that two processes never mix their lines; and a line that a killed process left torn spoils no other one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from addons.core.limits import MIB
from addons.origins.files import make_private

ROTATE_BYTES = 10 * MIB
KEPT = 5
"""How many older files are kept."""
_FLAGS = (
    os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)


class AccessLog:
    """Appends to one file. Raises OSError."""

    def __init__(self, path: Path, rotate_bytes: int = ROTATE_BYTES, kept: int = KEPT) -> None:
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._kept = kept

    def write(self, lines: Iterable[Mapping[str, object]]) -> None:
        """Append these lines."""
        data = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        if not data:
            return
        make_private(self._path.parent)
        self._rotate(len(data))
        # opened anew each time: another process, or the user, may have moved the file
        descriptor = os.open(self._path, _FLAGS, 0o600)
        try:
            os.write(descriptor, b"\n" + data if _is_torn(descriptor) else data)
        finally:
            os.close(descriptor)

    def _rotate(self, more: int) -> None:
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        if size == 0 or size + more <= self._rotate_bytes:
            return
        for number in range(self._kept, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


def _is_torn(descriptor: int) -> bool:
    """Whether a kill or a full disk ended the last line before its time."""
    if not os.fstat(descriptor).st_size:
        return False
    os.lseek(descriptor, -1, os.SEEK_END)
    return os.read(descriptor, 1) != b"\n"
