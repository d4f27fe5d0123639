"""Options that name a model. Their values are completed in the shell.

Never does: import what completes before the shell asks.
"""

from __future__ import annotations

from typing import Annotated

import typer


def complete_slugs(incomplete: str) -> list[str]:
    """Return the slugs that start with `incomplete`, for the shell."""
    from shim_cli.commands.completion import slugs  # noqa: PLC0415

    return slugs(incomplete)


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="The model to use. Default: the current one.",
        autocompletion=complete_slugs,
    ),
]
