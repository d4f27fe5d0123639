"""The local token: one random line in our state folder, which lets this user's programs in and nobody else's.

Never does: go to a log, a flow or a command line. Invariant: a file that is there and cannot be used lets nobody in,
and of two who make it at once both have the same.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from addons.core.credential import Secret
from addons.core.gate import NO_TOKEN, TokenRule
from addons.origins.file_lock import LockedError, locked
from addons.origins.files import CachedFile, FileAccessError, make_private, write_atomic
from addons.origins.paths import token_file

REQUIRE_VARIABLE = "CODEX_SHIM_REQUIRE_TOKEN"
ON, OFF = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
RANDOM_BYTES = 32
_USABLE = re.compile(r"[A-Za-z0-9_-]{22,200}")


class LocalToken:
    """What the gate asks per request: one `stat` while the file stays as it is."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._wanted = env.get(REQUIRE_VARIABLE, "").strip().lower()
        self._path = token_file(env)
        self._file = CachedFile(self._path)
        self._seen: bytes | None = None
        self._rule = NO_TOKEN

    def rule(self) -> TokenRule:
        """The rule as the file and the environment have it now."""
        if self._wanted in OFF:
            return NO_TOKEN
        try:
            data = self._file.read()
        except FileAccessError:
            return self._refuse_all()
        if data is None:
            return self._refuse_all() if self._wanted in ON else NO_TOKEN
        if data is not self._seen:
            token = _token_in(data)
            expected = Secret(token) if token else None
            self._seen, self._rule = data, TokenRule(True, expected, str(self._path))  # noqa: FBT003
        return self._rule

    def _refuse_all(self) -> TokenRule:
        return TokenRule(required=True, place=str(self._path))


def read_token(env: Mapping[str, str]) -> str:
    """The token as plain text, for a client of this user; empty when there is none that can be used."""
    try:
        return _token_in(token_file(env).read_bytes())
    except OSError:
        return ""


def ensure_token(env: Mapping[str, str]) -> str:
    """The token; made when there is none yet. Raises FileAccessError."""
    path = token_file(env)
    if token := read_token(env):
        with contextlib.suppress(OSError):
            path.chmod(0o600)
        return token
    try:
        make_private(path.parent)
        with locked(path.with_name(".token.lock")):
            return read_token(env) or _made(path)
    except (OSError, LockedError) as error:
        raise FileAccessError(path, getattr(error, "strerror", None) or str(error)) from error


def _made(path: Path) -> str:
    token = secrets.token_urlsafe(RANDOM_BYTES)
    write_atomic(path, f"{token}\n".encode())
    return token


def _token_in(data: bytes) -> str:
    text = data.decode("ascii", "replace").strip()
    return text if _USABLE.fullmatch(text) else ""
