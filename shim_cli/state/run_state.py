"""The record of each running shim: one file per port in the state folder, written by the shim itself.

Never does: trust a file alone; its process must be alive and have the recorded start mark. Invariant: a process removes
only its own file.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from addons.adapters.system.files import FileAccessError, write_atomic
from addons.adapters.system.paths import state_dir
from shim_cli.state.processes import is_alive, start_mark


@dataclass(frozen=True, slots=True)
class RunState:
    """The record of one running shim."""

    pid: int
    port: int
    start_mark: str
    """Distinguishes the process from a later one with the same pid; empty if the system does not report one."""
    drain_seconds: float
    """The time that running turns get when the shim stops."""
    version: str
    detached: bool
    """Whether it runs in the background: only then `disable` may stop it."""
    log: str = ""
    settings: str = ""
    """The models.json that --settings named; empty without the option."""

    @property
    def is_alive(self) -> bool:
        """Whether the recorded process is still running."""
        if not is_alive(self.pid):
            return False
        return not self.start_mark or start_mark(self.pid) == self.start_mark


def run_dir(env: Mapping[str, str]) -> Path:
    """Return the folder of the records and of the logs of background shims."""
    return state_dir(env) / "run"


def state_file(env: Mapping[str, str], port: int) -> Path:
    """Return the path of the record of a port."""
    return run_dir(env) / f"{port}.json"


def read_state(env: Mapping[str, str], port: int) -> RunState | None:
    """Return the record of a port; None if it is missing or invalid."""
    return _read(state_file(env, port))


def live_ports(folder: Path) -> list[int]:
    """Return the ports of the running shims that have a record in this folder."""
    states = (_read(path) for path in sorted(folder.glob("*.json")))
    return [state.port for state in states if state and state.is_alive]


def _read(path: Path) -> RunState | None:
    try:
        state = RunState(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return state if _is_valid(state) else None


def _is_valid(state: RunState) -> bool:
    """Check the types and ranges. A signal to pid 0 or below would reach a whole group of processes."""
    return (
        _is_positive_int(state.pid)
        and _is_positive_int(state.port)
        and _is_string(state.start_mark)
        and _is_duration(state.drain_seconds)
    )


def _is_positive_int(value: object) -> bool:
    return isinstance(value, int) and value > 0


def _is_string(value: object) -> bool:
    return isinstance(value, str)


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and value >= 0


def write_state(env: Mapping[str, str], state: RunState) -> str:
    """Write the record of this process. Return the reason if that fails: a shim works without a record."""
    try:
        write_atomic(state_file(env, state.port), json.dumps(asdict(state)).encode())
    except FileAccessError as error:
        return str(error)
    return ""


def remove_state(env: Mapping[str, str], port: int, pid: int = 0) -> None:
    """Remove the record if it belongs to this process, or to `pid`, which has exited."""
    state = read_state(env, port)
    if state and state.pid != (pid or os.getpid()):
        return
    with contextlib.suppress(OSError):
        state_file(env, port).unlink(missing_ok=True)
