"""What Codex has to be told to use the shim, as one command line for a shell. Pure.

Invariant: the file and the command line say the same, for both are made in `addons.core.codex_provider`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from addons.core import codex_provider


def config_of(
    slug: str, port: int, catalog: Path, headers: Mapping[str, object] | None = None
) -> Mapping[str, object]:
    """The whole config as nested values. `catalog` is absolute, `headers` carry the local token."""
    return codex_provider.config_of(slug, port, str(catalog), headers)


def command_to_try(config: Mapping[str, object], token: Path | None = None) -> str:
    """The `codex -c …` line that has the same effect for one run, quoted for a shell.

    `token` is the file of the local token, when the config names the variable that has to hold it.
    """
    line = shlex.join(["codex", *codex_provider.arguments(config)])
    if token is None:
        return line
    return f'{codex_provider.TOKEN_VARIABLE}="$(cat {shlex.quote(str(token))})" {line}'
