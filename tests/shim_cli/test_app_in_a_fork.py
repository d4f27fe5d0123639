"""A command that runs in a fork of the fork server behaves as in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import shim_cli
from tests.shim_cli import run as runner
from tests.shim_cli.forks import client
from tests.shim_cli.forks.client import started
from tests.shim_cli.run import OWN_PROCESS, START, Done, environment, run, shim
from tests.shim_cli.served import SERVE, served
from tests.support.ports import free_port

ROWS = '[{"model":"m","slug":"one","provider":"deepseek","api_key":"sk-hush"}]'
FIRST_IMPORTS = """
import os, sys
import httpx, orjson, pydantic, rich.console, rich.table, tomlkit
import shim_cli.app
failed = []
for name in sys.argv[1:]:
    if not (pid := os.fork()):
        __import__(name)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        failed.append(name)
print(*failed)
"""
"""Import each module where only the program itself, and libraries, have been imported."""

MITMDUMP = (*START, "mitmdump", "--port", "PORT")
CLOCK = re.compile(r"\[?\d\d:\d\d:\d\d(?:\.\d+)?\]?|:\d{5}\b")
TELL = """
import json, os
descriptors = [number for number in range(1 << 10) if os.path.exists(f"/proc/self/fd/{number}")]
umask = os.umask(0)
env = {name: value for name, value in os.environ.items() if name != "LC_CTYPE"}
print(json.dumps([os.getcwd(), umask, os.getsid(0), descriptors, env]), flush=True)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands run in forks on Linux")


def in_own_process(args: Sequence[str], env: Mapping[str, str], cwd: Path) -> Done:
    return subprocess.run(
        [*START, *args], env=env, cwd=cwd, capture_output=True, text=True, input="", check=False
    )


def outcome(done: Done) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def put_rows(home: Path) -> Path:
    settings = home / ".codex-shim" / "models.json"
    settings.parent.mkdir()
    settings.write_text(ROWS)
    return settings


@pytest.mark.parametrize(
    "args",
    [["--version"], ["list"], ["list", "--all", "--json"], ["disable"], ["bogus"], ["serve", "--port", "x"]],
    ids=" ".join,
)  # fmt: skip
def test_fork_writes_what_a_process_of_its_own_writes(tmp_path: Path, args: list[str]) -> None:
    put_rows(tmp_path)
    env = environment(tmp_path)

    assert outcome(run(args, env, tmp_path)) == outcome(in_own_process(args, env, tmp_path))


def test_fault_is_reported_as_by_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".codex-shim" / "models.json").mkdir(parents=True)
    env = environment(tmp_path)

    done = run(["list"], env, tmp_path)

    assert "Is a directory" in done.stderr
    assert outcome(done) == outcome(in_own_process(["list"], env, tmp_path))


def test_call_leaves_nothing_for_the_next_one(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for home in (one, other):
        home.mkdir()
    put_rows(one)

    assert "one" in shim(one, "list").stdout
    assert "one" not in shim(other, "list").stdout
    assert "one" in shim(other, "list", "--settings", "../one/.codex-shim/models.json").stdout
    assert "one" not in shim(other, "list").stdout


def test_calls_run_at_the_same_time(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: shim(tmp_path, "status").returncode, range(8)))

    assert done == [3] * 8


def test_command_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim(tmp_path, "--version")
    monkeypatch.setattr(runner, "SECONDS", 0.3)
    port = free_port()

    with pytest.raises(subprocess.TimeoutExpired):
        shim(tmp_path, "serve", "--port", str(port))

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("command", "ready", "end"),
    [(SERVE, "curl -N", signal.SIGINT), (MITMDUMP, "listening at", signal.SIGTERM)],
    ids=["serve", "mitmdump"],
)
def test_fork_serves_and_ends_as_a_process_of_its_own(
    tmp_path: Path, command: tuple[str, ...], ready: str, end: signal.Signals
) -> None:
    outcomes = []
    for env in ({}, OWN_PROCESS):
        with served(tmp_path, *command, env=env, ready=ready) as running:
            health = json.loads(running.ask("GET", "/health").read())
            assert health["pid"] == running.process.pid
            code = running.stop(end)
            assert running.process.stdout
            rest = running.process.stdout.read()
        printed = "".join((*running.printed, rest)).replace(str(running.port), "PORT")
        lines = [line for line in CLOCK.sub("", printed).splitlines() if "127.0.0.1:" in line]
        outcomes.append((code, [line for line in lines if "connect" not in line and "<<" not in line]))  # fmt: skip

    assert outcomes[0] == outcomes[1]


def broken_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


CLOSED = "import os; os.close(1)"
WITHOUT_STDOUT = ["/bin/sh", "-c", 'exec "$@" >&-', "sh"]


@pytest.mark.parametrize(
    ("output", "before", "own"),
    [
        (lambda: os.open("/dev/full", os.O_WRONLY), "", []),
        (broken_pipe, "", []),
        (broken_pipe, CLOSED, WITHOUT_STDOUT),
    ],
    ids=["full", "broken pipe", "closed"],
)
def test_fork_that_cannot_write_ends_as_a_process_of_its_own(
    tmp_path: Path, output: Callable[[], int], before: str, own: list[str]
) -> None:
    ended = []
    listing, descriptor = [*START, "list"], output()
    for command, code, more in ((listing, before, {}), ([*own, *listing], "", OWN_PROCESS)):
        with started(
            command, env=environment(tmp_path, more), cwd=tmp_path, before=code, text=True,
            stdin=subprocess.DEVNULL, stdout=descriptor, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            _, said = process.communicate(timeout=50)
        ended.append((process.returncode, said))
    os.close(descriptor)

    assert ended[0] == ended[1]


def test_fork_has_the_folder_the_umask_and_the_session_of_its_call_and_three_descriptors(
    tmp_path: Path,
) -> None:
    os.umask(0o027)
    with started(
        [*START, "--version"], env=environment(tmp_path), cwd=tmp_path, before=TELL, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:  # fmt: skip
        printed, _ = process.communicate(timeout=50)

    told = json.loads(printed.splitlines()[0])
    assert told == [str(tmp_path), 0o027, process.pid, [0, 1, 2], environment(tmp_path)]


def test_killed_fork_has_the_code_of_its_signal(tmp_path: Path) -> None:
    with started(
        [*START, "--version"], env=environment(tmp_path), cwd=tmp_path, before="input()", text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        assert process.poll() is None
        process.kill()
        assert process.wait(50) == -signal.SIGKILL


def test_fork_server_is_started_again_once_it_has_ended(tmp_path: Path) -> None:
    shim(tmp_path, "--version")
    client._connections["commands"].close()
    ended, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    other.close()
    client._connections["commands"] = ended

    assert shim(tmp_path, "--version").returncode == 0


def test_variable_that_is_read_at_the_start_needs_a_process_of_its_own(tmp_path: Path) -> None:
    done = shim(tmp_path, "--version", env={"PYTHONVERBOSE": "1"})

    assert "import 'shim_cli.app'" in done.stderr


def test_command_imports_its_modules_first(tmp_path: Path) -> None:
    folder = Path(shim_cli.__file__).parent
    programs = sorted(folder.glob("*.py"))
    text = "".join(program.read_text() for program in programs)
    names = sorted(set(re.findall(r"^ +from (shim_cli[\w.]+) import", text, re.MULTILINE)))
    assert len(names) > 10

    ran = subprocess.run(
        [sys.executable, "-P", "-c", FIRST_IMPORTS, *names],
        env=environment(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert ran.stdout.split() == [], ran.stderr
