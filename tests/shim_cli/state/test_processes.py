"""Process and port queries on three systems; the output of other systems is faked."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shim_cli.state import processes
from shim_cli.state.processes import (
    belongs_to_other_user,
    describe_listener,
    detached,
    is_alive,
    start_mark,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


def query_returning(output: str, commands: list[list[str]]) -> Callable[[list[str]], str]:
    def query(command: list[str]) -> str:
        commands.append(command)
        return output

    return query


def test_popen_arguments_detach_a_child() -> None:
    assert detached("linux") == detached("darwin") == {"start_new_session": True}
    assert detached("win32") == {"creationflags": 0x208}


@pytest.mark.parametrize(
    ("output", "alive"),
    [
        ('"python.exe","4711","Console","1","20,000 K"\n', True),
        ("INFO: No tasks are running which match the specified criteria.\n", False),
        ('"python.exe","47110","Console","1","20,000 K"\n', False),
        ("", False),
    ],
)
def test_windows_uses_tasklist_instead_of_a_signal(output: str, *, alive: bool) -> None:
    commands: list[list[str]] = []
    assert is_alive(4711, "win32", query_returning(output, commands)) is alive
    assert commands == [["tasklist", "/FI", "PID eq 4711", "/NH", "/FO", "CSV"]]


@linux
def test_zombie_is_not_alive() -> None:
    child = subprocess.Popen(["sleep", "60"])
    mark = start_mark(child.pid)
    assert is_alive(child.pid)
    assert mark.isdecimal()
    assert mark != start_mark(os.getpid())
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(child.pid)
    child.wait()
    assert not is_alive(child.pid)
    assert start_mark(child.pid) == ""


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the number of a system call"
)
def test_process_whose_first_thread_alone_has_ended_is_alive() -> None:
    program = (
        "import ctypes, sys, threading\n"
        "threading.Thread(target=sys.stdin.read).start()\n"
        "ctypes.CDLL(None).syscall(60, 0)"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    assert child.stdin
    while " Z " not in Path(f"/proc/{child.pid}/stat").read_text():
        time.sleep(0.01)
    assert is_alive(child.pid)
    child.kill()
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(child.pid)
    child.wait()


def test_start_marks_on_macos_and_windows() -> None:
    commands: list[list[str]] = []
    assert start_mark(7, "darwin", query_returning("Thu Nov 26 07:00:00 2026\n", commands)) == (
        "Thu Nov 26 07:00:00 2026"
    )
    assert commands == [["ps", "-o", "lstart=", "-p", "7"]]
    assert start_mark(7, "win32", query_returning("x", commands)) == ""


@linux
def test_listener_is_described() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"(pid {os.getpid()})" in describe_listener(port)
        assert not belongs_to_other_user(port)
    assert describe_listener(port) == ""
    assert not belongs_to_other_user(port)


@linux
def test_listener_of_another_user_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_listening", lambda _: iter([(os.getuid() + 1, "1")]))
    assert belongs_to_other_user(1)


@pytest.mark.parametrize(
    ("output", "words"),
    [("p4711\ncnode\nf12\n", "node (pid 4711)"), ("", ""), ("p1\n", "")],
)
def test_listener_is_described_on_macos(output: str, words: str) -> None:
    commands: list[list[str]] = []
    assert describe_listener(80, "darwin", query_returning(output, commands)) == words
    assert commands[0][:3] == ["lsof", "-nP", "-iTCP:80"]
    assert describe_listener(80, "win32", query_returning(output, commands)) == ""
    assert not belongs_to_other_user(80, "darwin")


def test_query_of_a_missing_or_failing_program_is_empty() -> None:
    assert processes.query(["codex-shim-has-no-such-program"]) == ""
    assert processes.query([sys.executable, "-c", "raise SystemExit(1)"]) == ""


def test_terminating_an_exited_process_is_not_an_error() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    processes.terminate(child.pid)


def test_termination_signal_raises_system_exit() -> None:
    with pytest.raises(SystemExit) as caught:
        processes._exit_on_signal(15, None)
    assert caught.value.code == 143
