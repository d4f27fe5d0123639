"""Section "Codex CLI": is Codex installed, and is its version tested with the shim?

Each run of the binary writes into its CODEX_HOME, so each run gets a temporary folder (`addons.adapters.codex.cli`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from addons.adapters.codex.cli import CodexCliError
from addons.adapters.codex.contracts import read_seen
from shim_cli.console.format import counted
from shim_cli.doctor.finding import CheckResult, DoctorContext

OLDEST, NEWEST = "0.133.0", "0.171.0"
"""The versions of Codex that the end-to-end tests drive."""
INSTALL = "npm install -g @openai/codex"


def codex(context: DoctorContext) -> Iterator[CheckResult]:
    """Check the binary and its version."""
    yield from _seen(context)
    if not context.codex:
        yield "WARN", "Codex was not found on PATH, and CODEX_BIN does not name it", INSTALL
        return
    try:
        yield _version(context.codex.version(), context.codex.binary)
    except CodexCliError as error:
        yield "WARN", str(error), INSTALL


def _seen(context: DoctorContext) -> Iterator[CheckResult]:
    """Tell that turns had names which no recorded contract has."""
    if count := len(read_seen(context.env)):
        found = counted(count, "name")
        yield "INFO", f"turns had {found} that no tested version of Codex sends", "codex-shim radar --seen"  # fmt: skip


def _version(version: str, binary: str) -> CheckResult:
    found = f"Codex {version} at {binary}"
    if _parse(version) < _parse(OLDEST):
        return "WARN", f"{found} is older than {OLDEST}, the oldest tested version", INSTALL
    if _parse(version) > _parse(NEWEST):
        return "INFO", f"{found} is newer than {NEWEST}, the newest tested version"
    return "OK", f"{found} (tested with {OLDEST} to {NEWEST})"


def _parse(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
