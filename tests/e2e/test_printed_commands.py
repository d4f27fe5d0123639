"""The lines of Codex that codex-shim prints are accepted by the real Codex."""

from __future__ import annotations

import subprocess

import pytest

from addons.core.codex.auth_json import read_login
from addons.core.codex.login import LoginProblem
from tests.e2e.codex_cli import CodexHome
from tests.fakes.model_upstream import KEY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def codex(user: CodexHome, *words: str) -> str:
    done = subprocess.run(
        [str(user.codex), *words],
        env=user.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("login", ["--with-api-key", "--with-access-token"]),
        ("fork", ["[SESSION_ID]"]),
        ("resume", ["[SESSION_ID]"]),
        ("exec", ["[PROMPT]"]),
    ],
)
def test_command_has_what_the_line_needs(user: CodexHome, command: str, named: list[str]) -> None:
    text = codex(user, command, "--help")
    assert [word for word in named if word not in text] == []


def test_key_is_stored_by_its_line(user: CodexHome) -> None:
    problem = read_login(b'{"auth_mode": "apikey"}', "auth.json")
    assert isinstance(problem, LoginProblem)
    env = {**user.env, "OPENAI_API_KEY": KEY, "PATH": f"{user.codex.parent}:{user.env['PATH']}"}
    subprocess.run(["sh", "-c", problem.command], env=env, check=True, timeout=60)
    assert KEY in (user.codex_home / "auth.json").read_text()


def test_feature_is_turned_on_by_its_line(user: CodexHome) -> None:
    codex(user, "features", "enable", "standalone_web_search")
    assert "standalone_web_search = true" in (user.codex_home / "config.toml").read_text()
