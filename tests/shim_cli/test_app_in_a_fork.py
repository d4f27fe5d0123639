"""A command that runs in a fork of the fork server behaves as in a process of its own."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import shim_cli
from tests.shim_cli import run as runner
from tests.shim_cli.run import START, Done, environment, run, shim
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
