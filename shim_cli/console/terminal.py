"""What kind of output stdout is. Imports nothing heavy."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import TextIO

_QUOTED = re.compile(r"`[^`]*`")
_BLANK = "\0"
"""Stands for a blank at which no line is broken."""


def is_terminal() -> bool:
    """Return whether a person reads stdout: then tables are fitted to its width."""
    return sys.stdout.isatty()


def wants_colour(env: Mapping[str, str]) -> bool:
    """Return whether stdout is a terminal with colours; NO_COLOR (https://no-color.org) and TERM=dumb disable them."""
    return is_terminal() and not env.get("NO_COLOR") and env.get("TERM") != "dumb"


def fitted(text: str, indent: int, stream: TextIO) -> str:
    """Return a line as it fits the terminal: what follows its first line is indented. A quoted command is not broken."""
    if not stream.isatty():
        return text
    # not imported for the output that a program reads
    import shutil  # noqa: PLC0415
    import textwrap  # noqa: PLC0415

    kept = _QUOTED.sub(lambda found: found[0].replace(" ", _BLANK), text)
    lines = textwrap.fill(
        kept,
        shutil.get_terminal_size().columns,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace(_BLANK, " ")
