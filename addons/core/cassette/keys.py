"""Removes from a body what has the form of a key, in addition to the secrets that this process knows.

A user's text and the output of commands may hold a key that no turn uses. Its value is found by its shape and then
replaced wherever it is quoted, parts of it in several events included.

Never does: replace the text around a key. Invariant: idempotent, so a recorded request and a repeated one stay equal.
"""

from __future__ import annotations

import re

from addons.core.masking.credentials import KEY_PREFIXED
from addons.core.masking.mask import mask_of
from addons.core.secrets import Secret

_SHAPES = (
    re.compile(rb"(?<![\w-])(?:" + KEY_PREFIXED.encode() + rb")"),
    re.compile(rb"(?i)\bbearer[ \t]+([\w.~+/-]{16,}=*)"),
    re.compile(rb"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----([^-]{40,20000})"),
    re.compile(rb"\b[a-z][a-z0-9+.-]{1,20}://[^\s/@:\"\\]{1,200}:([^\s/@\"\\]{8,200})@"),
)
_ESCAPED_NEWLINE = re.compile(rb"(?<!\\)(\\+[nrt])(?=[\w-])")
MIN_KEY = 12
"""Characters of the shortest value that is taken for a key, and it holds a digit: `npm-install` is a word."""


def without_keys(body: bytes) -> bytes:
    """Return a body, or an event stream, without the keys in it. Without one it is the same object."""
    # an escape such as `\n` ends in a letter, which would hide the beginning of a key
    text = _ESCAPED_NEWLINE.sub(b" ", body)
    found = {match[match.lastindex or 0] for shape in _SHAPES for match in shape.finditer(text)}
    keys = [Secret(key) for key in sorted(found) if len(key) >= MIN_KEY and re.search(rb"\d", key)]
    if not keys:
        return body
    return mask_of(keys).stream(body)
