"""What kind of output stdout is. Imports nothing heavy."""

from __future__ import annotations

import sys
from collections.abc import Mapping


def is_terminal() -> bool:
    """Return whether a person reads stdout: then tables are fitted to its width."""
    return sys.stdout.isatty()


def wants_colour(env: Mapping[str, str]) -> bool:
    """Return whether stdout is a terminal with colours; NO_COLOR (https://no-color.org) and TERM=dumb disable them."""
    return is_terminal() and not env.get("NO_COLOR") and env.get("TERM") != "dumb"
