"""The installed Codex: is there one, and is it a version that was tried with the shim?

Every run of the binary writes into its CODEX_HOME, so each one gets a throw-away folder (`addons.origins.codex_cli`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from addons.origins.codex_cli import CodexCliError
from shim_cli.doctor.finding import Found, Subject

OLDEST, NEWEST = "0.133.0", "0.169.0"
"""The versions of Codex that the end-to-end tests drive."""
INSTALL = "npm install -g @openai/codex"


def codex(subject: Subject) -> Iterator[Found]:
    """Look for the binary and ask for its version."""
    if not subject.codex:
        yield "WARN", "Codex is not on PATH, nor named by CODEX_BIN", INSTALL
        return
    try:
        yield _judged(subject.codex.version(), subject.codex.binary)
    except CodexCliError as error:
        yield "WARN", str(error), INSTALL


def _judged(version: str, binary: str) -> Found:
    found = f"Codex {version} at {binary}"
    if _numbers(version) < _numbers(OLDEST):
        return "WARN", f"{found} is older than {OLDEST}, the oldest that was tried", INSTALL
    if _numbers(version) > _numbers(NEWEST):
        return "INFO", f"{found} is newer than {NEWEST}, the newest that was tried"
    return "OK", f"{found} (tried with {OLDEST} to {NEWEST})"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
