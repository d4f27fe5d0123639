"""The secrets of this machine that codex-shim knows of, so that a report can be searched for them.

Never does: run an auth_command, show what it found. Invariant: what cannot be read holds no secret that could have
been used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from addons.core.key_places import looks_secret
from addons.origins.login_file import login_path
from addons.origins.paths import settings_file, state_dir

SHORTEST = 8
SHORTEST_IN_LOGIN = 16
"""Codex's auth.json also holds short words, such as the name of the plan."""


def known_secrets(env: Mapping[str, str], settings: Path | None) -> list[str]:
    """Every secret that a file or a variable of ours holds."""
    path = settings_file(env, settings)
    found = [
        *(value for name, value in env.items() if looks_secret(name)),
        *(text for text in _texts(_json(login_path(env))) if len(text) >= SHORTEST_IN_LOGIN),
        *_keys(_json(path), path.parent),
        *_lines(state_dir(env) / "token"),
    ]
    return list(dict.fromkeys(secret for secret in found if len(secret) >= SHORTEST))


def _keys(value: object, folder: Path) -> Iterator[str]:
    """The texts of members that are named like a key, of headers, and of the files that they name."""
    if isinstance(value, list):
        for each in value:
            yield from _keys(each, folder)
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if "file" in name.lower() and isinstance(inner, str):
            yield from _lines(folder / Path(inner).expanduser())
        elif looks_secret(name) or "header" in name.lower() or "command" in name.lower():
            yield from _texts(inner)
        else:
            yield from _keys(inner, folder)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _json(path: Path) -> object:
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").split()
    except (OSError, ValueError):
        return []
