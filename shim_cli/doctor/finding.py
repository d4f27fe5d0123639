"""What a section of the doctor looks at, and what it gives.

Never does: write, start a model provider's work, raise for anything that it may find. Invariant: what is only a matter
of choice is INFO, what narrows the choice of models is WARN, what keeps turns from working is FAIL; a WARN and a FAIL
carry the command to type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from addons.origins.codex_cli import CodexCli
from addons.origins.fitting import fit_to
from addons.origins.sources import Sources
from shim_cli.codex_config import CodexConfig, read_config
from shim_cli.shells import Shell, shell_of
from shim_cli.table import ask_cursor

Level = Literal["OK", "WARN", "FAIL", "INFO"]
LEVELS: tuple[Level, ...] = ("OK", "WARN", "FAIL", "INFO")
Found = tuple[Level, str] | tuple[Level, str, str]
"""Level, message, and what to type."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` is what to type."""

    section: str
    level: Level
    message: str
    advice: str = ""


@dataclass(frozen=True)
class Subject:
    """One machine, as the environment tells of it. What is dear to find out is found out once."""

    env: Mapping[str, str]
    port: int
    settings: Path | None = None
    cwd: Path = field(default_factory=Path.cwd)
    shell: Shell = field(default_factory=shell_of)

    @cached_property
    def sources(self) -> Sources | str:
        """The sources of the route table, or why there are none."""
        try:
            sources = Sources(self.env, self.settings)
        except ValueError as error:
            return str(error)
        ask_cursor(sources)
        return sources

    @cached_property
    def codex(self) -> CodexCli | None:
        """The installed Codex."""
        return CodexCli.find(self.env)

    @cached_property
    def config(self) -> CodexConfig:
        """Codex's config.toml."""
        return read_config(self.env)

    @cached_property
    def refused(self) -> Mapping[str, str]:
        """The live models that the installed Codex does not take into its catalog, with why."""
        if isinstance(self.sources, str):
            return {}
        fit = fit_to(self.codex, self.sources.table())
        return {slug: fit.table.routes[slug].hidden_because for slug in fit.refused}
