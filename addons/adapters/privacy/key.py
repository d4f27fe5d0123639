"""The key from which placeholders are derived: one random line in the state folder.

Never does: write the key to a log or a flow. Invariant: two processes that make the key at once get the same one, and a key
file that cannot be used is never replaced.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

from addons.adapters.system.file_lock import LockedError, locked
from addons.adapters.system.files import FileAccessError, make_private_folder, write_atomic
from addons.adapters.system.paths import privacy_key_file

RANDOM_BYTES = 32
_USABLE = re.compile(rb"[0-9a-f]{64}\n?")


def ensure_key(env: Mapping[str, str]) -> bytes:
    """Return the key, and make it first if there is none. Raises FileAccessError."""
    path = privacy_key_file(env)
    try:
        make_private_folder(path.parent)
        with locked(path.with_name(".privacy.key.lock")):
            if not path.exists():
                write_atomic(path, f"{secrets.token_hex(RANDOM_BYTES)}\n".encode())
            data = path.read_bytes()
    except (OSError, LockedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileAccessError(path, reason) from error
    if _USABLE.fullmatch(data) is None:
        raise FileAccessError(path, "it does not hold a key")
    return bytes.fromhex(data.decode())
