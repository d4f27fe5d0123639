"""Runs one program for a shim, and ends it with all that it has started when the shim wants it or is gone.

A script, started as `python -I -S guard.py LIFELINE UMASK PROGRAM ARGUMENT…`. LIFELINE is a socket whose other end the
shim alone holds: when that closes, by intent or because the shim was killed, the program's end begins. It is told the
program's process group, then its exit code. A process of its own, so that no death of the shim, not even by SIGKILL, leaves a program behind.

Never does: import a module of ours (each turn waits for its start), touch what the program reads and writes.
Invariant: when it ends, nothing of the program's group is left; on Linux nothing either of what has left that group,
for orphans become its own children there.
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
"""What the group has between being asked to end and being killed."""
KILL_SECONDS = 1.0
LOOK_SECONDS = 0.02
NOT_STARTED = 127
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
IS_LINUX = sys.platform == "linux"


def main(arguments: list[str]) -> None:
    """Guard one program from its start to the end of all that it has started."""
    lifeline, umask, command = int(arguments[0]), int(arguments[1], 8), arguments[2:]
    os.set_inheritable(lifeline, False)  # noqa: FBT003
    wake = _signals_to_pipe()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    program = _start(command, umask)
    _let_go_of_streams()
    _tell(lifeline, program)
    code = _ended_or_ordered(program, lifeline, wake)
    if code is not None:
        _tell(lifeline, code)
    _end(program)


def _tell(lifeline: int, number: int) -> None:
    # The shim may be gone, which is what comes next.
    with contextlib.suppress(OSError):
        os.write(lifeline, b"%d\n" % number)


def _signals_to_pipe() -> int:
    """Make the signals that matter readable: of a child's end, and of somebody who wants us to end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing)
    return reading


def _prctl(option: int, value: int) -> None:
    if not IS_LINUX:
        return
    # A Python without it guards the program's group all the same.
    with contextlib.suppress(ImportError, OSError):
        import ctypes  # noqa: PLC0415  10 ms, and of use here alone

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
    # Both sides do it, for either may be first.
    with contextlib.suppress(OSError):
        os.setpgid(program, program)
    return program


def _become(command: list[str], umask: int, guard: int) -> NoReturn:
    try:
        os.setpgid(0, 0)
        os.umask(umask)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # Python ignores it, and a program would inherit that.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if os.getppid() == guard:
            os.execv(command[0], command)  # noqa: S606  the user's own binary, and no shell
    except OSError as error:
        os.write(2, f"{command[0]} cannot be run: {error.strerror}\n".encode())
    finally:
        os._exit(NOT_STARTED)


def _let_go_of_streams() -> None:
    """They are the program's: an open end of ours would hide that it has closed its own."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _ended_or_ordered(program: int, lifeline: int, wake: int) -> int | None:
    """The program's exit code once it has ended; None when it has to be ended."""
    poll = select.poll()
    for descriptor in (lifeline, wake):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if lifeline in ready or set(os.read(wake, 64)) - {signal.SIGCHLD}:
            return None
        code = _reap(program)
        if code is not None:
            return code


def _reap(program: int) -> int | None:
    """Take note of children that have ended. Gives the program's exit code if it is among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            if found[0] == program:
                code = os.waitstatus_to_exitcode(found[1])
    return code


def _end(program: int) -> None:
    """Ask everything that is left to end, then kill it."""
    for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        deadline = time.monotonic() + seconds
        _signal(program, number)
        while _remains(program):
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK_SECONDS)
            if number == signal.SIGKILL:
                # what was just orphaned is found now
                _signal(program, number)


def _remains(program: int) -> bool:
    _reap(program)
    return _is_group(program) or bool(_children())


def _is_group(program: int) -> bool:
    try:
        os.killpg(program, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS says so of a group of zombies
        return IS_LINUX
    return True


def _children() -> list[int]:
    """Our own children, with the orphans that we were given. Elsewhere than on Linux there are no orphans."""
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
