"""The commands that add, try and test models: their options and help texts.

Never does: import a command's module before the command runs.
"""
# ruff: noqa: PLC0415 - a command's module is imported when the command is run

from __future__ import annotations

import os
from typing import Annotated

import typer

from shim_cli.console.command_line import DEFAULT_PORT
from shim_cli.console.options import AsJson, Port, Settings
from shim_cli.console.program import examples
from shim_cli.slug_options import ModelOption

everyday_app = typer.Typer(rich_markup_mode=None)


@everyday_app.command(
    "try",
    **examples(
        "codex-shim try",
        'codex-shim try "What is 6 x 7?" --model deepseek-v4',
        "codex-shim try --json",
    ),
)
def try_turn(
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="What to ask. Default: a greeting.")
    ] = "",
    model: ModelOption = None,
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model once, through the shim.

    Starts the shim if it is not running. Exit code 1: the turn failed.
    """
    from shim_cli.commands.try_turn import DEFAULT_TEXT
    from shim_cli.commands.try_turn import try_turn as run

    raise typer.Exit(run(os.environ, port, settings, text or DEFAULT_TEXT, model, as_json=as_json))
