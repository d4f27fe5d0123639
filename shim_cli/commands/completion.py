"""`codex-shim completion SHELL`: the completion script of a shell, and the slugs that it completes.

Never does: change the user's shell files, build the route table. Invariant: a failed completion prints nothing.
"""

from __future__ import annotations

import os
from typing import Literal

from shim_cli.state.list_cache import last_listing

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
    """Return the slugs of the last listing, and of models.json, that start with `incomplete`."""
    listing = last_listing(os.environ)
    listed = (
        [model.slug for model in listing.live if model.slug.startswith(incomplete)]
        if listing
        else []
    )
    return list(dict.fromkeys([*listed, *rows(incomplete)]))


def providers(incomplete: str) -> list[str]:
    """Return the providers that start with `incomplete`."""
    from addons.core.settings.presets import BY_WORD  # noqa: PLC0415

    return sorted(word for word in [*BY_WORD, "local"] if word.startswith(incomplete))


def rows(incomplete: str) -> list[str]:
    """Return the slugs of the rows of models.json that start with `incomplete`."""
    from addons.adapters.system.paths import settings_file  # noqa: PLC0415
    from shim_cli.console.errors import CliError  # noqa: PLC0415
    from shim_cli.state.models_edit import ModelsFile  # noqa: PLC0415

    try:
        known = ModelsFile(settings_file(os.environ)).slugs()
    except CliError:
        return []
    return [slug for slug in known if slug.startswith(incomplete)]
