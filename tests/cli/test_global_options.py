"""What may stand before any command, and what a shell may ask for."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.run import START, environment, shim
from tests.cli.test_serve import free_port


def test_port_and_state_dir_before_the_command_hold_for_it(tmp_path: Path) -> None:
    port = free_port()
    told = json.loads(shim(tmp_path, "--port", str(port), "status", "--json").stdout)
    assert told["url"] == f"http://127.0.0.1:{port}"
    over = json.loads(shim(tmp_path, "--port", "1", "status", "--port", str(port), "--json").stdout)
    assert over["url"] == told["url"]
    shim(tmp_path, "--state-dir", "mine", "generate", env={"CODEX_SHIM_STATE_DIR": ""})
    assert (tmp_path / "mine" / "custom_model_catalog.json").is_file()


def test_settings_before_the_command_hold_for_it(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{broken")
    listed = shim(tmp_path, "--settings", "mine.json", "list")
    assert str(tmp_path / "mine.json") in listed.stderr
    missing = shim(tmp_path, "--settings", "nowhere.json", "list")
    assert missing.returncode == 1
    assert "nowhere.json does not exist" in missing.stderr


def complete(home: Path, line: str) -> str:
    env = {
        "_CODEX_SHIM_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    return subprocess.run(
        START, env=environment(home, env), capture_output=True, text=True, timeout=50, check=False
    ).stdout


def test_commands_and_models_are_completed(tmp_path: Path) -> None:
    assert "enable" in complete(tmp_path, "codex-shim en").split()
    assert complete(tmp_path, "codex-shim model use sh").split() == []
    shim(tmp_path, "list")
    assert complete(tmp_path, "codex-shim model use sh").split() == ["shim-demo"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_has_its_lines(tmp_path: Path, shell: str) -> None:
    printed = shim(tmp_path, "completion", shell)
    assert printed.returncode == 0
    assert "_CODEX_SHIM_COMPLETE" in printed.stdout
    assert shim(tmp_path, "completion", "tcsh").returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="bash")
def test_bash_takes_its_lines(tmp_path: Path) -> None:
    printed = shim(tmp_path, "completion", "bash").stdout
    done = subprocess.run(
        ["bash", "-c", f"{printed}\ncomplete -p codex-shim"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "codex-shim" in done.stdout
