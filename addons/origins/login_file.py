"""Codex's auth.json as a source of logins: cached, re-judged at every call, patient with a half-written file.

Never does: write the file, refresh a token, keep one on disk. Invariant: a file caught half-written is read again,
not reported broken, and a login is only believed when two reads in a row gave the same bytes.

Codex truncates the file and writes it anew, so a reader can meet nothing, a part, or the head of one version with
the tail of the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from addons.core.login import (
    Login,
    LoginKind,
    LoginProblem,
    judged,
    login_switched_off,
    read_login,
    switched_off_problem,
    unreadable_problem,
)
from addons.origins.files import CachedFile, FileAccessError
from addons.origins.paths import codex_home

LAST_GOOD_SECONDS = 30.0
"""How long a broken file is covered by the login that it held before."""
PAUSES = (0.0, 0.001, 0.002)
"""Seconds before the second, third and fourth read. The caller is the event loop: they stay tiny."""

_BROKEN = frozenset({LoginKind.GARBLED, LoginKind.UNREADABLE})


def login_path(env: Mapping[str, str]) -> Path:
    """Where Codex keeps its login: $CODEX_HOME/auth.json, else ~/.codex/auth.json."""
    return codex_home(env) / "auth.json"


class LoginFile:
    """The `LoginSource` of a machine. `clock` gives unix seconds."""

    def __init__(self, env: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._env = env
        self._clock = clock
        self._file = CachedFile(login_path(env))
        self._name = str(self._file.path)
        self._data: bytes | None = None
        self._found: Login | LoginProblem | None = None
        self._good: Login | None = None
        self._broken_since: float | None = None

    def current(self) -> Login | LoginProblem:
        """The login as the file has it now. Costs one stat while the file does not change."""
        if login_switched_off(self._env):
            return switched_off_problem()
        now = self._clock()
        found = self._covered(self._read(), now)
        return judged(found, self._name, now) if isinstance(found, Login) else found

    def reread(self) -> Login | LoginProblem:
        """The same, past the cache: for use after an upstream refused the token."""
        self._file.forget()
        return self.current()

    def _read(self) -> Login | LoginProblem:
        try:
            data = self._file.read()
            if self._found is None or not self._knows(data, self._found):
                self._data, self._found = self._settled(data)
        except FileAccessError as error:
            self._found = None
            return unreadable_problem(self._name, error.reason)
        return self._found

    def _knows(self, data: bytes | None, found: Login | LoginProblem) -> bool:
        """Whether `found` still stands for this content.

        Two truncated moments look alike, so broken content only counts as known once the file rests.
        """
        return data == self._data and (self._file.rests or not _is_broken(found))

    def _settled(self, data: bytes | None) -> tuple[bytes | None, Login | LoginProblem]:
        """Read again until two reads agree on something whole; else it counts as broken."""
        found = read_login(data, self._name)
        for pause in PAUSES:
            if data is None:
                break
            time.sleep(pause)
            again = self._file.read()
            if again == data and not _is_broken(found):
                return again, found
            data, found = again, read_login(again, self._name)
        return data, found if _is_broken(found) or data is None else _changing(self._name)

    def _covered(self, found: Login | LoginProblem, now: float) -> Login | LoginProblem:
        """Put the last good login in the place of a broken file, for a while."""
        if not _is_broken(found):
            self._good = found if isinstance(found, Login) else None
            self._broken_since = None
            return found
        if self._broken_since is None:
            self._broken_since = now
        recent = 0 <= now - self._broken_since < LAST_GOOD_SECONDS
        return self._good if recent and self._good is not None else found


def _changing(path: str) -> LoginProblem:
    return LoginProblem(
        LoginKind.GARBLED, f"{path} kept changing while it was read. Send the request again."
    )


def _is_broken(found: Login | LoginProblem) -> bool:
    return isinstance(found, LoginProblem) and found.kind in _BROKEN
