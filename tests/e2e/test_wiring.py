"""The real Codex through `enable`, `model use`, `codex` and `disable`: by its config alone, and back to the byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.codex_cli import OLDEST, CodexHome, Run, _events, installed_codex
from tests.e2e.shim import free_port, shim_command
from tests.fakes import scenarios
from tests.fakes.chatgpt_backend import ChatGptBackend

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

OWN = (
    b"# my own\n"
    b'model = "gpt-5.5" # best\n'
    b'sandbox_mode = "danger-full-access"\n'
    b"\n"
    b"[analytics]\n"
    b"enabled = false\n"
    b'[projects."/somewhere"]\n'
    b'trust_level = "trusted"'
)


class Newcomer:
    """A user who types commands, and whose shim does not outlive the test."""

    def __init__(self, home: CodexHome, **env: str) -> None:
        self.home = home
        self.port = free_port()
        home.extra_env = {"CODEX_SHIM_PORT": str(self.port), "CODEX_BIN": str(home.codex), **env}
        self.config = home.codex_home / "config.toml"
        self.config.write_bytes(OWN)

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            shim_command(*args),
            env=self.home.env,
            cwd=self.home.workspace,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    def ok(self, *args: str) -> str:
        done = self.run(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def token(self) -> str:
        return (self.home.state / "token").read_text().strip()

    @property
    def records(self) -> list[dict[str, object]]:
        folder = self.home.state / "run"
        return [json.loads(path.read_text()) for path in folder.glob("*.json")]

    def codex(self, *args: str) -> str:
        """Run Codex itself, for what it writes into its config."""
        done = subprocess.run(
            [str(self.home.codex), *args],
            env=self.home.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def end_all(newcomer: Newcomer) -> None:
    for record in newcomer.records:
        try:
            os.kill(int(str(record["pid"])), signal.SIGKILL)
        except ProcessLookupError:
            continue


@pytest.fixture
def newcomer(user: CodexHome) -> Iterator[Newcomer]:
    someone = Newcomer(user)
    yield someone
    end_all(someone)


@pytest.fixture
def subscriber(user: CodexHome, backend: ChatGptBackend) -> Iterator[Newcomer]:
    someone = Newcomer(user, CODEX_SHIM_CHATGPT_BASE_URL=backend.base_url)
    yield someone
    end_all(someone)


def test_enable_a_turn_by_the_config_alone_and_disable(newcomer: Newcomer) -> None:
    told = newcomer.ok("enable")
    assert newcomer.token not in told
    run = newcomer.home.exec("hello")
    assert run.code == 0, run.stderr
    assert run.items_of("command_execution")
    newcomer.ok("disable")
    assert newcomer.config.read_bytes() == OWN
    assert newcomer.records == []


def test_the_oldest_codex_takes_the_same_block(tmp_path: Path) -> None:
    newcomer = Newcomer(CodexHome(tmp_path / "old", installed_codex(OLDEST)))
    try:
        newcomer.ok("enable")
        assert newcomer.home.exec("hello").items_of("command_execution")
        newcomer.ok("disable")
        # this Codex writes into its config as it runs, and ends the last line
        assert newcomer.config.read_bytes().rstrip(b"\n") == OWN
    finally:
        end_all(newcomer)


def test_an_account_model_by_the_config_alone_and_the_token_stays_here(
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


def test_a_codex_without_the_token_is_told_so_in_one_try(newcomer: Newcomer) -> None:
    newcomer.ok("enable")
    text = newcomer.config.read_text()
    newcomer.config.write_text(text.replace(newcomer.token, newcomer.token[::-1]))
    run = newcomer.home.exec("hello")
    assert run.code != 0
    assert "refuses this local token" in run.errors
    assert "codex-shim enable" in run.errors
    newcomer.ok("enable")
    assert newcomer.home.exec("hello").code == 0


def test_what_codex_writes_meanwhile_stays_and_everything_else_comes_back(
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


def test_codex_that_had_no_config_has_none_afterwards(newcomer: Newcomer) -> None:
    newcomer.config.unlink()
    newcomer.ok("enable")
    newcomer.codex("mcp", "add", "mine", "--", "echo", "hi")
    newcomer.codex("mcp", "remove", "mine")
    newcomer.ok("disable")
    assert not newcomer.config.exists() or newcomer.config.read_text().strip() in {
        "",
        "[mcp_servers]",
    }


def test_one_run_of_codex_writes_nothing_and_its_exit_code_is_passed_on(
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


def test_a_users_model_flag_wins_in_one_run(subscriber: Newcomer, backend: ChatGptBackend) -> None:
    backend.play(scenarios.text("with the flag"))
    done = subscriber.run(
        "codex", "--", "exec", "--json", "--skip-git-repo-check", "-m", "gpt-6-sol", "hello"
    )
    assert "with the flag" in done.stdout, done.stderr
    assert b'"model":"gpt-6-sol"' in backend.requests[-1].body
