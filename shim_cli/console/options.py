"""Options and arguments that several commands share, each with one help text.

Invariant: an option of the same name means the same in every command.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import click
import typer

MAX_PORT = 65535


def port(value: object) -> int:
    """Return the number of a port. Raises BadParameter."""
    return _port(value, 1)


def listen_port(value: object) -> int:
    """Return the number of a port, or 0 for any free one. Raises BadParameter."""
    return _port(value, 0)


def _port(value: object, lowest: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        msg = f"{value!r} is not a number."
        raise click.BadParameter(msg) from None
    if not lowest <= number <= MAX_PORT:
        msg = f"{number} is not between {lowest} and {MAX_PORT}."
        raise click.BadParameter(msg)
    return number


Port = Annotated[
    int,
    typer.Option(envvar="CODEX_SHIM_PORT", parser=port, metavar="PORT", help="The shim's port."),
]
ListenPort = Annotated[
    int,
    typer.Option(
        envvar="CODEX_SHIM_PORT",
        parser=listen_port,
        metavar="PORT",
        help="The shim's port. 0 picks a free port.",
    ),
]
AnyPort = Annotated[
    int | None,
    typer.Option(
        "--port",
        parser=port,
        metavar="PORT",
        help="The shim's port, for any command.",
    ),
]
Settings = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Path to models.json. Default: ~/.codex-shim/models.json."),
]
Hooks = Annotated[
    list[str] | None,
    typer.Option(
        "--hook", metavar="FILE", help="A Python file whose functions see each turn. Repeatable."
    ),
]
Private = Annotated[
    bool,
    typer.Option("--privacy", help="Replace private values before a turn is sent upstream."),
]
About = Literal["all", "models", "picker"]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
NoOpen = Annotated[
    bool, typer.Option("--no-open", help="Print the address instead of opening a browser.")
]
Args = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[-- ARGS]", help="Extra arguments, added last, so they take precedence."
    ),
]
