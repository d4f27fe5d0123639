"""Who may read the files that we make, and those that a child of ours makes for the user.

Our own are for the user alone. A child works in the user's project, so its files get what the user's own would.
"""

from __future__ import annotations

import os
from functools import cache

VARIABLE = "CODEX_SHIM_CURSOR_UMASK"
"""The user's, in octal: also how one process of ours tells the one that takes its place."""
OWNER_ONLY = 0o077


@cache
def users_umask() -> int:
    """The umask that this process was started with: asked for first before we change it."""
    try:
        return int(os.environ[VARIABLE], 8) & 0o777
    except (KeyError, ValueError):
        # There is no way to read it but to set it; for that moment it is the stricter one.
        users = os.umask(OWNER_ONLY)
        os.umask(users)
        return users


def write_for_owner_only() -> None:
    """From here on what this process makes is for its user alone."""
    users_umask()
    os.umask(OWNER_ONLY)
