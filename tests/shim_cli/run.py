"""Run the CLI as a user does: in a child process with its own home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

START = [sys.executable, "-P", "-c", "from shim_cli.app import main; main()"]
CLOSED_PORT = "9"


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
) -> subprocess.CompletedProcess[str]:
    """Run `codex-shim ARGS` and return the result."""
    return subprocess.run(
        [*START, *args],
        env=environment(home, env),
        cwd=cwd or home,
        capture_output=True,
        text=True,
        input=stdin,
        timeout=50,
        check=False,
    )
