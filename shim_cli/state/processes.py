"""Operating system queries about processes and ports, and the calls that start and stop processes.

Never does: raise for a process that is gone, wait, guess on an unknown platform. Invariant: a pid together with its start
mark identifies one process, although pids are reused.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

TERMINATION_SIGNALS = ("SIGTERM", "SIGHUP")
PROC = Path("/proc")
QUERY_TIMEOUT = 5.0
START_FIELD = 19
"""Index of the start time in /proc/PID/stat, counted after the name (proc_pid_stat(5), field 22)."""
THREADS_FIELD = 17
"""Index of the number of threads, counted likewise (field 20)."""
LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp."""
# Windows API constants, which `subprocess` defines on Windows only
CREATE_NEW_PROCESS_GROUP, DETACHED_PROCESS = 0x200, 0x8

Query = Callable[[list[str]], str]


def detached(platform: str = sys.platform) -> Mapping[str, Any]:
    """Return the `subprocess.Popen` arguments for a child that outlives its terminal."""
    if platform == "win32":
        return {"creationflags": DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def query(command: list[str]) -> str:
    """Return the output of a system program; empty if it is missing or fails."""
    import subprocess  # noqa: PLC0415  takes longer to import than to read /proc

    try:
        done = subprocess.run(  # noqa: S603  a fixed program name, and no shell
            command, capture_output=True, text=True, timeout=QUERY_TIMEOUT, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def replace_process(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program in place of this process, so that signals and the exit code are its own.

    Windows cannot replace a process: there it runs as a child. Return its exit code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execve(argv[0], list(argv), env)  # noqa: S606  callers pass an absolute path, and no shell
    import subprocess  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(argv, env=env)  # noqa: S603  callers pass an absolute path, and no shell


def is_alive(pid: int, platform: str = sys.platform, query: Query = query) -> bool:
    """Return whether the process is running. A zombie is not."""
    if platform == "win32":
        # On Windows signal 0 would terminate the process.
        return f'"{pid}"' in query(["tasklist", "/FI", f"PID eq {pid}", "/NH", "/FO", "CSV"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    fields = _stat_fields(pid)
    # a thread that has not ended yet holds the sockets of the process
    return fields[:1] == ["Z"] and not (
        len(fields) > THREADS_FIELD and int(fields[THREADS_FIELD]) > 1
    )


def _stat_fields(pid: int) -> list[str]:
    """Return the fields after the name, which may contain spaces and brackets."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (OSError, ValueError):
        return []
    return text.rpartition(")")[2].split()


def start_mark(pid: int, platform: str = sys.platform, query: Query = query) -> str:
    """Return a mark of the start time that distinguishes reused pids; empty if the system does not report one."""
    if platform == "linux":
        fields = _stat_fields(pid)
        return fields[START_FIELD] if len(fields) > START_FIELD else ""
    if platform == "darwin":
        return query(["ps", "-o", "lstart=", "-p", str(pid)]).strip()
    return ""


def terminate(pid: int) -> None:
    """Send SIGTERM. On Windows this ends the process at once."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def kill(pid: int) -> None:
    """End the process at once, whatever it does."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def describe_listener(port: int, platform: str = sys.platform, query: Query = query) -> str:
    """Return name and pid of the program that listens on the port; empty if unknown."""
    if platform == "linux":
        return _linux_listener(port)
    if platform == "darwin":
        return _lsof_listener(query(["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]))
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


def belongs_to_other_user(port: int, platform: str = sys.platform) -> bool:
    """Return whether the listener is known to belong to another user: its /health is then not trustworthy."""
    if platform != "linux" or sys.platform == "win32":
        return False
    owners = {uid for uid, _ in _listening(port)}
    return bool(owners) and os.getuid() not in owners


def _listening(port: int) -> Iterator[tuple[int, str]]:
    """Yield uid and inode of each socket that listens on the port."""
    for table in ("tcp", "tcp6"):
        try:
            rows = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            _, local, _, state, *rest = row.split()
            if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                yield int(rest[3]), rest[5]


def exit_on_termination() -> None:
    """Let this process end by SystemExit at a signal that ends it, so that it removes what it has set up."""
    for name in TERMINATION_SIGNALS:
        if number := getattr(signal, name, None):
            signal.signal(number, _exit_on_signal)


def _exit_on_signal(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
