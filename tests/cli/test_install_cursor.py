"""`codex-shim-install-cursor-composer`: everything, or nothing at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.cli.daemons import User, user_with_daemons
from tests.cli.run import environment

START = [sys.executable, "-P", "-c", "from shim_cli.install_cursor import main; main()"]
SCRIPT = Path(__file__).parents[2] / "scripts" / "codex-shim-install-cursor-composer"
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


def install(
    user: User, *args: str, command: Sequence[str] = START, env: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [*command, *args],
        env=environment(user.home, {"CODEX_SHIM_PORT": str(user.port), **env}),
        cwd=user.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "Traceback" not in ran.stderr
    return ran


def test_the_script_of_the_checkout_is_the_same_from_any_folder(user: User) -> None:
    link = user.home / "link"
    link.symlink_to(SCRIPT)
    for command in ([str(SCRIPT)], [str(link)]):
        ran = install(user, "--help", command=command, env={"PATH": "/usr/bin:/bin"})
        assert ran.returncode == 0, ran.stderr
        assert "Make Cursor's Composer 2.5 the model that Codex uses." in ran.stdout


def test_a_wrong_option_is_told_in_two_lines(user: User) -> None:
    ran = install(user, "--settings", "nowhere.json")
    assert ran.returncode == 1
    assert "nowhere.json" in ran.stderr
