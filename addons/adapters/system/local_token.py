"""The local token: one random line in the state folder that authorises this user's programs to use the shim.

Never does: write the token to a log, a flow or a command line. Invariant: a token file that cannot be used rejects every
client, and two processes that create the token at once get the same one.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from addons.adapters.system.file_lock import LockedError, locked
from addons.adapters.system.files import (
    CachedFile,
    FileAccessError,
    make_private_folder,
    write_atomic,
)
from addons.adapters.system.paths import token_file
from addons.core.secrets import Secret
from addons.core.server.admission import NO_TOKEN, TokenRule

REQUIRE_VARIABLE = "CODEX_SHIM_REQUIRE_TOKEN"
TRUE_VALUES = frozenset({"1", "true", "yes", "on"})
FALSE_VALUES = frozenset({"0", "false", "no", "off"})
RANDOM_BYTES = 32
_USABLE = re.compile(r"[A-Za-z0-9_-]{22,200}")


class LocalToken:
    """The token rule for admission. Costs one `stat` per request while the file does not change."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._setting = env.get(REQUIRE_VARIABLE, "").strip().lower()
        self._path = token_file(env)
        self._file = CachedFile(self._path)
        self._seen: bytes | None = None
        self._rule = NO_TOKEN

    @property
    def known(self) -> Secret | None:
        """The token that was read last. Costs nothing."""
        return self._rule.expected

    def rule(self) -> TokenRule:
        """Return the rule from the current file and environment."""
        if self._setting in FALSE_VALUES:
            return NO_TOKEN
        try:
            data = self._file.read()
        except FileAccessError:
            return self._reject_all()
        if data is None:
            return self._reject_all() if self._setting in TRUE_VALUES else NO_TOKEN
        if data is not self._seen:
            token = _token_in(data)
            expected = Secret(token) if token else None
            self._seen, self._rule = data, TokenRule(True, expected, str(self._path))  # noqa: FBT003
        return self._rule

    def _reject_all(self) -> TokenRule:
        return TokenRule(required=True, path=str(self._path))


def read_token(env: Mapping[str, str]) -> str:
    """Return the token as plain text, for a client of this user; empty without a usable one."""
    try:
        return _token_in(token_file(env).read_bytes())
    except OSError:
        return ""


def ensure_token(env: Mapping[str, str]) -> str:
    """Return the token, and create it first if there is none. Raises FileAccessError."""
    path = token_file(env)
    if token := read_token(env):
        with contextlib.suppress(OSError):
            path.chmod(0o600)
        return token
    try:
        make_private_folder(path.parent)
        with locked(path.with_name(".token.lock")):
            return read_token(env) or _create(path)
    except (OSError, LockedError) as error:
        raise FileAccessError(path, getattr(error, "strerror", None) or str(error)) from error


def _create(path: Path) -> str:
    token = secrets.token_urlsafe(RANDOM_BYTES)
    write_atomic(path, f"{token}\n".encode())
    return token


def _token_in(data: bytes) -> str:
    text = data.decode("ascii", "replace").strip()
    return text if _USABLE.fullmatch(text) else ""
