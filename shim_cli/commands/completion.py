"""`codex-shim completion SHELL`: the completion script of a shell, and the slugs that it completes.

Never does: change the user's shell files, build the route table. Invariant: a failed completion prints nothing.
"""

from __future__ import annotations

import os
from typing import Literal

from shim_cli.state.list_cache import load_listing

Shell = Literal["bash", "zsh", "fish", "powershell"]

PROGRAM, VARIABLE = "codex-shim", "_CODEX_SHIM_COMPLETE"
"""click derives the variable from the program's name."""


def script(shell: Shell) -> str:
    """Return the script for the shell's start-up file."""
    from typer._completion_shared import get_completion_script  # noqa: PLC0415

    return get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell)


def prepare() -> None:
    """Make typer answer in the format that its completion scripts expect."""
    from typer._completion_classes import completion_init  # noqa: PLC0415

    completion_init()


def slugs(incomplete: str) -> list[str]:
    """Return the slugs of the cached listing that start with `incomplete`."""
    listing = load_listing(os.environ, None)
    models = listing.live if listing else ()
    return [model.slug for model in models if model.slug.startswith(incomplete)]
