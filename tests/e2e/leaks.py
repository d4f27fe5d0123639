"""Search bytes for secrets: plain, and in the encodings that a file or an API may use.

Invariant: `leaks` reports names and encodings, never a secret, so its report can be printed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

FRAGMENT = 24
"""Length of the part that is searched for. Nothing else shares so many of its random characters."""


def leaks(data: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Return the name of every secret in the bytes, with its encoding."""
    return [
        f"{name} ({coding})"
        for name, secret in secrets.items()
        for coding, needle in _needles(secret)
        if needle in data
    ]


def leaks_in_files(paths: Iterable[Path], secrets: Mapping[str, str]) -> dict[str, list[str]]:
    """Search every file of these paths and folders. Return file name → findings."""
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))
    found = {str(file): leaks(file.read_bytes(), secrets) for file in files if file.is_file()}
    return {file: findings for file, findings in found.items() if findings}


def _needles(secret: str) -> Iterator[tuple[str, bytes]]:
    # The end of a token is its random signature; its beginning is the same for every token.
    piece = secret[-FRAGMENT:].encode()
    yield "plain", piece
    yield "URL-encoded", quote(piece, safe="").encode()
    yield "hex", piece.hex().encode()
    yield "hex", piece.hex().upper().encode()
    for shift in range(3):
        yield "base64", _base64_at(piece, shift, base64.b64encode)
        yield "base64url", _base64_at(piece, shift, base64.urlsafe_b64encode)


def _base64_at(piece: bytes, shift: int, encode: object) -> bytes:
    """Return the characters that depend only on the piece when it starts `shift` bytes into a group of three."""
    assert callable(encode)
    coded: bytes = encode(b"\0" * shift + piece).rstrip(b"=")
    last_is_whole = (shift + len(piece)) % 3 == 0
    return coded[(0, 2, 3)[shift] : None if last_is_whole else -1]
