"""Resolves the escapes of JSON, URLs, HTML, C and Python in a text, however often it was escaped.

Only what an echo needs: a character that is neither a letter nor a digit may be lost. Never does: decode an encoding of
the whole text, such as base64.
"""

from __future__ import annotations

import re

ESCAPE = re.compile(
    rb"(?:(?<!\\)\\++(?:u00|u\{0*|x)|%u00|%(?:25)*|&#[xX]0*|0[xX](?=[0-9a-fA-F]{2}(?![0-9a-zA-Z])))([0-9a-fA-F]{2})"
    rb"|(?<!\\)\\++(?:([01][0-7]{2})|u[0-9a-fA-F]{4}|[nrtbf])|&#0*([0-9]{2,3})|&(?:amp|quot|apos|lt|gt);"
)
"""One escaped character. A run of backslashes is read once, from its beginning."""
_ESCAPE_SIGNS = re.compile(rb"\\[ux0-9]|%[0-9a-fA-Fu]|&[#a-z]|0[xX]")
_BACKSLASH, _PERCENT, _AMPERSAND, _ZERO, _LOWER_X, _UPPER_X = b"\\%&0xX"
_BLANKS = (b"\\n", b"\\r", b"\\t")


def unescaped(data: bytes) -> bytes:
    """Return a text without its escapes: the same object if there is none."""
    # an integer is looked for ten times as fast as bytes, and this runs for every read
    if _BACKSLASH in data:
        for blank in _BLANKS:
            data = data.replace(blank, b"")
    elif (
        _PERCENT not in data
        and _AMPERSAND not in data
        and (_ZERO not in data or not _may_hold_hex(data))
    ):
        return data
    return ESCAPE.sub(character, data) if _ESCAPE_SIGNS.search(data) else data


def character(found: re.Match[bytes]) -> bytes:
    """Return the character that an escape stands for, or nothing where it is no letter or digit."""
    if found[1]:
        return bytes((int(found[1], 16),))
    if found[2]:
        return bytes((int(found[2], 8),))
    return bytes((int(found[3]) & 0xFF,)) if found[3] else b""


def _may_hold_hex(data: bytes) -> bool:
    """Return whether there may be a number such as 0x41, in data with a zero."""
    return (_LOWER_X in data and b"0x" in data) or (_UPPER_X in data and b"0X" in data)
