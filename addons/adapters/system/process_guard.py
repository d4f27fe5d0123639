"""Supervises one program, and ends it with all its descendants when the shim closes its socket or dies.

Run as a script: `python -I -S process_guard.py LIFELINE UMASK PROGRAM ARGUMENT…`. LIFELINE is the descriptor of a socket
whose other end only the shim holds. When that end closes, on purpose or because the shim was killed, the guard ends the
program. The guard writes two lines to the socket: the program's process group, then its exit code. It is a process of
its own, so that no death of the shim, not even by SIGKILL, leaves the program running.

Never does: import another module of the project (each turn waits for its start), read or write the program's streams.
Invariant: when the guard ends, no process of the program's group is left. On Linux no process that left the group
remains either, because the guard adopts orphans.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from typing import NoReturn

TERM_SECONDS = 2.0
"""The time between SIGTERM and SIGKILL."""
KILL_SECONDS = 1.0
POLL_SECONDS = 0.02
NOT_STARTED = 127
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
IS_LINUX = sys.platform == "linux"


def main(arguments: list[str]) -> None:
    """Supervise one program from its start to the end of all its descendants."""
    lifeline, umask, command = int(arguments[0]), int(arguments[1], 8), arguments[2:]
    os.set_inheritable(lifeline, False)  # noqa: FBT003
    wakeup = _signals_to_pipe()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    program = _start(command, umask)
    _release_streams()
    _report(lifeline, program)
    code = _wait(program, lifeline, wakeup)
    if code is not None:
        _report(lifeline, code)
    _end(program)


def _report(lifeline: int, number: int) -> None:
    # The shim may be gone; `_wait` handles that next.
    with contextlib.suppress(OSError):
        os.write(lifeline, b"%d\n" % number)


def _signals_to_pipe() -> int:
    """Return a descriptor that becomes readable when a child ends or a termination signal arrives."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing)
    return reading


def _prctl(option: int, value: int) -> None:
    if not IS_LINUX:
        return
    # Without ctypes the guard still supervises the process group.
    with contextlib.suppress(ImportError, OSError):
        import ctypes  # noqa: PLC0415  takes 10 ms

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _start(command: list[str], umask: int) -> int:
    guard = os.getpid()
    try:
        program = os.fork()
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
        sys.exit(NOT_STARTED)
    if not program:
        _become(command, umask, guard)
    # Parent and child both do it, because either may run first.
    with contextlib.suppress(OSError):
        os.setpgid(program, program)
    return program


def _become(command: list[str], umask: int, guard: int) -> NoReturn:
    try:
        os.setpgid(0, 0)
        os.umask(umask)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # Python ignores SIGPIPE, and the program would inherit that.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if os.getppid() == guard:
            os.execv(command[0], command)  # noqa: S606  the user's own binary, and no shell
    except OSError as error:
        os.write(2, f"{command[0]} cannot be run: {error.strerror}\n".encode())
    finally:
        os._exit(NOT_STARTED)


def _release_streams() -> None:
    """Close the program's streams in the guard: an open copy would hide that the program closed its own."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _wait(program: int, lifeline: int, wakeup: int) -> int | None:
    """Return the program's exit code once it has ended; None when the guard has to end it."""
    poll = select.poll()
    for descriptor in (lifeline, wakeup):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if lifeline in ready or set(os.read(wakeup, 64)) - {signal.SIGCHLD}:
            return None
        code = _reap(program)
        if code is not None:
            return code


def _reap(program: int) -> int | None:
    """Reap ended children. Return the program's exit code if it is among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            if found[0] == program:
                code = os.waitstatus_to_exitcode(found[1])
    return code


def _end(program: int) -> None:
    """Send SIGTERM to all remaining processes, then SIGKILL."""
    for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        deadline = time.monotonic() + seconds
        _signal(program, number)
        while _is_left(program):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
            if number == signal.SIGKILL:
                # Processes that were orphaned since are children now.
                _signal(program, number)


def _is_left(program: int) -> bool:
    _reap(program)
    return _group_exists(program) or bool(_children())


def _group_exists(program: int) -> bool:
    try:
        os.killpg(program, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS gives this error for a group of zombies.
        return IS_LINUX
    return True


def _children() -> list[int]:
    """Return the guard's children, including adopted orphans. Only Linux lists and adopts them."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children") as file:  # noqa: PTH123  pathlib takes 10 ms to load
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _signal(program: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(program, number)
    for pid in _children():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


if __name__ == "__main__":
    main(sys.argv[1:])
