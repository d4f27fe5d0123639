"""Run work in forked children, a limited number at a time.

A child starts with what its parent has imported, and returns its exit code and its output, nothing else.
Never does: wait only for its own children. The process must have no others.
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

CRASHED = 70
"""Exit code of a child whose work raised."""


@dataclass(frozen=True, slots=True)
class Ended[K]:
    """The result of a child."""

    key: K
    code: int
    """The result of its work. A negative number is the signal that killed it."""
    printed: str


def in_children[K](work: Iterable[tuple[K, Callable[[], int]]], jobs: int) -> Iterator[Ended[K]]:
    """Run each piece of work in a child of its own, and yield the results in the order in which the children end."""
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
    code = CRASHED
    try:
        code = call()
    except BaseException:  # noqa: BLE001  the child must not return into the parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
