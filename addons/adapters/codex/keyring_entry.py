"""Codex's entry in the system's keyring, where it keeps auth.json when its config says so.

The library `keyring` is optional (extra `keyring`) and imported only when there is an entry to read. Never does:
write an entry, wait long: a keyring may ask the user for a password. Invariant: the keyring is asked at most once in
`FRESH_SECONDS`, and only by a thread.

Source: the names that Codex 0.133 to 0.171 use: service "Codex Auth", user `cli|` and 16 hex digits of the SHA-256 of
the real path of CODEX_HOME.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from addons.adapters.system.packages import install_command

SERVICE = "Codex Auth"
FRESH_SECONDS = 30.0
WAIT_SECONDS = 2.0
"""How long a caller waits for the first answer. Later ones are not waited for: the caller may be the event loop."""

Read = Callable[[str, str], str | None]
"""Returns the password of a service and user, or None. Raises KeyringUnusableError."""


class KeyringUnusableError(Exception):
    """The keyring cannot be read. The message says why, without a stop; `command` is what to type."""

    def __init__(self, reason: str, command: str = "") -> None:
        super().__init__(reason)
        self.command = command


def entry_user(codex_home: Path) -> str:
    """Return the user name of Codex's entry for this folder."""
    digest = hashlib.sha256(os.path.realpath(codex_home).encode(errors="replace")).hexdigest()
    return f"cli|{digest[:16]}"


def read_system_keyring(service: str, user: str) -> str | None:
    """Return the entry of the system's keyring. Raises KeyringUnusableError."""
    if sys.platform == "win32":
        reason = "Codex's entry in the Windows Credential Manager has a form that other programs cannot look up"
        raise KeyringUnusableError(reason)
    try:
        import keyring  # noqa: PLC0415  optional, and takes 100 ms
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError:
        reason = "the library `keyring` is not installed"
        raise KeyringUnusableError(reason, install_command("keyring")) from None
    try:
        return keyring.get_password(service, user)
    except (KeyringError, OSError, RuntimeError) as error:
        reason = f"the keyring refuses ({type(error).__name__})"
        raise KeyringUnusableError(reason) from None


class KeyringEntry:
    """The bytes of Codex's entry. `clock` returns seconds that never go back."""

    def __init__(
        self,
        codex_home: Path,
        read: Read = read_system_keyring,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home = codex_home
        self._read = read
        self._clock = clock
        self._asked_at: float | None = None
        self._asking: Thread | None = None
        self._found: bytes | KeyringUnusableError | None = None

    def read(self) -> bytes | None:
        """Return the entry, at most `FRESH_SECONDS` and one request old. Raises KeyringUnusableError."""
        is_first = self._asked_at is None
        if self._asked_at is None or self._clock() - self._asked_at >= FRESH_SECONDS:
            self._ask()
        if is_first:
            self._wait()
        if isinstance(self._found, KeyringUnusableError):
            raise self._found
        return self._found

    def forget(self) -> None:
        """Ask the keyring again, as the login in it was refused. `read` returns the old entry until it answers."""
        self._ask()

    def _ask(self) -> None:
        if self._asking and self._asking.is_alive():
            return
        self._asked_at = self._clock()
        self._asking = Thread(target=self._fetch, name="keyring", daemon=True)
        self._asking.start()

    def _wait(self) -> None:
        if self._asking:
            self._asking.join(WAIT_SECONDS)
            if self._asking.is_alive() and self._found is None:
                self._found = KeyringUnusableError("the keyring has not answered: unlock it")

    def _fetch(self) -> None:
        try:
            entry = self._read(SERVICE, entry_user(self._home))
            self._found = None if entry is None else entry.encode()
        except KeyringUnusableError as error:
            self._found = error
        except Exception as error:  # noqa: BLE001  raised again by `read`: a keyring's library has errors of its own
            self._found = KeyringUnusableError(f"the keyring failed ({type(error).__name__})")
