"""Run the CLI as a user does: in a process of its own with its own home folder.

Where the system can, the process is a fork of a server that has imported the CLI's libraries: most of the time of a short
command is spent on these imports. Tests of the start itself use `OWN_PROCESS`, or run `START` with `subprocess`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.shim_cli.forks.client import started
from tests.shim_cli.forks.programs import START

__all__ = ["OWN_PROCESS", "START", "Done", "environment", "finished", "run", "shim"]
CLOSED_PORT = "9"
SECONDS = 50.0
OWN_PROCESS = {"PYTHONNOUSERSITE": "1"}
"""A variable that is read at the start: with it, a command is a process of its own, and so is what it starts."""
Done = subprocess.CompletedProcess[str]


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a machine without Codex, login or settings."""
    return {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "PATH": str(home / "no-binaries"),
        "CODEX_SHIM_STATE_DIR": str(home / "state"),
        "CODEX_SHIM_PORT": CLOSED_PORT,
        "CODEX_SHIM_CHATGPT_BASE_URL": f"http://127.0.0.1:{CLOSED_PORT}/backend-api/codex",
        "COLUMNS": "100",
        **{name: os.environ[name] for name in ("SYSTEMROOT", "TMPDIR") if name in os.environ},
        **(more or {}),
    }


def shim(
    home: Path,
    *args: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
) -> Done:
    """Run `codex-shim ARGS` and return the result."""
    return run(args, environment(home, env), cwd or home, stdin)


def run(args: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: str = "") -> Done:
    """Run `codex-shim ARGS` in exactly this environment and return the result."""
    return finished([*START, *args], env, cwd, stdin)


def finished(
    command: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: str = "", before: str = ""
) -> Done:
    """Run a command of this project and return the result. `before` is code that its fork runs first."""
    pipe = subprocess.PIPE
    with started(
        command, env=env, cwd=cwd, before=before, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            stdout, stderr = process.communicate(stdin, SECONDS)
        except BaseException:
            process.kill()
            raise
    return Done(command, process.returncode, stdout, stderr)
