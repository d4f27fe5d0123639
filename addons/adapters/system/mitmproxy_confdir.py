"""Chooses the folder for mitmproxy's certificate authority when its default folder is not writable.

Never does: change a folder that is usable. Invariant: the returned folder exists and is writable.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from addons.adapters.system.paths import state_dir


def usable_confdir(default: Path, env: Mapping[str, str]) -> Path:
    """Return the default folder, else one in the state folder, else a temporary one.

    Raises OSError when no folder can be made.
    """
    for folder in (default, state_dir(env) / "mitmproxy"):
        if _is_usable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="codex-shim-"))


def _is_usable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
