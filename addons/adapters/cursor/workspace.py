"""Chooses the trusted folder in which a Cursor turn works.

Never does: accept a folder from a conversation unless it exists, belongs to the user and does not contain the home
folder. Invariant: CODEX_SHIM_CURSOR_WORKSPACE, when set, is the only folder; no turn works in `/`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from addons.adapters.system.paths import Env, home
from addons.core.cursor.error_patterns import no_workspace
from addons.core.cursor.settings import WORKSPACE
from addons.core.errors import Problem
from addons.core.upstream.error_mapping import quotable

log = logging.getLogger(__name__)
SHOWN_CHARACTERS = 200
MAX_WARNINGS = 100
"""The limit on distinct warnings, because a conversation may name any number of folders."""


class Workspaces:
    """Chooses the folders. `cwd` returns the folder in which the shim runs."""

    def __init__(self, env: Env, setting: str, cwd: Callable[[], Path] = Path.cwd) -> None:
        self._env = env
        self._setting = setting
        self._cwd = cwd
        self._warnings: set[str] = set()

    def choose(self, declared: str | None) -> str | Problem:
        """Return the folder for a turn whose client declared this one, or the problem."""
        if self._setting:
            return self._from_setting()
        if declared:
            objection = self._objection(declared)
            if not objection:
                return os.path.realpath(declared)
            self._warn_once(f"not working in {_shown(declared)}, which a turn named: {objection}")
        return self._from_cwd()

    def _from_setting(self) -> str | Problem:
        folder = Path(self._setting).expanduser()
        if not folder.is_absolute() or not folder.is_dir():
            return no_workspace(f"{WORKSPACE} names {_shown(self._setting)}, which is not a folder")
        return self._usable(os.path.realpath(folder), f"{WORKSPACE} names")

    def _from_cwd(self) -> str | Problem:
        try:
            folder = os.path.realpath(self._cwd())
        except OSError:
            return no_workspace("the folder that codex-shim was started in is gone")
        return self._usable(folder, "codex-shim was started in")

    def _usable(self, folder: str, source: str) -> str | Problem:
        if _is_root(folder):
            return no_workspace(f"{source} {folder}, the root of the file system")
        if self._contains_home(folder):
            self._warn_once(
                f"{source} {folder}, which contains your home folder: Cursor may read and change all of it. "
                f"Set {WORKSPACE} to your project"
            )
        return folder

    def _objection(self, declared: str) -> str:
        """Return why a declared folder is rejected; empty when it is accepted. The text is untrusted."""
        if not os.path.isabs(declared):  # noqa: PTH117  any text
            return "it is not an absolute path"
        try:
            real = os.path.realpath(declared)
            status = os.stat(real)  # noqa: PTH116
        except (OSError, ValueError):
            # Text that cannot be a path is treated like a missing folder.
            return "it does not exist"
        if not os.path.isdir(real):  # noqa: PTH112
            return "it is not a folder"
        if status.st_uid != os.getuid():
            return "it belongs to another user"
        return "it contains your home folder" if self._contains_home(real) else ""

    def _contains_home(self, folder: str) -> bool:
        user_home = Path(os.path.realpath(home(self._env)))
        return user_home.is_relative_to(folder)

    def _warn_once(self, text: str) -> None:
        if text not in self._warnings and len(self._warnings) < MAX_WARNINGS:
            self._warnings.add(text)
            log.warning("Cursor: %s", text)


def _is_root(folder: str) -> bool:
    return Path(folder).parent == Path(folder)


def _shown(folder: str) -> str:
    return repr(quotable(folder)[:SHOWN_CHARACTERS])
