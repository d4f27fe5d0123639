from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.shim_cli.run import START, environment, shim


def complete(home: Path, line: str) -> str:
    env = {
        "_CODEX_SHIM_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    return subprocess.run(
        START, env=environment(home, env), capture_output=True, text=True, timeout=50, check=False
    ).stdout


def test_commands_and_slugs_are_completed(tmp_path: Path) -> None:
    assert "enable" in complete(tmp_path, "codex-shim en").split()
    assert complete(tmp_path, "codex-shim model use sh").split() == []
    shim(tmp_path, "list")
    assert complete(tmp_path, "codex-shim model use sh").split() == ["shim-demo"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_script_of_each_shell(tmp_path: Path, shell: str) -> None:
    printed = shim(tmp_path, "completion", shell)
    assert printed.returncode == 0
    assert "_CODEX_SHIM_COMPLETE" in printed.stdout
    assert shim(tmp_path, "completion", "tcsh").returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="bash")
def test_bash_accepts_its_completion_script(tmp_path: Path) -> None:
    printed = shim(tmp_path, "completion", "bash").stdout
    done = subprocess.run(
        ["bash", "-c", f"{printed}\ncomplete -p codex-shim"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "codex-shim" in done.stdout


def test_slugs_are_completed_after_a_change_too(tmp_path: Path) -> None:
    shim(tmp_path, "list")
    folder = tmp_path / ".codex-shim"
    folder.mkdir(exist_ok=True)
    (folder / "models.json").write_text('{"models": ["shiny:8b"]}')

    assert complete(tmp_path, "codex-shim model use sh").split() == ["shim-demo", "shiny-8b"]


def test_values_of_options_are_completed(tmp_path: Path) -> None:
    assert complete(tmp_path, "codex-shim usage --by t").split() == ["thread", "turn"]
    assert complete(tmp_path, "codex-shim threads move --to ").split() == ["shim", "openai"]
    assert complete(tmp_path, "codex-shim doctor p").split() == ["picker"]
