"""Blobs that carry an upstream's reasoning through the client and back, in `encrypted_content`.

A blob is marked and versioned, not secret: its content came from the upstream and returns to it. Never raises.
Invariant: a blob unwraps only for the reasoning scope (`Target.reasoning_scope`) that it was wrapped for, because an
upstream refuses the signatures of another; equal data gives equal blobs.

Format: `codexshim1.` + unpadded base64url of the JSON `[reasoning_scope, data]`.
"""

from __future__ import annotations

import base64
import binascii

import orjson

from addons.core.json_values import JsonObject

MARK = "codexshim1."
REASONING_ID_PREFIX = "rs_shim"
"""Starts the id of every reasoning item that the shim writes. No native upstream may receive such an item."""


def wrap(reasoning_scope: str, data: JsonObject) -> str:
    """Return a blob with the data that the upstream of `reasoning_scope` expects back."""
    packed = orjson.dumps([reasoning_scope, data])
    return MARK + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def unwrap(text: str, reasoning_scope: str) -> JsonObject | None:
    """Return the data of a blob; None if it is foreign, malformed, or of another scope."""
    if not text.startswith(MARK):
        return None
    try:
        packed = text[len(MARK) :].encode("ascii")
        value = orjson.loads(
            base64.b64decode(packed + b"=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        )
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError):
        return None
    match value:
        case [str(owner), dict(data)] if owner == reasoning_scope:
            return data
    return None


NOTICE = wrap("notice", {})
"""The blob of a reasoning item that holds a line of the shim and nothing of a model. It is no part of any history."""
