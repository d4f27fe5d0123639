"""The one-time move of the state folder to ~/.codex-shim.

Versions up to 0.1 kept their state where the platform keeps it, apart from the settings. Never does: move a folder
whose shim is still running, overwrite a file, move anything if $CODEX_SHIM_STATE_DIR names the folder. Invariant: a
crash between two files loses nothing; the next command continues.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from addons.adapters.system.file_lock import LockedError, locked
from addons.adapters.system.files import make_private_folder
from addons.adapters.system.paths import has_old_state, moving_dir, old_state_dir, shim_dir
from shim_cli.state.run_state import live_ports

Env = Mapping[str, str]
DUPLICATES = "from-old-folder"
"""The subfolder for files whose names the new folder has already."""


def move_old_state(env: Env) -> str:
    """Move the state of an older version. Return a message for the user, empty if there is nothing to tell.

    A shim that runs with the old folder keeps it until it stops: until then every command uses that folder as well.
    """
    old = old_state_dir(env)
    if not has_old_state(env) or (old.is_dir() and live_ports(old / "run")):
        return ""
    new = shim_dir(env)
    try:
        make_private_folder(new)
        with locked(new / ".move.lock"):
            _move(old, moving_dir(old), new)
    except (OSError, LockedError) as error:
        return f"The state in {old} could not be moved to {new}: {error}. The next command tries again."
    return f"Moved the state of codex-shim from {old} to {new}. If you use a service: codex-shim service install"


def _move(old: Path, moving: Path, new: Path) -> None:
    """Move the entries one by one. An earlier move that was interrupted comes first."""
    if not moving.is_dir() and old.is_dir():
        # From this rename on every command uses the new folder.
        old.rename(moving)
    if not moving.is_dir():
        return
    for entry in sorted(moving.iterdir()):
        target = new / entry.name
        if os.path.lexists(target):
            make_private_folder(new / DUPLICATES)
            target = _unused(new / DUPLICATES / entry.name)
        _move_entry(entry, target)
    moving.rmdir()


def _move_entry(entry: Path, target: Path) -> None:
    try:
        entry.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # On another file system the name appears when the copy is complete, and the original goes last.
        part = target.with_name(f".{target.name}.moving")
        shutil.rmtree(part, ignore_errors=True)
        if entry.is_dir():
            shutil.copytree(entry, part, symlinks=True)
        else:
            shutil.copy2(entry, part, follow_symlinks=False)
        part.replace(target)
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _unused(path: Path) -> Path:
    number = 0
    candidate = path
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.name}.{number}")
    return candidate
