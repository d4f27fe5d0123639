"""The guard as a script: its reports, the processes that it ends, and its behaviour on other systems.

Unlike in production the guard runs with site-packages here, because coverage needs them.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from addons.adapters.system import process_guard as guard
from tests.fakes.cursor import is_alive
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")

SECONDS = 20.0
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
away = subprocess.Popen(["sleep", "3600"], start_new_session=True, **quiet)
print(os.getpid(), away.pid, flush=True)
time.sleep(3600)
"""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")


@dataclass
class Guard:
    """A running guard."""

    process: subprocess.Popen[bytes]
    lifeline: socket.socket

    def line(self) -> bytes:
        """Return the next line of the program's output."""
        assert self.process.stdout
        return self.process.stdout.readline()

    def reports(self) -> list[int]:
        """Return everything that the guard has reported, after its end."""
        self.process.wait(SECONDS)
        reported = b""
        while data := self.lifeline.recv(64):
            reported += data
        return [int(number) for number in reported.split()]

    def errors(self) -> bytes:
        assert self.process.stderr
        return self.process.stderr.read()


@contextmanager
def guarding(*program: str, umask: str = "22") -> Iterator[Guard]:
    own_end, guard_end = socket.socketpair()
    own_end.settimeout(SECONDS)
    with own_end:
        with guard_end:
            process = subprocess.Popen(
                [sys.executable, "-P", guard.__file__, str(guard_end.fileno()), umask, *program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(guard_end.fileno(),),
                start_new_session=True,
            )
        with process:
            try:
                yield Guard(process, own_end)
            finally:
                process.send_signal(signal.SIGTERM)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


def test_guard_reports_the_group_and_then_the_exit_code() -> None:
    with guarding(*python("import os; print(os.getpgrp()); raise SystemExit(7)")) as one:
        group = int(one.line())
        assert one.reports() == [group, 7]
        assert one.process.returncode == 0
        assert group != one.process.pid


def test_program_gets_the_umask_and_the_default_sigpipe() -> None:
    """Python ignores SIGPIPE, and the program would inherit that."""
    with guarding("/bin/sh", "-c", "umask; kill -PIPE $$; echo alive", umask="27") as one:
        assert one.line() == b"0027\n"
        assert one.reports()[1] == -signal.SIGPIPE


def test_closed_output_of_the_program_is_visible() -> None:
    """The guard must hold no end of the program's pipes."""
    code = "import os, sys; os.close(1); os.close(2); sys.stdin.read()"
    with guarding(*python(code)) as one:
        assert one.line() == b""
        assert one.errors() == b""
        assert one.process.poll() is None
        assert one.process.stdin
        one.process.stdin.close()
        assert one.reports()[1] == 0


def test_program_that_cannot_run_is_reported_on_stderr(tmp_path: Path) -> None:
    with guarding(str(tmp_path / "nothing")) as one:
        assert one.reports()[1] == guard.NOT_STARTED
        assert b"nothing cannot be run: No such file or directory" in one.errors()


@on_linux
@pytest.mark.parametrize("order", ["closed", "half-closed", "signal"])
async def test_end_reaches_processes_that_ignore_sigterm_or_left_the_group(order: str) -> None:
    with guarding(*python(STUBBORN)) as one:
        family = [int(pid) for pid in one.line().split()]
        assert len(family) == 2
        if order == "closed":
            one.lifeline.close()
        elif order == "half-closed":
            one.lifeline.shutdown(socket.SHUT_WR)
        else:
            one.process.send_signal(signal.SIGTERM)
        await until(lambda: one.process.poll() is not None)
        assert not [pid for pid in family if is_alive(pid)]
        if order != "closed":
            [group] = one.reports()
            assert group == family[0], "a program that the guard ended has no exit code"


def test_no_program_is_left_when_the_shim_is_gone_before_the_start() -> None:
    own_end, guard_end = socket.socketpair()
    with guard_end:
        own_end.close()
        command = [sys.executable, "-P", guard.__file__, str(guard_end.fileno()), "22"]
        done = subprocess.run(
            [*command, *python("import time; time.sleep(3600)")],
            pass_fds=(guard_end.fileno(),),
            check=False,
            timeout=SECONDS,
            start_new_session=True,
        )
    assert done.returncode == 0


# Other systems -------------------------------------------------------------------------------------------


def test_failed_fork_is_reported(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", full)
    with pytest.raises(SystemExit) as ended:
        guard._start(["/x/program"], 0o22)
    assert ended.value.code == guard.NOT_STARTED
    assert capfd.readouterr().err == (
        "/x/program cannot be started: Resource temporarily unavailable\n"
    )


@pytest.mark.parametrize(("is_linux", "remains"), [(True, True), (False, False)])
def test_inaccessible_group_is_one_of_zombies_on_macos(
    monkeypatch: pytest.MonkeyPatch, is_linux: bool, remains: bool
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refuse)
    monkeypatch.setattr(guard, "IS_LINUX", is_linux)
    assert guard._group_exists(1) is remains


def test_only_the_group_is_signalled_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    signalled: list[tuple[int, int]] = []

    def nothing(*_: object) -> io.StringIO:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", nothing)
    monkeypatch.setattr(os, "killpg", lambda *given: signalled.append(given))
    monkeypatch.setattr(guard, "IS_LINUX", False)
    guard._signal(77, signal.SIGTERM)
    guard._prctl(guard.PR_SET_CHILD_SUBREAPER, 1)
    assert signalled == [(77, signal.SIGTERM)]
