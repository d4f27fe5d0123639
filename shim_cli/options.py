"""The flags and arguments that several commands share, each with its one help text.

Never does: read a value. Invariant: what has the same name means the same for every command.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Port = Annotated[
    int,
    typer.Option(envvar="CODEX_SHIM_PORT", min=1, max=65535, help="The shim's port."),
]
ListenPort = Annotated[
    int,
    typer.Option(
        envvar="CODEX_SHIM_PORT", min=0, max=65535, help="The shim's port. 0 takes a free one."
    ),
]
Settings = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="models.json. By default ~/.codex-shim/models.json."),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="The model to use. By default the one you have."),
]
About = Literal["all", "models", "picker"]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for other programs.")]
NoOpen = Annotated[
    bool, typer.Option("--no-open", help="Only say what to open, for example over SSH.")
]
Args = Annotated[
    list[str] | None,
    typer.Argument(metavar="[-- ARGS]", help="Passed on. They come last, so they win."),
]
