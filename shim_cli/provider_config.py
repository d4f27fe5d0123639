"""What Codex has to be told to use the shim, as one command line for a shell. Pure.

Invariant: the file and the command line say the same, for both are made in `addons.core.codex_provider`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from addons.core import codex_provider


def config_of(slug: str, port: int, catalog: Path) -> Mapping[str, object]:
    """The whole config as nested values. `catalog` is absolute."""
    return codex_provider.config_of(slug, port, str(catalog))


def command_to_try(config: Mapping[str, object]) -> str:
    """The `codex -c …` line that has the same effect for one run, quoted for a shell."""
    return shlex.join(["codex", *codex_provider.arguments(config)])
