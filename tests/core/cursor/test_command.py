"""The command line and the environment of a cursor-agent child."""

from __future__ import annotations

import pytest

from addons.core.cursor.catalog import describe_policy
from addons.core.cursor.command import child_env, turn_command
from addons.core.cursor.settings import CursorSettings


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        (CursorSettings(), []),
        (CursorSettings(force=True), ["--force"]),
        (CursorSettings(mode="ask", force=True), ["--mode", "ask"]),
        (CursorSettings(mode="plan"), ["--mode", "plan"]),
        (CursorSettings(tools="codex", force=True), ["--mode", "ask"]),
    ],
)
def test_command_matches_the_described_policy(settings: CursorSettings, more: list[str]) -> None:
    command = turn_command("/bin/cursor-agent", "composer-2.5", "/w", settings)
    assert command[:10] == [
        "/bin/cursor-agent", "--print", "--output-format", "stream-json", "--stream-partial-output",
        "--trust", "--workspace", "/w", "--model", "composer-2.5",
    ]  # fmt: skip
    assert command[10:] == more
    acts = settings.child_mode == "agent"
    assert ("reads and edits files" in describe_policy(settings)) is acts


def test_child_environment_has_no_secrets_and_no_proxy_to_the_shim() -> None:
    env = {
        "HOME": "/h", "CURSOR_API_KEY": "k", "CURSOR_AUTH_TOKEN": "t", "CODEX_SHIM_TOKEN": "x",
        "HTTPS_PROXY": "http://127.0.0.1:8765", "http_proxy": "localhost:8765",
        "ALL_PROXY": "http://proxy:8765", "HTTP_PROXY": "http://127.0.0.1:3128", "https_proxy": "http://[::1]:x",
        "all_proxy": "http://localhost:8765", "https_Proxy": "http://[::1]:8765", "no_proxy": "127.0.0.1:8765",
    }  # fmt: skip
    more = {"GITHUB_TOKEN": "t", "DB_PASSWD": "p", "SSH_KEYS": "k", "PLAIN": "x", "PASSENGER": "y"}
    passed = child_env({**env, **more}, [8765], allowed=["GITHUB_TOKEN"], hidden=["PLAIN"])
    assert set(passed) == {
        "HOME", "ALL_PROXY", "HTTP_PROXY", "https_proxy", "no_proxy", "NO_OPEN_BROWSER", "NO_COLOR",
        "GITHUB_TOKEN", "PASSENGER",
    }  # fmt: skip
