"""Where a row's keys come from, by kind and reference: what is resolved when a turn needs it, never before.

Never does: read a variable, a file or a command's answer. Invariant: no plain key is in any value here; one that
models.json holds itself is a `Secret` from the moment it is parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from addons.core.credential import Secret

DEFAULT_TTL_SECONDS = 300.0
"""How long the answer of an auth_command is used before it is asked for again."""


@dataclass(frozen=True, slots=True)
class InlineKey:
    """The file holds the key itself."""

    secret: Secret


@dataclass(frozen=True, slots=True)
class EnvKey:
    """An environment variable holds it: the first of these that is set."""

    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileKey:
    """A file of its own holds it. Relative paths start at the folder of models.json."""

    path: str


@dataclass(frozen=True, slots=True)
class CommandKey:
    """A program prints it. No shell: `argv` is the program and its arguments."""

    argv: tuple[str, ...] = field(repr=False)
    """Arguments may be secrets themselves."""
    ttl_seconds: float = DEFAULT_TTL_SECONDS


KeyPlace = InlineKey | EnvKey | FileKey | CommandKey


@dataclass(frozen=True, slots=True)
class AuthForm:
    """The header that carries a key, and what stands before the key in it."""

    header: bytes
    prefix: bytes = b""


BEARER = AuthForm(b"authorization", b"Bearer ")
X_API_KEY = AuthForm(b"x-api-key")
API_KEY = AuthForm(b"api-key")


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One secret header of a row."""

    form: AuthForm
    place: KeyPlace
    field: str
    """The field of the row that it comes from, for messages."""
    required: bool = True
    """Without it there is no turn; else the header is left out while the place is empty."""

    @property
    def is_inline(self) -> bool:
        """Whether models.json itself holds the key."""
        return isinstance(self.place, InlineKey)


def is_key(text: str) -> bool:
    """Whether a text can stand in a header as a key: visible ASCII, no blanks."""
    return _KEY.fullmatch(text) is not None


def looks_secret(name: str) -> bool:
    """Whether a header or query parameter of this name carries a key."""
    word = name.strip().lower().replace("_", "-")
    return word in _SECRET_NAMES or any(part in word for part in _SECRET_PARTS)


_KEY = re.compile(r"[\x21-\x7e]+")
_SECRET_NAMES = frozenset({"key", "cookie", "set-cookie", "sig"})
_SECRET_PARTS = (
    "authorization",
    "token",
    "secret",
    "password",
    "apikey",
    "signature",
    "credential",
    "-key",
)
