"""Each folder has its model, whatever the picker says."""

from __future__ import annotations

from pathlib import Path

from addons.hooks import Turn

API_VERSION = 1
MODELS = {"~/work": "gpt-5.5", "~/private": "shim-demo"}
"""Folder → the slug of a model: `codex-shim list` shows them."""


def on_turn(turn: Turn) -> Turn:
    """Choose the model of the folder in which Codex works."""
    for folder, model in MODELS.items():
        if turn.folder and Path(turn.folder).is_relative_to(Path(folder).expanduser()):
            return turn.replace(model=model)
    return turn
