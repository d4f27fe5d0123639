"""Other processes, as far as starting and stopping ours takes it: alive, the same one still, who has the port.

Never does: raise for a process that is gone, wait, guess on a platform that it does not know. Invariant: a process that
is named here by a recorded start is that process, not a later one with its number.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

PROC = Path("/proc")
ASK_SECONDS = 5.0
START_FIELD = 19
"""Of /proc/PID/stat, counted from the field behind the name: when the process began (proc_pid_stat(5), field 22)."""
LISTENING = "0A"
# values of the Windows API, which `subprocess` has on Windows alone
CREATE_NEW_PROCESS_GROUP, DETACHED_PROCESS = 0x200, 0x8

Ask = Callable[[list[str]], str]


def detached(platform: str = sys.platform) -> Mapping[str, Any]:
    """What `subprocess.Popen` needs for a child that outlives its terminal."""
    if platform == "win32":
        return {"creationflags": DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def ask(command: list[str]) -> str:
    """What a program of the system prints; empty when it is missing or fails."""
    try:
        done = subprocess.run(  # noqa: S603  a fixed name of the system's own, and no shell
            command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def is_alive(pid: int, platform: str = sys.platform, ask: Ask = ask) -> bool:
    """Whether the process runs. One that has ended and was not waited for does not."""
    if platform == "win32":
        # signal 0 would end it there
        return f'"{pid}"' in ask(["tasklist", "/FI", f"PID eq {pid}", "/NH", "/FO", "CSV"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    return _stat_fields(pid)[:1] == ["Z"]


def _stat_fields(pid: int) -> list[str]:
    """The fields behind the name, which may itself hold blanks and brackets."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (OSError, ValueError):
        return []
    return text.rpartition(")")[2].split()


def start_mark(pid: int, platform: str = sys.platform, ask: Ask = ask) -> str:
    """Tells this process from a later one with its number; empty where the system does not say."""
    if platform == "linux":
        fields = _stat_fields(pid)
        return fields[START_FIELD] if len(fields) > START_FIELD else ""
    if platform == "darwin":
        return ask(["ps", "-o", "lstart=", "-p", str(pid)]).strip()
    return ""


def terminate(pid: int) -> None:
    """Ask it to end. Windows knows no asking: there it ends at once."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def who_listens(port: int, platform: str = sys.platform, ask: Ask = ask) -> str:
    """The program that has the port, in words; empty when the system does not tell us."""
    if platform == "linux":
        return _linux_listener(port)
    if platform == "darwin":
        return _lsof_listener(ask(["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]))
    return ""


def _lsof_listener(output: str) -> str:
    fields = {line[:1]: line[1:] for line in reversed(output.splitlines())}
    return f"{fields['c']} (pid {fields['p']})" if {"c", "p"} <= fields.keys() else ""


def _linux_listener(port: int) -> str:
    inodes = {f"socket:[{inode}]" for _, inode in _listening(port)}
    for process in PROC.glob("[0-9]*") if inodes else ():
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def is_another_users(port: int, platform: str = sys.platform) -> bool:
    """Whether what listens there is known to be another user's: it may say of itself what it likes."""
    if platform != "linux" or sys.platform == "win32":
        return False
    owners = {uid for uid, _ in _listening(port)}
    return bool(owners) and os.getuid() not in owners


def _listening(port: int) -> Iterator[tuple[int, str]]:
    """User and inode of each socket that listens on the port."""
    for table in ("tcp", "tcp6"):
        try:
            rows = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            _, local, _, state, *rest = row.split()
            if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                yield int(rest[3]), rest[5]
