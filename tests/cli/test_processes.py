"""What the three systems say of processes, with fakes for the two that are not here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from shim_cli import processes
from shim_cli.processes import detached, is_alive, is_another_users, start_mark, who_listens

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


def saying(output: str, commands: list[list[str]]) -> Callable[[list[str]], str]:
    def ask(command: list[str]) -> str:
        commands.append(command)
        return output

    return ask


def test_a_child_is_detached_in_the_systems_own_way() -> None:
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
def test_windows_is_asked_and_no_signal_sent(output: str, *, alive: bool) -> None:
    commands: list[list[str]] = []
    assert is_alive(4711, "win32", saying(output, commands)) is alive
    assert commands == [["tasklist", "/FI", "PID eq 4711", "/NH", "/FO", "CSV"]]


@linux
def test_a_process_lives_until_it_has_ended_waited_for_or_not() -> None:
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


def test_mac_and_windows_marks() -> None:
    asked: list[list[str]] = []
    assert start_mark(7, "darwin", saying("Thu Nov 26 07:00:00 2026\n", asked)) == (
        "Thu Nov 26 07:00:00 2026"
    )
    assert asked == [["ps", "-o", "lstart=", "-p", "7"]]
    assert start_mark(7, "win32", saying("x", asked)) == ""


@linux
def test_who_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"(pid {os.getpid()})" in who_listens(port)
        assert not is_another_users(port)
    assert who_listens(port) == ""
    assert not is_another_users(port)


@linux
def test_another_users_listener_is_known_by_its_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_listening", lambda _: iter([(os.getuid() + 1, "1")]))
    assert is_another_users(1)


@pytest.mark.parametrize(
    ("output", "words"),
    [("p4711\ncnode\nf12\n", "node (pid 4711)"), ("", ""), ("p1\n", "")],
)
def test_mac_names_who_listens(output: str, words: str) -> None:
    asked: list[list[str]] = []
    assert who_listens(80, "darwin", saying(output, asked)) == words
    assert asked[0][:3] == ["lsof", "-nP", "-iTCP:80"]
    assert who_listens(80, "win32", saying(output, asked)) == ""
    assert not is_another_users(80, "darwin")


def test_a_program_that_is_missing_or_fails_says_nothing() -> None:
    assert processes.ask(["codex-shim-has-no-such-program"]) == ""
    assert processes.ask([sys.executable, "-c", "raise SystemExit(1)"]) == ""


def test_ending_what_has_ended_is_no_error() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    processes.terminate(child.pid)
