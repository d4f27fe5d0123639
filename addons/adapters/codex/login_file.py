"""Codex's login as a source of logins: cached, checked for expiry at every call, tolerant of partial writes.

Codex's config.toml says where the login is: in auth.json, or in an entry of the system's keyring. With `keyring` the entry
is the only place, with `auto` the entry comes before the file. Unless the config says so, the keyring is not asked, and a
read costs two stats.

`UsableLogins` adds the details of the account, which are asked for in the background.

Never does: write the file or the entry, refresh a token, store one on disk. Invariant: a partially written file is read again
before it is reported, and a login is only accepted when two consecutive reads gave the same bytes.

Codex truncates the file and rewrites it, so a reader can see an empty file, a part, or the start of one version with the
end of the next.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from addons.adapters.codex.account_details import AccountDetails
from addons.adapters.codex.api_base import ApiBase
from addons.adapters.codex.keyring_entry import KeyringEntry, KeyringUnusableError
from addons.adapters.system.files import CachedFile, FileAccessError
from addons.adapters.system.paths import codex_config_file, codex_home
from addons.core.codex.auth_json import has_api_key, has_codex_login, read_login
from addons.core.codex.login import (
    DISABLE_VARIABLE,
    Login,
    LoginKind,
    LoginMethod,
    LoginProblem,
    LoginSource,
    check_expiry,
    is_login_disabled,
    keyring_problem,
    login_disabled_problem,
    unreadable_problem,
)

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


LAST_GOOD_SECONDS = 30.0
"""How long the last good login stays valid while the file is broken."""
PAUSES = (0.0, 0.001, 0.002)
"""Seconds before the second, third and fourth read. They block the event loop, so they are tiny."""

_BROKEN = frozenset({LoginKind.GARBLED, LoginKind.UNREADABLE, LoginKind.KEYRING})


def has_chatgpt_login(env: Mapping[str, str]) -> bool:
    """Return whether Codex has a login for ChatGPT; an expired one counts, because Codex refreshes it."""
    return _is_stored(env, has_codex_login)


def has_api_key_login(env: Mapping[str, str]) -> bool:
    """Return whether Codex is logged in with an API key."""
    return _is_stored(env, has_api_key)


def _is_stored(env: Mapping[str, str], is_wanted: Callable[[bytes], bool]) -> bool:
    """Return whether the stored login is of a kind."""
    store = LoginStore(env)
    try:
        for pause in (0.0, *PAUSES):
            # Codex may be rewriting the file.
            time.sleep(pause)
            data = store.read()
            if data is None or is_wanted(data):
                return data is not None
            store.forget()
    except (FileAccessError, KeyringUnusableError):
        return False
    return False


class LoginFile:
    """The `LoginSource` that reads auth.json. `clock` returns unix seconds."""

    def __init__(self, env: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._env = env
        self._store = LoginStore(env)
        self._data: bytes | None = None
        self._found: Login | LoginProblem | None = None
        self._good: Login | None = None
        self._broken_since: float | None = None

    @property
    def known(self) -> Login | None:
        """The login that was read last, if it was one, also after its expiry. Costs nothing."""
        return self._found if isinstance(self._found, Login) else self._good

    def current(self) -> Login | LoginProblem:
        """Return the login in the file. Costs two stats while nothing changes."""
        if DISABLE_VARIABLE in self._env and is_login_disabled(self._env):
            return login_disabled_problem()
        now, found = self._clock(), self._read()
        if isinstance(found, Login):
            self._good, self._broken_since = found, None
        else:
            found = self._or_last_good(found, now)
        return check_expiry(found, self._store.name, now) if isinstance(found, Login) else found

    def reread(self) -> Login | LoginProblem:
        """Return the login without the cache, for use after an upstream has rejected the token."""
        self._store.forget()
        return self.current()

    def _read(self) -> Login | LoginProblem:
        try:
            data = self._store.read()
            if self._found is None or not self._is_current(data, self._found):
                self._data, self._found = self._read_settled(data)
        except FileAccessError as error:
            self._found = None
            return unreadable_problem(str(self._store.path), error.reason)
        except KeyringUnusableError as error:
            self._found = None
            return keyring_problem(str(error), error.command)
        return self._found

    def _is_current(self, data: bytes | None, found: Login | LoginProblem) -> bool:
        """Return whether `found` was parsed from this content.

        Two truncated states look alike, so a broken result is only reused once the file is settled.
        """
        return data == self._data and (not _is_broken(found) or self._store.is_settled)

    def _read_settled(self, data: bytes | None) -> tuple[bytes | None, Login | LoginProblem]:
        """Read again until two reads agree on a valid login; otherwise the file counts as broken."""
        found = read_login(data, self._store.name)
        for pause in PAUSES:
            if data is None:
                break
            time.sleep(pause)
            again = self._store.read()
            if again == data and not _is_broken(found):
                return again, found
            data, found = again, read_login(again, self._store.name)
        return data, found if _is_broken(found) or data is None else _changing_problem(
            self._store.name
        )

    def _or_last_good(self, found: LoginProblem, now: float) -> Login | LoginProblem:
        """Return the last good login in place of a broken file, for a limited time."""
        if not _is_broken(found):
            self._good = self._broken_since = None
            return found
        if self._broken_since is None:
            self._broken_since = now
        recent = 0 <= now - self._broken_since < LAST_GOOD_SECONDS
        return self._good if recent and self._good is not None else found


def _changing_problem(path: str) -> LoginProblem:
    return LoginProblem(
        LoginKind.GARBLED, f"{path} kept changing while it was read. Send the request again."
    )


def _is_broken(found: Login | LoginProblem) -> bool:
    return isinstance(found, LoginProblem) and found.kind in _BROKEN


class UsableLogins:
    """A `LoginSource` with the details of each account, and without API keys while the API's address cannot be used."""

    def __init__(self, source: LoginSource, details: AccountDetails, api: ApiBase) -> None:
        self._source = source
        self._details = details
        self._api = api
        self.known: Login | None = None
        """The login that was read last, also after its expiry. Every turn looks at it."""

    def current(self) -> Login | LoginProblem:
        """Return the login in the file now."""
        return self._usable(self._source.current())

    def reread(self) -> Login | LoginProblem:
        """Return the login without any cache."""
        return self._usable(self._source.reread())

    def _usable(self, found: Login | LoginProblem) -> Login | LoginProblem:
        login = self._source.known
        self.known = self._details.complete(login) if login else None
        if isinstance(found, LoginProblem):
            return found
        problem = self._api.problem if found.method is LoginMethod.API_KEY else None
        return problem or self._details.complete(found)
