"""Does work in forked children, so many at a time. Never does: tell children apart from others that the process has.

Each child begins with what its parent has imported, and nothing that it does comes back but its exit code and what it
printed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

BROKEN = 70
"""What a child ends with when its work raises."""


@dataclass(frozen=True, slots=True)
class Ended[K]:
    """A child that has ended."""

    key: K
    code: int
    """What its work gave; below 0: the signal that ended it."""
    printed: str


def in_children[K](work: Iterable[tuple[K, Callable[[], int]]], jobs: int) -> Iterator[Ended[K]]:
    """Do each piece of work in a child of its own, in the order in which they end."""
    running: dict[int, tuple[K, Path]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (key, call) in enumerate(work):
            if len(running) == jobs:
                yield _next_ended(running)
            log = Path(folder) / str(number)
            running[_forked(call, log)] = key, log
        while running:
            yield _next_ended(running)


def _next_ended[K](running: dict[int, tuple[K, Path]]) -> Ended[K]:
    child, status = os.wait()
    key, log = running.pop(child)
    printed = log.read_text(errors="replace")
    log.unlink()
    return Ended(key, os.waitstatus_to_exitcode(status), printed)


def _forked(call: Callable[[], int], log: Path) -> int:
    sys.stdout.flush()
    log.touch()
    return os.fork() or _child(call, log)


def _child(call: Callable[[], int], log: Path) -> NoReturn:
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    code = BROKEN
    try:
        code = call()
    except BaseException:  # noqa: BLE001  nothing may come back into what is the parent's
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
