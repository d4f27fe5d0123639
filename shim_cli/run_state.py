"""Which shims of this user run: one small file per port in our state folder, written by whoever listens.

Never does: believe a file alone; the process it names must live and be the same. Invariant: a process removes only its
own file.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from addons.origins.files import FileAccessError, write_atomic
from addons.origins.paths import state_dir
from shim_cli.processes import is_alive, start_mark


@dataclass(frozen=True, slots=True)
class RunState:
    """One running shim."""

    pid: int
    port: int
    start_mark: str
    """Tells the process from a later one with its number; empty where the system does not say."""
    drain_seconds: float
    """What its turns are given at its end."""
    version: str
    detached: bool
    """Whether `codex-shim start` started it: only then `disable` may end it."""
    log: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        if not is_alive(self.pid):
            return False
        return not self.start_mark or start_mark(self.pid) == self.start_mark


def run_dir(env: Mapping[str, str]) -> Path:
    """Where these files, and what a shim writes while it runs, are."""
    return state_dir(env) / "run"


def state_file(env: Mapping[str, str], port: int) -> Path:
    """The file of the shim on this port."""
    return run_dir(env) / f"{port}.json"


def read_state(env: Mapping[str, str], port: int) -> RunState | None:
    """What the file says; None when there is none that can be used."""
    try:
        state = RunState(**json.loads(state_file(env, port).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return state if _is_usable(state) else None


def _is_usable(state: RunState) -> bool:
    """A file may say anything, and a signal to 0 or below reaches a whole group of processes."""
    return (
        all(isinstance(number, int) and number > 0 for number in _whole(state))
        and _is_text(state.start_mark)
        and _is_span(state.drain_seconds)
    )


def _whole(state: RunState) -> tuple[object, object]:
    return state.pid, state.port


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_span(value: object) -> bool:
    return isinstance(value, int | float) and value >= 0


def write_state(env: Mapping[str, str], state: RunState) -> str:
    """Write the file of this process. Gives why that was not possible: a shim can do without."""
    try:
        write_atomic(state_file(env, state.port), json.dumps(asdict(state)).encode())
    except FileAccessError as error:
        return str(error)
    return ""


def remove_state(env: Mapping[str, str], port: int, pid: int = 0) -> None:
    """Remove the file when it is this process's own, or names one (`pid`) that has ended."""
    state = read_state(env, port)
    if state and state.pid != (pid or os.getpid()):
        return
    with contextlib.suppress(OSError):
        state_file(env, port).unlink(missing_ok=True)
