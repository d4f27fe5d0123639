"""The input and the results of the doctor's sections.

Never does: write, run a turn, raise for a problem of the setup. Invariant: INFO is a matter of choice, WARN makes models
unavailable, FAIL prevents turns from working; WARN and FAIL carry the command to type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from addons.adapters.codex.accepted_models import filter_accepted, installed_version
from addons.adapters.codex.cli import CodexCli
from addons.adapters.route_sources import RouteSources
from addons.adapters.system.paths import catalog_file, codex_catalog_file
from addons.core.codex.features import ENABLE
from shim_cli.console.shells import Shell, shell_for
from shim_cli.state.codex_config import CodexConfig, read_config
from shim_cli.state.sources import refresh_cursor_login

GENERATE = "codex-shim generate"
NOT_CHECKED = "Not checked: whether the models answer. Ask them: codex-shim test"

Level = Literal["OK", "WARN", "FAIL", "INFO"]
LEVELS: tuple[Level, ...] = ("OK", "WARN", "FAIL", "INFO")
CheckResult = tuple[Level, str] | tuple[Level, str, str]
"""Level, message and the command to type."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `advice` is the command to type."""

    section: str
    level: Level
    message: str
    advice: str = ""


@dataclass(frozen=True)
class DoctorContext:
    """The inputs of the sections' checks. Expensive values are computed once."""

    env: Mapping[str, str]
    port: int
    settings: Path | None = None
    cwd: Path = field(default_factory=Path.cwd)
    shell: Shell = field(default_factory=shell_for)

    @cached_property
    def sources(self) -> RouteSources | str:
        """The sources of the route table, or the reason why they cannot be opened."""
        try:
            sources = RouteSources(self.env, self.settings)
        except ValueError as error:
            return str(error)
        refresh_cursor_login(sources)
        return sources

    @cached_property
    def codex(self) -> CodexCli | None:
        """The installed Codex, if any."""
        return CodexCli.find(self.env)

    @cached_property
    def codex_version(self) -> str:
        """The version of the installed Codex; empty if it is unknown."""
        return installed_version(self.codex)

    @cached_property
    def config(self) -> CodexConfig:
        """Codex's config.toml."""
        return read_config(self.env)

    @property
    def catalog(self) -> Path:
        """The catalog that Codex reads or will read: the one next to config.toml once that file names it."""
        copied = codex_catalog_file(self.env)
        return copied if self.config.catalog == copied else catalog_file(self.env)

    @property
    def write_catalog(self) -> str:
        """The command that writes that catalog."""
        return ENABLE if self.config.catalog == codex_catalog_file(self.env) else GENERATE

    @cached_property
    def refused(self) -> Mapping[str, str]:
        """The live models that the installed Codex rejects, with the reason."""
        if isinstance(self.sources, str):
            return {}
        fit = filter_accepted(self.codex, self.sources.table(), self.codex_version)
        return {slug: fit.table.routes[slug].unavailable_reason for slug in fit.refused}


def count_levels(findings: Sequence[Finding]) -> dict[str, int]:
    """Return the number of findings of each level, including levels without one."""
    counts = Counter(finding.level for finding in findings)
    return {level: counts[level] for level in LEVELS}


def format_counts(summary: Mapping[str, int]) -> str:
    """Return the counts as text: `3 OK, 1 WARN, 0 FAIL, 2 INFO`."""
    return ", ".join(f"{count} {level}" for level, count in summary.items())
