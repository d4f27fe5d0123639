"""The umask for the shim's own files, and the user's umask for the files of children.

The shim's files are readable by the user alone. A child works in the user's project, so its files get the user's umask.
"""

from __future__ import annotations

import os
from functools import cache

VARIABLE = "CODEX_SHIM_CURSOR_UMASK"
"""The user's umask in octal. A process that replaces itself passes it on in this variable."""
OWNER_ONLY = 0o077


@cache
def users_umask() -> int:
    """Return the umask with which this process was started. Must first be called before it is changed."""
    try:
        return int(os.environ[VARIABLE], 8) & 0o777
    except (KeyError, ValueError):
        # Reading the umask means setting it; the stricter value is set for that moment.
        users = os.umask(OWNER_ONLY)
        os.umask(users)
        return users


def set_private_umask() -> None:
    """Make the files that this process creates from now on readable by its user alone."""
    users_umask()
    os.umask(OWNER_ONLY)
