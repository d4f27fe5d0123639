"""The guard by its own protocol: a lifeline, a umask, a program; what it tells, what it ends, and what it does without.

It runs here with the site-packages that it does without in earnest, or a run with coverage could not look into it.
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

from addons.origins import guard
from tests.fakes.cursor import is_alive
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")

SECONDS = 20.0
DEAF = """
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
        """What the program says next."""
        assert self.process.stdout
        return self.process.stdout.readline()

    def told(self) -> list[int]:
        """All that the guard has told when it is gone."""
        self.process.wait(SECONDS)
        told = b""
        while data := self.lifeline.recv(64):
            told += data
        return [int(number) for number in told.split()]

    def complaint(self) -> bytes:
        assert self.process.stderr
        return self.process.stderr.read()


@contextmanager
def guarding(*program: str, umask: str = "22") -> Iterator[Guard]:
    ours, theirs = socket.socketpair()
    ours.settimeout(SECONDS)
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", guard.__file__, str(theirs.fileno()), umask, *program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        with process:
            try:
                yield Guard(process, ours)
            finally:
                process.send_signal(signal.SIGTERM)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


def test_it_tells_the_group_and_then_the_exit_code() -> None:
    with guarding(*python("import os; print(os.getpgrp()); raise SystemExit(7)")) as one:
        group = int(one.line())
        assert one.told() == [group, 7]
        assert one.process.returncode == 0
        assert group != one.process.pid


def test_a_program_gets_the_umask_of_its_user_and_ends_by_a_broken_pipe() -> None:
    """Python ignores SIGPIPE, and a program would inherit that."""
    with guarding("/bin/sh", "-c", "umask; kill -PIPE $$; echo alive", umask="27") as one:
        assert one.line() == b"0027\n"
        assert one.told()[1] == -signal.SIGPIPE


def test_a_program_that_closes_its_output_is_seen_to() -> None:
    """The guard must hold no end of the program's pipes."""
    code = "import os, sys; os.close(1); os.close(2); sys.stdin.read()"
    with guarding(*python(code)) as one:
        assert one.line() == b""
        assert one.complaint() == b""
        assert one.process.poll() is None
        assert one.process.stdin
        one.process.stdin.close()
        assert one.told()[1] == 0


def test_what_cannot_be_run_is_told_on_its_stderr(tmp_path: Path) -> None:
    with guarding(str(tmp_path / "nothing")) as one:
        assert one.told()[1] == guard.NOT_STARTED
        assert b"nothing cannot be run: No such file or directory" in one.complaint()


@on_linux
@pytest.mark.parametrize("order", ["closed", "half-closed", "signal"])
async def test_an_order_ends_even_what_does_not_listen_or_has_left(order: str) -> None:
    with guarding(*python(DEAF)) as one:
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
            [group] = one.told()
            assert group == family[0], "a program that was ended has no exit code"


def test_a_shim_that_is_gone_before_the_start_leaves_no_program() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        command = [sys.executable, "-P", guard.__file__, str(theirs.fileno()), "22"]
        done = subprocess.run(
            [*command, *python("import time; time.sleep(3600)")],
            pass_fds=(theirs.fileno(),),
            check=False,
            timeout=SECONDS,
            start_new_session=True,
        )
    assert done.returncode == 0


# What other systems say ---------------------------------------------------------------------------------------


def test_a_machine_that_is_full_is_told(
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
def test_a_group_that_may_not_be_asked_is_one_of_zombies_on_macos(
    monkeypatch: pytest.MonkeyPatch, is_linux: bool, remains: bool
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refuse)
    monkeypatch.setattr(guard, "IS_LINUX", is_linux)
    assert guard._is_group(1) is remains


def test_where_there_is_no_proc_the_group_alone_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    signalled: list[tuple[int, int]] = []

    def nothing(*_: object) -> io.StringIO:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", nothing)
    monkeypatch.setattr(os, "killpg", lambda *given: signalled.append(given))
    monkeypatch.setattr(guard, "IS_LINUX", False)
    guard._signal(77, signal.SIGTERM)
    guard._prctl(guard.PR_SET_CHILD_SUBREAPER, 1)
    assert signalled == [(77, signal.SIGTERM)]
