"""The one-time move of the state folder to ~/.codex-shim.

Versions up to 0.1 kept their state where the platform keeps it, apart from the settings. Never does: move a folder
whose shim is still running, overwrite a file, separate a database from its log, move anything if $CODEX_SHIM_STATE_DIR
names the folder. Invariant: a crash between two files loses nothing; the next command continues.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from addons.adapters.system.file_lock import LockedError, locked
from addons.adapters.system.files import FileAccessError, make_private_folder, write_atomic
from addons.adapters.system.paths import has_old_state, moving_dir, old_state_dir, shim_dir
from shim_cli.state.run_state import live_ports

Env = Mapping[str, str]
DUPLICATES = "from-old-folder"
"""The subfolder for files whose names the new folder has already."""
COMPANIONS = ("-wal", "-shm", "-journal")
"""What SQLite appends to the name of a database. Next to another database such a file destroys it."""
PLAN = ".move-plan.json"
"""Where the group goes whose files are being moved, so that the next command puts the rest next to them."""


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
    except (OSError, LockedError, FileAccessError) as error:
        return f"The state in {old} could not be moved to {new}: {error}. The next command tries again."
    return f"Moved the state of codex-shim from {old} to {new}. If you use a service: codex-shim service install"


def _move(old: Path, moving: Path, new: Path) -> None:
    """Move the groups one by one. An earlier move that was interrupted comes first."""
    if not moving.is_dir() and old.is_dir():
        if new.resolve().is_relative_to(old.resolve()):
            msg = f"{new} is inside it. Make {new} a folder of its own"
            raise OSError(msg)
        # From this rename on every command uses the new folder.
        old.rename(moving)
    if not moving.is_dir():
        return
    for name, suffixes in _groups(moving).items():
        _move_group(moving, new, name, suffixes)
    for left in (*moving.glob(f".{PLAN}.*.tmp"), moving / PLAN):
        left.unlink(missing_ok=True)
    # A symlink goes, the folder of the user that it names stays.
    moving.unlink() if moving.is_symlink() else moving.rmdir()


def _groups(folder: Path) -> dict[str, list[str]]:
    """Return the entries of a folder as name → suffixes. A database comes after its companions.

    A database that is opened without them loses what they hold, so it must not have its name before they have theirs.
    """
    found: dict[str, list[str]] = {}
    for name in sorted((entry.name for entry in folder.iterdir()), reverse=True):
        if not name.lstrip(".").startswith(PLAN.lstrip(".")):
            suffix = next((each for each in COMPANIONS if name.endswith(each)), "")
            found.setdefault(name.removesuffix(suffix), []).append(suffix)
    return found


def _move_group(moving: Path, new: Path, name: str, suffixes: Sequence[str]) -> None:
    target = _planned(moving, new, name)
    if target is None:
        target = new / name
        if _is_taken(target):
            make_private_folder(new / DUPLICATES)
            target = _unused(new / DUPLICATES / name)
        if len(suffixes) > 1:
            plan = {"name": name, "target": target.relative_to(new).as_posix()}
            write_atomic(moving / PLAN, json.dumps(plan).encode())
    _move_files([(moving / f"{name}{each}", _with(target, each)) for each in suffixes])


def _planned(moving: Path, new: Path, name: str) -> Path | None:
    """Return where an interrupted command has begun to move the group; None if it has not, or if that place is used."""
    try:
        plan = json.loads((moving / PLAN).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(plan, dict) or plan.get("name") != name:
        return None
    target = new / plan["target"]
    return None if os.path.lexists(target) else target


def _move_files(pairs: Sequence[tuple[Path, Path]]) -> None:
    try:
        for source, target in pairs:
            source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_files(pairs)


def _copy_files(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Move files to another file system: the names appear when every copy is complete, and the originals go last."""
    parts = [target.with_name(f".{target.name}.moving") for _, target in pairs]
    for (source, _), part in zip(pairs, parts, strict=True):
        _remove(part)
        if _is_folder(source):
            shutil.copytree(source, part, symlinks=True)
        else:
            shutil.copy2(source, part, follow_symlinks=False)
    for (_, target), part in zip(pairs, parts, strict=True):
        part.replace(target)
    for source, _ in pairs:
        _remove(source)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    shutil.rmtree(path) if _is_folder(path) else path.unlink(missing_ok=True)


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")


def _is_taken(path: Path) -> bool:
    return any(os.path.lexists(_with(path, each)) for each in ("", *COMPANIONS))


def _unused(path: Path) -> Path:
    number = 0
    candidate = path
    while _is_taken(candidate):
        number += 1
        candidate = path.with_name(f"{path.name}.{number}")
    return candidate
