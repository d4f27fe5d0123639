"""Audit the locked dependencies with pip-audit. Skipped when the advisory service cannot be reached.

Never does: pass when a vulnerability was found, or fail because there is no network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TIMEOUT_SECONDS = 240
UNREACHABLE = (
    "ConnectionError", "Connection refused", "Max retries exceeded", "NameResolutionError", "ProxyError", "timed out",
    "ServiceError", "Tunnel connection failed", "Could not fetch", "Failed to fetch", "Network is unreachable", "dns error",
    "403 Client Error", "404 Client Error", "502 Server Error", "503 Server Error", "SSLError", "Connection reset",
)  # fmt: skip


def outcome(code: int, output: str) -> tuple[int, str]:
    """Return the exit code of this step, and its message."""
    if code == 0:
        return 0, "audit: no known vulnerability"
    reason = next((one for one in UNREACHABLE if one in output), "")
    if reason and "Found " not in output:
        return 0, f"audit: skipped, the advisory service cannot be reached ({reason})"
    return 1, f"audit: FAILED\n{output[-4000:]}"


def run(command: list[str]) -> tuple[int, str]:
    """Run a command. Return its exit code and its output."""
    try:
        done = subprocess.run(  # noqa: S603  a fixed command line
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, "timed out"
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    """Audit uv.lock. Return the exit code."""
    uv = shutil.which("uv")
    if uv is None:
        print("audit: skipped, uv is not installed")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        locked = Path(folder, "requirements.txt")
        export = [
            uv,
            "export",
            "--frozen",
            "--no-emit-project",
            "--all-groups",
            "--quiet",
            "-o",
            str(locked),
        ]
        code, output = run(export)
        if code:
            print(f"audit: FAILED, the lock file cannot be read\n{output}")
            return 1
        audit = [
            uv,
            "tool",
            "run",
            "pip-audit",
            "--disable-pip",
            "--require-hashes",
            "-r",
            str(locked),
        ]
        code, message = outcome(*run(audit))
    print(message)
    return code


if __name__ == "__main__":
    sys.exit(main())
