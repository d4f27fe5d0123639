"""The real Codex with `enable`, `model use`, `codex` and `disable`: configured by its config, restored byte for byte."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome, Run, _events
from tests.e2e.installation import OLDEST, installed_codex
from tests.e2e.newcomer import OWN, Newcomer
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.chatgpt_backend import ChatGptBackend

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def newcomer(user: CodexHome) -> Iterator[Newcomer]:
    someone = Newcomer(user)
    yield someone
    someone.end_all()


@pytest.fixture
def subscriber(user: CodexHome, backend: ChatGptBackend) -> Iterator[Newcomer]:
    someone = Newcomer(user, {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url})
    yield someone
    someone.end_all()


def test_enable_runs_a_turn_and_disable_restores_the_config(newcomer: Newcomer) -> None:
    error_reply = newcomer.ok("enable")
    assert newcomer.token not in error_reply
    run = newcomer.home.exec("hello")
    assert run.code == 0, run.stderr
    assert run.items_of("command_execution")
    newcomer.ok("disable")
    assert newcomer.config.read_bytes() == OWN
    assert newcomer.records == []


def test_oldest_codex_accepts_the_same_block(tmp_path: Path) -> None:
    newcomer = Newcomer(CodexHome(tmp_path / "old", installed_codex(OLDEST)))
    try:
        newcomer.ok("enable")
        assert newcomer.home.exec("hello").items_of("command_execution")
        newcomer.ok("disable")
        # Codex appends to its config that it trusts the folder
        assert newcomer.config.read_bytes().startswith(OWN)
    finally:
        newcomer.end_all()


def test_oldest_codex_accepts_the_block_of_a_login(
    tmp_path: Path, account: Account, backend: ChatGptBackend
) -> None:
    env = {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url}
    old = CodexHome(tmp_path / "old", installed_codex(OLDEST))
    # The backend offers each version the entries that it can read.
    backend.models = json.dumps({"models": old.models("--bundled")}).encode()
    subscriber = Newcomer(old, env)
    account.write(old.codex_home)
    backend.play(scenarios.text("from the account"))
    try:
        subscriber.ok("enable")
        assert "requires_openai_auth = true" in subscriber.config.read_text()
        run = subscriber.home.exec("hello")
        assert run.messages == ["from the account"], run.stderr
        subscriber.ok("disable")
        assert subscriber.config.read_bytes().startswith(OWN)
    finally:
        subscriber.end_all()


def test_codex_starts_without_the_state_folder(newcomer: Newcomer) -> None:
    newcomer.ok("enable")
    for path in newcomer.home.state.iterdir():
        if path.name != "run":  # names the shim that this test has to stop
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    run = newcomer.home.exec("hello")
    assert run.code == 0, run.stderr
    newcomer.ok("disable")
    assert newcomer.config.read_bytes() == OWN
    assert not newcomer.config.with_name("codex-shim-catalog.json").exists()


def test_codex_elsewhere_starts_with_the_shim_stopped(subscriber: Newcomer, tmp_path: Path) -> None:
    subscriber.ok("enable", "--model", "gpt-6-sol")
    before = [model["slug"] for model in subscriber.home.models()]
    subscriber.ok("stop")
    shutil.rmtree(subscriber.home.state)
    elsewhere = CodexHome(tmp_path / "elsewhere", subscriber.home.codex)
    elsewhere.codex_home.rmdir()
    subscriber.home.codex_home.rename(elsewhere.codex_home)
    assert [model["slug"] for model in elsewhere.models()] == before
    said = first_error_of(elsewhere, "hello")
    assert "Connection failed" in said, said


def first_error_of(home: CodexHome, prompt: str) -> str:
    """Run a turn until Codex says what is wrong: it waits for the network without end."""
    command = [str(home.codex), "exec", "--json", "--skip-git-repo-check", prompt]
    with subprocess.Popen(
        command,
        cwd=home.workspace,
        env=home.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if '"error"' in line:
                    return line
            return "".join(lines)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_account_model_runs_and_the_local_token_is_not_sent_upstream(
    subscriber: Newcomer, backend: ChatGptBackend
) -> None:
    backend.play(scenarios.text("from the account"))
    assert "gpt-6-sol" in subscriber.ok("model", "use", "gpt-6-sol")
    run = subscriber.home.exec("hello")
    assert run.messages == ["from the account"]
    assert "not found" not in run.errors
    assert all(subscriber.token not in repr(request) for request in backend.requests)
    subscriber.ok("disable")
    assert subscriber.config.read_bytes() == OWN


def test_codex_without_the_token_fails_in_one_try(newcomer: Newcomer) -> None:
    newcomer.ok("enable")
    text = newcomer.config.read_text()
    newcomer.config.write_text(text.replace(newcomer.token, newcomer.token[::-1]))
    run = newcomer.home.exec("hello")
    assert run.code != 0
    assert "refuses this local token" in run.errors
    assert "codex-shim enable" in run.errors
    newcomer.ok("enable")
    assert newcomer.home.exec("hello").code == 0


def test_disable_keeps_what_codex_wrote_and_restores_the_rest(
    newcomer: Newcomer,
) -> None:
    newcomer.ok("enable")
    newcomer.codex("mcp", "add", "mine", "--", "echo", "hi")
    newcomer.codex("features", "enable", "unbounded_connection_retries")
    assert newcomer.home.exec("hello").code == 0
    newcomer.ok("disable")
    left = tomllib.loads(newcomer.config.read_text())
    assert left.pop("mcp_servers") == {"mine": {"command": "echo", "args": ["hi"]}}
    left.pop("features", None)
    assert left == tomllib.loads(OWN.decode())
    for line in OWN.decode().splitlines():
        assert line in newcomer.config.read_text()


def test_disable_removes_a_config_that_did_not_exist_before(newcomer: Newcomer) -> None:
    newcomer.config.unlink()
    newcomer.ok("enable")
    newcomer.codex("mcp", "add", "mine", "--", "echo", "hi")
    newcomer.codex("mcp", "remove", "mine")
    newcomer.ok("disable")
    assert not newcomer.config.exists() or newcomer.config.read_text().strip() in {
        "",
        "[mcp_servers]",
    }


def test_single_run_writes_nothing_and_returns_the_exit_code(
    newcomer: Newcomer,
) -> None:
    exec_ = (
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
    )
    done = newcomer.run("codex", "--", *exec_, "hello")
    run = Run(done.returncode, _events(done.stdout), done.stderr, done.stdout)
    assert run.code == 0, run.stderr
    assert run.items_of("command_execution")
    assert newcomer.config.read_bytes() == OWN
    assert newcomer.run("codex", "--", "exec", "--no-such-flag").returncode == 2
    assert newcomer.ok("status")
    assert newcomer.ok("stop").startswith("stopped")
    assert newcomer.records == []
    assert newcomer.run("status").returncode == 3


def test_model_flag_of_the_user_takes_precedence(
    subscriber: Newcomer, backend: ChatGptBackend
) -> None:
    backend.play(scenarios.text("with the flag"))
    done = subscriber.run(
        "codex", "--", "exec", "--json", "--skip-git-repo-check", "-m", "gpt-6-sol", "hello"
    )
    assert "with the flag" in done.stdout, done.stderr
    assert b'"model":"gpt-6-sol"' in backend.requests[-1].body
