"""The secrets of this process that its environment holds, so that no text of an upstream or a program shows them.

Never does: use one. Invariant: only values of variables whose name says that they are secret, and the logins of proxies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from addons.core.secrets import Secret, looks_secret

MIN_LENGTH = 6


def secrets_in(env: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return the secrets in the environment."""
    values = dict.fromkeys(value for name, text in env.items() for value in _values(name, text))
    return tuple(Secret(value) for value in values if len(value) >= MIN_LENGTH)


def _values(name: str, text: str) -> Iterator[str]:
    if looks_secret(name):
        yield text.strip()
    if "://" in text and "@" in text:
        yield from _login(text)


def _login(url: str) -> Iterator[str]:
    """Yield the password of a URL, as it is written and as it is meant."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))
