"""What `codex-shim` imports at its start: almost nothing for a prompt, the command line for anything else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.shim_cli.run import environment
from tests.shim_cli.usage.quotas import write_quota_turns

ROOT = Path(__file__).parents[2]
"""Without `site`, no package is found."""
HEAVY = frozenset(
    ["typer", "click", "inspect", "dataclasses", "urllib", "orjson", "mitmproxy", "httpx", "pydantic", "rich", "asyncio", "ssl", "subprocess", "socket", "logging", "shim_cli.app"]
)  # fmt: skip


def test_prompt_does_not_wait_for_libraries(tmp_path: Path) -> None:
    write_quota_turns(tmp_path / "state", time.time())
    program = (
        "import os, sys; from shim_cli.start import main\n"
        "def leave(code): sys.stderr.write(' '.join(sys.modules)); sys.stderr.flush(); leave_now(code)\n"
        "leave_now, os._exit = os._exit, leave; main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-c", program, "statusline"],
        env=environment(tmp_path, {"PYTHONPATH": str(ROOT)}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "gpt-5.5 · chatgpt · 5 h 42.5 % · plan\n"
    assert HEAVY & set(done.stderr.split()) == set()
    assert "shim_cli.usage.statusline" in done.stderr


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["statusline", "--help"], "--thread"),
        (["statusline", "--thread=t1"], "gpt-5.5 · chatgpt · 5 h 42.5 % (thread 8 %) · plan"),
        (["--version"], "codex-shim "),
    ],
)
def test_other_arguments_are_those_of_the_command_line(
    tmp_path: Path, args: list[str], expected: str
) -> None:
    write_quota_turns(tmp_path / "state", time.time())
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "shim_cli", *args],
        env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert expected in ran.stdout


@pytest.mark.skipif(os.name != "posix", reason="descriptors of POSIX")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_command_works_without_its_standard_files(tmp_path: Path, closed: str) -> None:
    ran = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -P -m shim_cli list {closed}', sys.executable],
        env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0
    assert ("shim-demo" in ran.stdout) is (" >&-" not in f" {closed}")
    assert "internal error" not in ran.stderr
