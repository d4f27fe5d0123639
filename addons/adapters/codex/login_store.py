"""The bytes of Codex's login: auth.json, or the entry in the system's keyring, as Codex's config.toml says.

With `keyring` the entry is the only place, with `auto` the entry comes before the file. Never does: parse a login, write
one. Invariant: without a word of the config, a read costs two stats and the keyring is not asked.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from addons.adapters.codex.keyring_entry import KeyringEntry, KeyringUnusableError
from addons.adapters.system.files import CachedFile, FileAccessError
from addons.adapters.system.paths import codex_config_file, codex_home

STORE_KEY = "cli_auth_credentials_store"
KEYRING, AUTO = "keyring", "auto"
KEYRING_NAME = "the system keyring"


def login_path(env: Mapping[str, str]) -> Path:
    """Return the path of Codex's login: $CODEX_HOME/auth.json, else ~/.codex/auth.json."""
    return codex_home(env) / "auth.json"


def login_files(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return every file that the login depends on."""
    return login_path(env), codex_config_file(env)


class LoginStore:
    """Where Codex keeps its login."""

    def __init__(self, env: Mapping[str, str], entry: KeyringEntry | None = None) -> None:
        self.path = login_path(env)
        self._file = CachedFile(self.path)
        self._config = CachedFile(codex_config_file(env))
        self._config_seen: bytes | None = None
        self._kind: object = None
        self._entry = entry or KeyringEntry(codex_home(env))
        self._is_file = True

    @property
    def name(self) -> str:
        """The place of the last read, for messages."""
        return str(self.path) if self._is_file else KEYRING_NAME

    @property
    def is_settled(self) -> bool:
        """Whether the last content does not change any more without a sign."""
        return self._file.is_settled if self._is_file else True

    def read(self) -> bytes | None:
        """Return the bytes, or None if there is no login. Raises FileAccessError and KeyringUnusableError."""
        if not self.uses_keyring():
            self._is_file = True
            return self._file.read()
        self._is_file = False
        if self._kind == KEYRING:
            return self._entry.read()
        entry, problem = None, None
        try:
            entry = self._entry.read()
        except KeyringUnusableError as error:
            problem = error
        if entry is None and (data := self._file.read()) is not None:
            self._is_file = True
            return data
        if problem:
            raise problem
        return entry

    def forget(self) -> None:
        """Drop every cache. The keyring answers later."""
        self._file.forget()
        if self.uses_keyring():
            self._entry.forget()

    def uses_keyring(self) -> bool:
        """Return whether Codex's config.toml says that the login may be in the keyring."""
        try:
            data = self._config.read()
        except FileAccessError:
            return False
        if data != self._config_seen:
            self._config_seen = data
            self._kind = _store_in(data or b"")
        return self._kind in (KEYRING, AUTO)


def _store_in(data: bytes) -> object:
    try:
        return tomllib.loads(data.decode()).get(STORE_KEY)
    except ValueError:
        return None
