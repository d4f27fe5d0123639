"""Where mitmproxy may keep its certificate authority, when the folder that it would take cannot be written.

Never does: touch a folder that can be used as it is. Invariant: what comes out exists and can be written.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from addons.origins.paths import state_dir


def usable_confdir(usual: Path, env: Mapping[str, str]) -> Path:
    """Give the usual folder, else one in our state folder, else a temporary one.

    Raises OSError when not even that can be made.
    """
    for folder in (usual, state_dir(env) / "mitmproxy"):
        if _is_usable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="codex-shim-"))


def _is_usable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
