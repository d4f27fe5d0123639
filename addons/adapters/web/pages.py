"""The files of the pages, which `addons.core.server.pages` serves. Invariant: each is read from the package once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def page_file(name: str) -> bytes:
    """Return the bytes of a file of `addons.data`."""
    return files("addons.data").joinpath(name).read_bytes()
