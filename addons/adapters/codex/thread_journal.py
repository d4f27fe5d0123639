"""The journal of moved threads: what each move changes, written before the change, so that it can be finished or undone.

Never does: change a thread. Invariant: the file is replaced atomically, and `edits` of a thread restore its rollout byte for
byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

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
            return [_move(each) for each in _list(record["moves"])]
        except (KeyError, TypeError, ValueError):
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


def _move(record: Mapping[str, object]) -> Move:
    author, state, time = record["author"], record["state"], record["time"]
    if author not in get_args(Author) or state not in get_args(State):
        raise ValueError(author, state)
    if not isinstance(time, int | float):
        raise TypeError(time)
    return Move(
        _text(record["home"]),
        author,  # type: ignore[arg-type]  # it is one of the literals
        state,  # type: ignore[arg-type]
        float(time),
        tuple(_moved(each) for each in _list(record["threads"])),
    )


def _moved(record: Mapping[str, object]) -> Moved:
    size = _number(record["size"])
    edits, end = [], 0
    for each in _list(record["edits"]):
        edit = _edit(each)
        # Edits that overlap, or that reach beyond the rollout, are none that the program planned.
        if not end <= edit.offset <= size - len(edit.old):
            raise ValueError(edit.offset)
        end = edit.offset + len(edit.old)
        edits.append(edit)
    thread_id, source, target = (_text(record[each]) for each in ("id", "source", "target"))
    return Moved(thread_id, source, target, size, _text(record["sha256"]), tuple(edits))


def _edit(record: Sequence[object]) -> Edit:
    offset, old, new = record
    edit = Edit(
        _number(offset),
        # One character per byte.
        _text(old).encode("latin-1"),
        _text(new).encode("latin-1"),
    )
    if len(edit.old) != len(edit.new):
        raise ValueError(offset)
    return edit


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(value)
    return value
