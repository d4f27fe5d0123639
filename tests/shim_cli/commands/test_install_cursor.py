"""`codex-shim-install-cursor-composer` changes everything or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.run import environment, finished

START = [sys.executable, "-P", "-c", "from shim_cli.commands.install_cursor import main; main()"]
SCRIPT = Path(__file__).parents[3] / "scripts" / "codex-shim-install-cursor-composer"
LOGGED_IN = '{"status":"authenticated","isAuthenticated":true,"hasAccessToken":true}'
LOGGED_OUT = '{"status":"unauthenticated","isAuthenticated":false,"message":"Not logged in"}'
NOTHING: Mapping[str, str] = {}
CONFIG = '# mine\nmodel = "gpt-5.5"\n'

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    codex = tmp_path / ".codex"
    codex.mkdir()
    (codex / "config.toml").write_text(CONFIG)
    (codex / "auth.json").write_text('{"tokens":{"access_token":"opaque"}}')
    with user_with_daemons(tmp_path) as someone:
        yield someone


def agent(home: Path, status: str) -> str:
    """Write a cursor-agent that only reports its login status."""
    binary = home / "cursor-agent"
    binary.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{status}\nEND\n")
    binary.chmod(0o755)
    return str(binary)


def install(
    user: User, *args: str, command: Sequence[str] = START, env: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[str]:
    more = {"CODEX_SHIM_PORT": str(user.port), **env}
    ran = finished([*command, *args], environment(user.home, more), user.home)
    assert "Traceback" not in ran.stderr
    return ran


def files(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("status", "env", "expected"),
    [
        (None, {}, "cursor-agent login"),
        (LOGGED_OUT, {}, "cursor-agent login"),
        (LOGGED_IN, {"CODEX_SHIM_DISABLE_CURSOR": "1"}, "Unset it"),
        ("what?", {}, "status"),
    ],
)
def test_without_a_login_nothing_changes(
    user: User, status: str | None, env: dict[str, str], expected: str
) -> None:
    if status is not None:
        env = {**env, "CURSOR_AGENT_BIN": agent(user.home, status)}
    before = files(user.home / ".codex")
    ran = install(user, env=env)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith(
        "codex-shim: composer-2-5 cannot be used, so nothing was changed. "
    )
    assert expected in ran.stderr
    assert "codex-shim-install-cursor-composer" in ran.stderr
    assert files(user.home / ".codex") == before
    assert not user.record.exists()
    assert not (user.state / "custom_model_catalog.json").exists()


def test_with_a_login_composer_is_selected_and_the_shim_runs(user: User) -> None:
    ran = install(user, env={"CURSOR_AGENT_BIN": agent(user.home, LOGGED_IN)})
    assert (ran.returncode, ran.stderr) == (0, "")
    config = user.config.read_text()
    assert 'model = "composer-2-5"' in config
    assert CONFIG.splitlines()[0] in config
    assert '"slug":"composer-2-5"' in (user.state / "custom_model_catalog.json").read_text()
    lines = ran.stdout.splitlines()
    assert lines[0] == f"Codex will use composer-2-5 the next time you start it ({user.config})."
    for word in ("model", "catalog", "folder", "policy", "shim", "backup"):
        assert any(line.startswith(f"  {word} ") for line in lines), word
    assert lines[-1] == "Undo: codex-shim disable"
    assert user.record.exists()
    assert user.run("disable").returncode == 0
    assert user.config.read_text() == CONFIG


def test_invalid_config_is_named_and_unchanged(user: User) -> None:
    user.config.write_text("model = [")
    ran = install(user, env={"CURSOR_AGENT_BIN": agent(user.home, LOGGED_IN)})
    assert ran.returncode == 1
    assert str(user.config) in ran.stderr
    assert user.config.read_text() == "model = ["


def test_checkout_script_works_from_any_folder(user: User) -> None:
    link = user.home / "link"
    link.symlink_to(SCRIPT)
    for command in ([str(SCRIPT)], [str(link)]):
        ran = install(user, "--help", command=command, env={"PATH": "/usr/bin:/bin"})
        assert ran.returncode == 0, ran.stderr
        assert "Make Cursor's Composer 2.5 the model that Codex uses." in ran.stdout


def test_missing_settings_file_is_an_error(user: User) -> None:
    ran = install(user, "--settings", "nowhere.json")
    assert ran.returncode == 1
    assert "nowhere.json" in ran.stderr


def test_running_shim_without_composer_is_reported(user: User) -> None:
    assert user.run("start", CODEX_SHIM_DISABLE_CURSOR="1").returncode == 0
    binary = {"CURSOR_AGENT_BIN": agent(user.home, LOGGED_IN)}
    [line] = [line for line in install(user, env=binary).stdout.splitlines() if "offer" in line]
    assert "switched off by CODEX_SHIM_DISABLE_CURSOR" in line
    assert line.endswith("codex-shim restart")
    assert user.run("restart", **binary).returncode == 0
    assert "offer" not in install(user, env=binary).stdout
