"""Base64 of pictures: one spelling of it, whether it is valid, and the beginning of its bytes.

A body may hold megabytes of it, in which the event loop does nothing else: everything here passes over the text once, with
`bytes.translate`, and decodes no more than is looked at. Never does: change what is not base64. Invariant: total.
"""

from __future__ import annotations

import base64
import string

START_CHARACTERS = 400_000
"""Characters in which the header of a picture is looked for."""
_ONE_SPELLING = bytes.maketrans(b"-_", b"+/")
_ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
_BLANKS = b" \t\n\r\x0b\x0c"
_SEPARATORS = b"\x1c\x1d\x1e\x1f"
"""What is a blank in a text only, not in bytes."""


def plain_base64(text: str) -> bytes:
    """Return base64 in one spelling: without blanks and padding, in the standard alphabet."""
    if text.isascii():
        return text.encode().translate(_ONE_SPELLING, _BLANKS + _SEPARATORS).rstrip(b"=")
    joined = "".join(text.split()).encode("utf-8", "surrogatepass")
    return joined.rstrip(b"=").translate(_ONE_SPELLING)


def plain_base64_of(data: bytes) -> bytes:
    """Return the same of bytes."""
    return data.translate(_ONE_SPELLING, _BLANKS).rstrip(b"=")


def is_base64(plain: bytes) -> bool:
    """Return whether a text of one spelling can be decoded."""
    return len(plain) % 4 != 1 and not plain.translate(None, _ALPHABET)


def padded(plain: bytes) -> bytes:
    """Return a text of one spelling with its padding."""
    return plain + b"=" * (-len(plain) % 4)


def bytes_of(plain: bytes, characters: int = START_CHARACTERS) -> bytes:
    """Return the bytes of so many characters of valid base64; all of a shorter one."""
    return base64.b64decode(padded(plain[:characters]))
