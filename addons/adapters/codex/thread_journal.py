"""The journal of moved threads: what each move changes, written before the change, so that it can be finished or undone.

Never does: change a thread. Invariant: the file is replaced atomically, and `edits` of a thread restore its rollout byte for
byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from addons.adapters.system.files import write_atomic
from addons.adapters.system.paths import thread_moves_file
from addons.core.codex.rollout import Edit

State = Literal["moving", "done", "undoing"]
Author = Literal["command", "enable"]
FORMAT = 1


class JournalError(Exception):
    """The journal cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Moved:
    """One thread of a move: its provider before and after, and its rollout before."""

    id: str
    source: str
    target: str
    size: int
    sha256: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """The threads that one command moved. `state` tells whether it ended, and which way it was going."""

    home: str
    """Codex's folder, because several may share one state folder."""
    author: Author
    state: State
    time: float
    threads: tuple[Moved, ...]


class ThreadJournal:
    """The journal in the state folder that this environment names."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.path: Path = thread_moves_file(env)

    def read(self) -> list[Move]:
        """Return the moves that can be undone, the oldest first. Raises JournalError."""
        try:
            record = orjson.loads(self.path.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise JournalError(self.path, f"cannot be read: {error}") from None
        try:
            if record["format"] != FORMAT:
                raise ValueError(record["format"])  # noqa: TRY301  one message for all of them
            return [_move(each) for each in record["moves"]]
        except (KeyError, TypeError, ValueError, UnicodeError):
            reason = "is damaged, or of another version of codex-shim"
            raise JournalError(self.path, reason) from None

    def write(self, moves: Sequence[Move]) -> None:
        """Replace the journal, or delete it when there are no moves. Raises OSError or FileAccessError."""
        if moves:
            data = orjson.dumps({"format": FORMAT, "moves": [_plain(move) for move in moves]})
            write_atomic(self.path, data)
        else:
            self.path.unlink(missing_ok=True)


def _plain(move: Move) -> dict[str, object]:
    return {
        "home": move.home,
        "author": move.author,
        "state": move.state,
        "time": move.time,
        "threads": [
            {
                "id": thread.id,
                "source": thread.source,
                "target": thread.target,
                "size": thread.size,
                "sha256": thread.sha256,
                # One character per byte, because a line of a rollout may hold any bytes.
                "edits": [
                    [edit.offset, edit.old.decode("latin-1"), edit.new.decode("latin-1")]
                    for edit in thread.edits
                ],
            }
            for thread in move.threads
        ],
    }


def _move(record: dict[str, object]) -> Move:
    threads = record["threads"]
    if not isinstance(threads, list):
        raise TypeError
    return Move(
        str(record["home"]),
        record["author"],  # type: ignore[arg-type]  # the program wrote it
        record["state"],  # type: ignore[arg-type]
        float(str(record["time"])),
        tuple(_moved(each) for each in threads),
    )


def _moved(record: dict[str, object]) -> Moved:
    edits = record["edits"]
    if not isinstance(edits, list):
        raise TypeError
    return Moved(
        str(record["id"]),
        str(record["source"]),
        str(record["target"]),
        int(str(record["size"])),
        str(record["sha256"]),
        tuple(
            Edit(int(offset), old.encode("latin-1"), new.encode("latin-1"))
            for offset, old, new in edits
        ),
    )
