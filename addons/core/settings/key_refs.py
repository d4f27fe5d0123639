"""Where a row's keys come from, by kind and reference. A reference is resolved when a turn needs it, never before.

Never reads an environment variable, a file or a command's output. Invariant: no value here holds a plain key; a key
that models.json itself holds is a `Secret` from the moment it is parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from addons.core.secrets import Secret
from addons.core.upstream.api_keys import AuthScheme

DEFAULT_TTL_SECONDS = 300.0
"""How long the output of an auth_command is used before the command runs again."""


@dataclass(frozen=True, slots=True)
class InlineKey:
    """A key in models.json itself."""

    secret: Secret


@dataclass(frozen=True, slots=True)
class EnvKey:
    """A key in an environment variable: the first of these that is set."""

    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileKey:
    """A key in a separate file. A relative path starts at the folder of models.json."""

    path: str


@dataclass(frozen=True, slots=True)
class CommandKey:
    """A key that a program prints. There is no shell: `argv` is the program and its arguments."""

    argv: tuple[str, ...] = field(repr=False)
    """Hidden from `repr`, because arguments may be secrets."""
    ttl_seconds: float = DEFAULT_TTL_SECONDS


KeyRef = InlineKey | EnvKey | FileKey | CommandKey


@dataclass(frozen=True, slots=True)
class SecretHeaderSpec:
    """One secret header of a row."""

    scheme: AuthScheme
    key: KeyRef
    field: str
    """The field of the row that names the key, for messages."""
    required: bool = True
    """Whether a turn needs the header. If not, the header is left out while there is no key."""

    @property
    def is_inline(self) -> bool:
        """Whether models.json itself holds the key."""
        return isinstance(self.key, InlineKey)


def is_key(text: str) -> bool:
    """Return whether a text can be a key in a header: visible ASCII without blanks."""
    return _KEY.fullmatch(text) is not None


_KEY = re.compile(r"[\x21-\x7e]+")
