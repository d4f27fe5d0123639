"""`codex-shim record` and `codex-shim replay`: the shim in the foreground, with a cassette.

Never does: overwrite a file; ask an upstream during a replay. Invariant: a file that cannot be used ends the command
before the port is opened.
"""

from __future__ import annotations

import os
from pathlib import Path

import typer

from addons.adapters.cassette.replay import read_cassette
from addons.adapters.cassette.use import CassetteUse
from addons.core.cassette.format import CassetteError
from addons.core.cassette.player import Player
from shim_cli.commands.serve import serve
from shim_cli.console.errors import CliError
from shim_cli.state.takeover import lend_port

HOST = "127.0.0.1"
TAKEN_OVER = (
    "The background shim on port {port} was stopped. It starts again when this program ends."
)


def record(file: Path, port: int, settings: Path | None) -> int:
    """Serve, and write each turn to a new file. Return 0. Raises CliError."""
    if os.path.lexists(file):
        msg = f"{file} exists, and a cassette is never overwritten"
        raise CliError(msg, "Name another file: codex-shim record FILE")
    if not file.absolute().parent.is_dir():
        msg = f"the folder of {file} does not exist"
        raise CliError(msg, "Name a file in a folder that exists: codex-shim record FILE")
    _take_port(port)
    return serve(
        HOST,
        port,
        settings,
        None,
        allow_remote=False,
        cassettes=CassetteUse(record=file.absolute()),
    )


def replay(file: Path, port: int, speed: float, *, is_loose: bool) -> int:
    """Serve the turns of a file. Return 0. Raises CliError."""
    try:
        cassette = read_cassette(file)
    except CassetteError as error:
        raise CliError(str(error), "Record one: codex-shim record FILE") from None
    if not cassette.turns:
        msg = f"{file} has no turn"
        raise CliError(msg, "Record one: codex-shim record FILE")
    _take_port(port)
    player = Player(cassette, file.name, is_loose=is_loose)
    use = CassetteUse(player=player, speed=speed)
    return serve(HOST, port, None, None, allow_remote=False, cassettes=use)


def _take_port(port: int) -> None:
    if port and lend_port(os.environ, port):
        typer.echo(TAKEN_OVER.format(port=port), err=True)
