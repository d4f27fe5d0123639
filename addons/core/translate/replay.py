"""Blobs in which an upstream's reasoning travels through the client and back: `encrypted_content` of our own.

They are marked and versioned, not secret: what is inside came from the upstream and goes back to it. Never raises.
Invariant: a blob opens only for the lineage that it was sealed for (`Target.lineage`), because an upstream refuses
signatures of another; equal data gives equal blobs.

Form: `codexshim1.` + base64url, no padding, of the JSON `[lineage, data]`.
"""

from __future__ import annotations

import base64
import binascii

import orjson

from addons.core.translate.conversation import Json

MARK = "codexshim1."
REASONING_ID = "rs_shim"
"""How the ids of reasoning items of ours begin: no other upstream may be given one."""


def seal(lineage: str, data: Json) -> str:
    """Wrap what the upstream of `lineage` wants back."""
    packed = orjson.dumps([lineage, data])
    return MARK + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def unseal(text: str, lineage: str) -> Json | None:
    """Unwrap a blob; None when it is not ours, broken, or of another lineage."""
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
        case [str(owner), dict(data)] if owner == lineage:
            return data
    return None
