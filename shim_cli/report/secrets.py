"""Collect the secrets that codex-shim can read on this machine, to search a report for them.

Never does: run an auth_command, print a secret. Invariant: a file that cannot be read is skipped; the shim cannot use it
either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from addons.adapters.codex.login_file import login_path
from addons.adapters.system.paths import settings_file, state_dir
from addons.core.json_values import loads_file
from addons.core.secrets import looks_secret

MIN_SECRET_LENGTH = 8
MIN_LOGIN_SECRET_LENGTH = 16
"""auth.json also contains short values that are not secret, such as the plan."""


def known_secrets(env: Mapping[str, str], settings: Path | None) -> list[str]:
    """Return every secret in the environment, the login, models.json, key files and the token file."""
    path = settings_file(env, settings)
    found = [
        *(value for name, value in env.items() if looks_secret(name)),
        *(
            text
            for text in _strings(_json(login_path(env)))
            if len(text) >= MIN_LOGIN_SECRET_LENGTH
        ),
        *_keys(_json(path), path.parent),
        *_file_words(state_dir(env) / "token"),
    ]
    return list(dict.fromkeys(secret for secret in found if len(secret) >= MIN_SECRET_LENGTH))


def _keys(value: object, folder: Path) -> Iterator[str]:
    """Yield values of key, header and command fields, and the content of files that file fields name."""
    if isinstance(value, list):
        for each in value:
            yield from _keys(each, folder)
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if "file" in name.lower() and isinstance(inner, str):
            yield from _file_words(folder / Path(inner).expanduser())
        elif looks_secret(name) or "header" in name.lower() or "command" in name.lower():
            yield from _strings(inner)
        else:
            yield from _keys(inner, folder)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _json(path: Path) -> object:
    try:
        return loads_file(path.read_bytes())
    except (OSError, ValueError):
        return None


def _file_words(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").split()
    except (OSError, ValueError):
        return []
