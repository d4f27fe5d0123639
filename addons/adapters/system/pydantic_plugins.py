"""Keeps plugins of pydantic away from models.json.

Pydantic looks for plugins in the metadata of every installed package, 10 ms, when the schema of a row is made. A plugin
would be shown each row with its key.

Never does: leave the variable set, which child processes would inherit. Invariant: other schemas in this process have
their plugins.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "PYDANTIC_DISABLE_PLUGINS"
SCHEMA = "addons.core.settings.row_schema"
"""The module whose import makes the schema."""


@contextmanager
def without_plugins() -> Iterator[None]:
    """Let the schema of rows be made without plugins, if it is made here."""
    if SCHEMA in sys.modules:
        yield
        return
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "__all__"
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
