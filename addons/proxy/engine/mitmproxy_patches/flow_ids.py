"""Makes the ids of flows and connections without an object of class UUID, whose constructor checks every argument.

Never does: make an id of another form. Invariant: an id is random and is written as RFC 9562 writes version 4.
"""

from __future__ import annotations

import os
from types import SimpleNamespace

from mitmproxy import connection, flow

_VERSION_AND_VARIANT = (0xF << 76) | (0x3 << 62)
_VERSION_4 = (0x4 << 76) | (0x2 << 62)


def shorten_ids() -> None:
    """Replace the `uuid` that mitmproxy's modules ask for ids. They use nothing else of it."""
    for module in (connection, flow):
        setattr(module, "uuid", SimpleNamespace(uuid4=random_id))  # noqa: B010  mypy knows of no such change


def random_id() -> str:
    """Return what `str(uuid.uuid4())` returns."""
    number = int.from_bytes(os.urandom(16)) & ~_VERSION_AND_VARIANT | _VERSION_4
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
