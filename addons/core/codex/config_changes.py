"""Which settings of Codex's config.toml differ between two of its versions.

Codex writes the file itself, for example `model_reasoning_effort` after `/model`, and such a change stays when the block
of codex-shim is removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from addons.core.codex.config_block import parsed

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_MISSING = object()


def changed_settings(before: str, after: str) -> list[str]:
    """Return the dotted names of the settings that differ, without values: some are secrets.

    Empty also if one of the texts is not valid TOML.
    """
    try:
        return list(_changes(parsed(before), parsed(after), ""))
    except ValueError:
        return []


def _changes(
    before: Mapping[str, object], after: Mapping[str, object], prefix: str
) -> Iterator[str]:
    for key in {**before, **after}:
        name = prefix + (key if _BARE.fullmatch(key) else _quoted(key))
        old, new = before.get(key, _MISSING), after.get(key, _MISSING)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changes(old, new, f"{name}.")
        elif _form(old) != _form(new):
            yield name


def _quoted(key: str) -> str:
    """Return a key in ASCII: control characters and those for the direction of text would change the terminal."""
    return json.dumps(key).replace("\x7f", "\\u007f")


def _form(value: object) -> str:
    """Return a form of a value that is the same for equal values of one type: `nan` is `nan`, and `1` is not `true`."""
    return json.dumps(value, sort_keys=True, default=repr)
