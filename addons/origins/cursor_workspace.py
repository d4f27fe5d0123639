"""The folder that a turn of Cursor's works in, and is trusted with.

Never does: take a folder that a conversation names unless it is the user's own project as far as can be seen.
Invariant: CODEX_SHIM_CURSOR_WORKSPACE, when set, is the only one; no turn works in `/`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from addons.core.cursor.settings import WORKSPACE
from addons.core.cursor.words import no_workspace
from addons.core.errors import Problem
from addons.core.upstream_errors import printable
from addons.origins.paths import Env, home

log = logging.getLogger(__name__)
SHOWN_CHARACTERS = 200
MOST_TOLD = 100
"""Different warnings; a conversation may name any number of folders."""


class Workspaces:
    """Chooses them. `cwd` gives the folder that the shim runs in."""

    def __init__(self, env: Env, setting: str, cwd: Callable[[], Path] = Path.cwd) -> None:
        self._env = env
        self._setting = setting
        self._cwd = cwd
        self._told: set[str] = set()

    def choose(self, declared: str | None) -> str | Problem:
        """The folder of a turn whose client declared this one, or why there is none."""
        if self._setting:
            return self._set()
        if declared:
            why_not = self._objection(declared)
            if not why_not:
                return os.path.realpath(declared)
            self._tell_once(f"not working in {_shown(declared)}, which a turn named: {why_not}")
        return self._own()

    def _set(self) -> str | Problem:
        folder = Path(self._setting).expanduser()
        if not folder.is_absolute() or not folder.is_dir():
            return no_workspace(f"{WORKSPACE} names {_shown(self._setting)}, which is no folder")
        return self._usable(os.path.realpath(folder), f"{WORKSPACE} names")

    def _own(self) -> str | Problem:
        try:
            folder = os.path.realpath(self._cwd())
        except OSError:
            return no_workspace("the folder that codex-shim was started in is gone")
        return self._usable(folder, "codex-shim was started in")

    def _usable(self, folder: str, whence: str) -> str | Problem:
        if _is_root(folder):
            return no_workspace(f"{whence} {folder}, the root of the file system")
        if self._holds_home(folder):
            self._tell_once(
                f"{whence} {folder}, which holds your home folder: Cursor may read and change all of it. "
                f"Set {WORKSPACE} to your project"
            )
        return folder

    def _objection(self, declared: str) -> str:
        """Why a folder that a conversation names is not taken; empty when it is. Its text may be anybody's."""
        if not os.path.isabs(declared):  # noqa: PTH117  any text
            return "it is no absolute path"
        try:
            real = os.path.realpath(declared)
            status = os.stat(real)  # noqa: PTH116
        except (OSError, ValueError):
            # a text that no path can be is no folder either
            return "it is not there"
        if not os.path.isdir(real):  # noqa: PTH112
            return "it is no folder"
        if status.st_uid != os.getuid():
            return "it is another user's"
        return "it holds your home folder" if self._holds_home(real) else ""

    def _holds_home(self, folder: str) -> bool:
        own = Path(os.path.realpath(home(self._env)))
        return own.is_relative_to(folder)

    def _tell_once(self, text: str) -> None:
        if text not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(text)
            log.warning("Cursor: %s", text)


def _is_root(folder: str) -> bool:
    return Path(folder).parent == Path(folder)


def _shown(folder: str) -> str:
    return repr(printable(folder)[:SHOWN_CHARACTERS])
