"""Pictures that tests make of the output that they have anyway."""

from __future__ import annotations

import os
from pathlib import Path

from scripts.pictures import FOLDER, terminal
from scripts.workbench_pictures import Scene


def check_picture(name: str, *scenes: Scene) -> None:
    """Compare the picture in docs/pictures with these scenes, or write it if $CODEX_SHIM_ARTIFACTS is that folder."""
    drawn, file = terminal(scenes), FOLDER / name
    if Path(os.environ.get("CODEX_SHIM_ARTIFACTS", "")).resolve() == FOLDER:
        file.write_text(drawn)
    assert file.read_text() == drawn, "out of date: see CONTRIBUTING.md, how pictures are made"
