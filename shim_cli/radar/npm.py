"""Installs a version of Codex from npm into a folder of its own, once.

Never does: install globally, or change the Codex that the user has. Invariant: a folder under its final name is
complete.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from addons.adapters.system.paths import state_dir
from shim_cli.console.errors import CliError

PACKAGE = "@openai/codex"
VERSIONS = "See the versions: npm view @openai/codex versions"
_LIMIT_SECONDS = 300.0
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}[\w.-]{0,40}")
_TAG = re.compile(r"[a-z][\w-]*")


def installed(env: Mapping[str, str], version: str) -> Path:
    """Return the `codex` of a version, or of a tag such as `latest`. Raises CliError."""
    npm = shutil.which("npm", path=env.get("PATH", ""))
    if npm is None:
        msg = "npm was not found on PATH"
        raise CliError(msg, "Install Node.js, or name a Codex: codex-shim radar --codex PATH")
    if _TAG.fullmatch(version):
        version = _run(npm, "view", f"{PACKAGE}@{version}", "version").strip()
    if not _VERSION.fullmatch(version):
        msg = f"{version!r} is neither a version such as 0.171.0 nor a tag such as latest"
        raise CliError(msg, VERSIONS)
    folder = state_dir(env) / "radar" / f"codex-{version}"
    binary = folder / "node_modules" / ".bin" / ("codex.cmd" if os.name == "nt" else "codex")
    if not binary.exists():
        _install(npm, folder, version)
    return binary


def _install(npm: str, folder: Path, version: str) -> None:
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as staging:
            complete = Path(staging) / "codex"
            flags = ("--no-audit", "--no-fund", "--prefix", str(complete))
            _run(npm, "install", *flags, f"{PACKAGE}@{version}")
            shutil.rmtree(folder, ignore_errors=True)
            complete.rename(folder)
    except OSError as error:
        msg = f"Codex {version} was not installed into {folder}: {error.strerror}"
        raise CliError(msg, "Make room there, or set CODEX_SHIM_STATE_DIR.") from error


def _run(npm: str, *arguments: str) -> str:
    try:
        ran = subprocess.run(  # noqa: S603  the user's own npm, and no shell
            [npm, *arguments],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"The {arguments[0]} command of npm did not end: {error}"
        raise CliError(msg, "Try again, or name a Codex: codex-shim radar --codex PATH") from error
    if ran.returncode:
        reason = next((line for line in ran.stderr.splitlines() if "code" in line or "404" in line), "")  # fmt: skip
        msg = f"The {arguments[0]} command of npm failed: {reason.strip() or ran.stderr.strip()[:200]}"
        raise CliError(msg, VERSIONS)
    return ran.stdout
