"""Composer through the real Codex CLI and a separate shim process: with uvloop, and with SIGKILL."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.boundary.cursor_shim import body_of
from tests.e2e.codex_cli import CodexHome
from tests.e2e.conftest import StartShim
from tests.e2e.shim import Shim
from tests.fakes.cursor import FakeCursor

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform == "win32", reason="Cursor models need WSL there"),
]
FIRST = "FIRST-TURN-7f3a"


def eventually(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


@pytest.fixture
def fake(user: CodexHome, tmp_path: Path) -> Iterator[FakeCursor]:
    """A fake cursor-agent, first on PATH, with keys in the environment that must not be used."""
    cursor = FakeCursor(tmp_path / "cursor")
    cursor.install()
    path = f"{cursor.bin}{os.pathsep}{user.env['PATH']}"
    keys = {"CURSOR_API_KEY": "canary-key", "CURSOR_AUTH_TOKEN": "canary-token"}
    quick = {"CODEX_SHIM_CURSOR_STATUS_SECONDS": "0.5", "CODEX_SHIM_DRAIN_SECONDS": "0.5"}
    user.extra_env = {**user.extra_env, **cursor.env, **keys, **quick, "PATH": path}
    yield cursor
    assert not (cursor.notes / "leaked").exists()
    eventually(lambda: not cursor.alive, 10)


@pytest.fixture
def shim(start_shim: StartShim, fake: FakeCursor) -> Shim:  # noqa: ARG001  must exist first
    running = start_shim()
    eventually(lambda: "composer-2-5" in running.slugs())
    return running


def use_composer(user: CodexHome, shim: Shim) -> None:
    user.configure(f"http://127.0.0.1:{shim.port}/v1", "composer-2-5")


@pytest.mark.usefixtures("each_transport")
def test_two_turns_of_one_conversation(user: CodexHome, shim: Shim, fake: FakeCursor) -> None:
    fake.play("echo")
    use_composer(user, shim)

    first = user.exec(f"remember {FIRST}")
    second = user.exec("do you remember?", "resume", "--last")

    assert (first.messages, second.messages) == (["Noted."], ["I remember it."]), second.stderr
    assert [turn["cwd"] for turn in fake.turns] == [str(user.workspace)] * 2
    prompt = fake.turns[1]["prompt"]
    assert prompt.index(FIRST) < prompt.index("Noted.") < prompt.index("do you remember?")
    for turn in fake.turns:
        assert turn["sha256"]
        assert FIRST not in str(turn["argv"])
        assert "canary" not in str(turn["env"])
    assert FIRST not in shim.output
    assert "canary" not in shim.output


@pytest.mark.usefixtures("each_transport")
def test_actions_of_cursor_are_shown_and_are_no_tool_calls(
    user: CodexHome, shim: Shim, fake: FakeCursor
) -> None:
    fake.play("traps")
    use_composer(user, shim)

    run = user.exec("go")

    assert run.messages == ["110100haha", "done.", "done."], run.stderr
    assert run.items_of("command_execution") == []
    assert "Reading /w/a.py" in str(run.items_of("reasoning"))


@pytest.mark.usefixtures("each_transport")
def test_failure_is_shown_once_with_a_command_to_run(
    user: CodexHome, shim: Shim, fake: FakeCursor
) -> None:
    fake.play("quota")
    use_composer(user, shim)

    run = user.exec("go")

    assert run.code != 0
    assert "12/1/2026" in run.errors
    assert len(fake.turns) == 1


@pytest.mark.usefixtures("each_transport")
def test_killed_codex_ends_the_child(user: CodexHome, shim: Shim, fake: FakeCursor) -> None:
    fake.play("hang_in_the_middle")
    use_composer(user, shim)
    command = [str(user.codex), "exec", "--skip-git-repo-check", "--", "go"]
    with subprocess.Popen(
        command,
        cwd=user.workspace,
        env=user.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as codex:
        eventually(lambda: fake.turns, 40)
        assert fake.alive
        os.killpg(codex.pid, signal.SIGKILL)

    eventually(lambda: not fake.alive, 10)
    assert shim.get("/health")[0] == 200


@pytest.mark.parametrize("scenario", ["hang_in_the_middle", "stubborn_in_the_middle"])
def test_killed_shim_leaves_no_process(
    start_shim: StartShim, user: CodexHome, fake: FakeCursor, scenario: str, tmp_path: Path
) -> None:
    fake.play(scenario)
    shim = Shim(user.env, tmp_path / "killed.log")
    shim.__enter__()
    eventually(lambda: "composer-2-5" in shim.slugs())
    connection = http.client.HTTPConnection("127.0.0.1", shim.port, timeout=30)
    body = body_of("go", str(user.workspace))
    connection.request("POST", "/v1/responses", body, {"content-type": "application/json"})
    eventually(lambda: fake.turns)
    assert fake.alive

    assert shim._process
    shim._process.kill()
    shim._process.wait()
    connection.close()

    eventually(lambda: not fake.alive, 10)
    fake.play("answer")
    again = start_shim()
    eventually(lambda: "composer-2-5" in again.slugs())
