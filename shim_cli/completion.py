"""`codex-shim completion SHELL`: the lines that make a shell complete our commands, and the words it then asks for.

Never does: change the user's shell files, build the route table. Invariant: a completion never fails aloud.
"""

from __future__ import annotations

import os
from typing import Literal

from shim_cli.list_cache import recall

Shell = Literal["bash", "zsh", "fish", "powershell"]

PROGRAM, VARIABLE = "codex-shim", "_CODEX_SHIM_COMPLETE"
"""The variable is what click makes of the program's name."""


def script(shell: Shell) -> str:
    """What the shell has to run, for example from its start-up file."""
    from typer._completion_shared import get_completion_script  # noqa: PLC0415

    return get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell)


def prepare() -> None:
    """Let typer answer a shell in the form of its own scripts."""
    from typer._completion_classes import completion_init  # noqa: PLC0415

    completion_init()


def slugs(incomplete: str) -> list[str]:
    """The models of the last listing that begin so."""
    listing = recall(os.environ, None)
    models = listing.live if listing else ()
    return [model.slug for model in models if model.slug.startswith(incomplete)]
