"""Drills with the real Codex: the user sees what the row of docs/faults.md says, and their own shim sees nothing."""

from __future__ import annotations

import subprocess

import pytest

from scripts.workbench_pictures import drill_scene
from tests.e2e.codex_cli import CodexHome
from tests.e2e.shim import finished, shim_command
from tests.fakes.account import Account
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.support.pictures import check_picture

PICTURED = "cut"
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def drill(user: CodexHome, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**user.env, "CODEX_BIN": str(user.codex)}
    return finished(shim_command("drill", *args), env, user.workspace, seconds=180)


@pytest.mark.parametrize(
    ("name", "shown", "requests", "ends"),
    [
        ("400", "with this message of the upstream", 1, "response.failed invalid_prompt"),
        ("429-usage-limit", "Quota exceeded", 1, "response.failed insufficient_quota"),
        ("cut", "stream disconnected before completion", 6, "response.failed stream_interrupted"),
    ],
)
def test_user_sees_the_fault(
    name: str, shown: str, requests: int, ends: str, user: CodexHome
) -> None:
    """`requests` is what docs/faults.md says of Codex on a translated route."""
    done = drill(user, name)
    assert done.returncode == 0, done.stderr
    assert shown in done.stderr
    assert f"The upstream got {requests} turn" in done.stderr
    assert ends in done.stderr
    if name == PICTURED:
        check_picture("drill.svg", drill_scene(name, done.stderr))


def test_expired_login_is_shown_without_the_users_own_login(
    user: CodexHome, account: Account, backend: ChatGptBackend
) -> None:
    done = drill(user, "expired-login")
    assert done.returncode == 0, done.stderr
    assert "unexpected status 401 Unauthorized" in done.stderr
    assert "The upstream got 6 turns" in done.stderr
    assert backend.requests == []
    assert account.access_token not in done.stdout + done.stderr
