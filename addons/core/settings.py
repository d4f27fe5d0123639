"""The settings a user writes, checked: what models.json says beside its model rows.

Never does: read files. Invariant: total. What is broken leaves in force what was in force before, and is named as
`file: field: reason (line N)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import orjson

from addons.core.limits import Limits, limits_from, shown

CredentialChoice = Literal["auth_json", "client"]
ALLOWED_HOSTS = "CODEX_SHIM_ALLOWED_HOSTS"


@dataclass(frozen=True, slots=True)
class Settings:
    """One consistent state of the settings."""

    limits: Limits = field(default_factory=Limits)
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Slug alias → slug."""
    chatgpt_credential: CredentialChoice = "auth_json"
    """Which credential wins on the ChatGPT route when the client sends its own."""
    chatgpt_fallback: tuple[str, ...] = ()
    """Slugs that are asked, in order, when the ChatGPT backend cannot answer."""
    allowed_hosts: frozenset[str] = frozenset()
    """Host names beside the loopback ones."""
    problems: tuple[str, ...] = ()
    """What is wrong, each with where it is."""


def parse_settings(
    data: bytes | None, source: str, env: Mapping[str, str], before: Settings | None = None
) -> Settings:
    """Read models.json (None: there is none) and the environment.

    `source` is how messages call the file; `before` is what was in force until now.
    """
    if before is None:
        before = Settings() if data is None else parse_settings(None, source, env)
    reader = _Reader(data or b"", source, before)
    root = {} if data is None else reader.root()
    if root is None:
        return replace(before, problems=tuple(reader.problems))
    return Settings(
        limits=reader.limits(root, env),
        aliases=reader.aliases(root),
        chatgpt_credential=reader.credential(root),
        chatgpt_fallback=reader.fallback(root),
        allowed_hosts=frozenset(env.get(ALLOWED_HOSTS, "").lower().replace(",", " ").split()),
        problems=tuple(reader.problems),
    )


@dataclass(slots=True)
class _Reader:
    """Takes one file apart and keeps what is wrong with it."""

    data: bytes
    source: str
    before: Settings
    problems: list[str] = field(default_factory=list)

    def root(self) -> Mapping[str, object] | None:
        """The file's object; a list holds rows and nothing else. None when the file is broken."""
        try:
            root = orjson.loads(self.data)
        except orjson.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}"
            reason = where if self.data.strip() else "the file is empty"
            self.problems.append(f"{self.source}: {reason}")
            return None
        if isinstance(root, dict):
            return root
        if not isinstance(root, list):
            self.problems.append(f"{self.source}: line 1: neither an object nor a list")
            return None
        return {}

    def limits(self, root: Mapping[str, object], env: Mapping[str, str]) -> Limits:
        """The limits of the file and of the environment."""
        values = self._object(root, "limits")
        if values is None:
            return self.before.limits
        limits, wrong = limits_from(values, env, self.before.limits)
        for one in wrong:
            if one.variable:
                self.problems.append(f"{one.variable}: {one.reason}")
            else:
                self._wrong(("limits", one.field), one.reason)
        return limits

    def aliases(self, root: Mapping[str, object]) -> Mapping[str, str]:
        """The aliases that can be used."""
        values = self._object(root, "aliases")
        if values is None:
            return self.before.aliases
        usable: dict[str, str] = {}
        for name, slug in values.items():
            if isinstance(slug, str) and slug:
                usable[name] = slug
            else:
                self._wrong(("aliases", name), f"{shown(slug)} is not the name of a model")
        return usable

    def credential(self, root: Mapping[str, object]) -> CredentialChoice:
        """Whose credential wins on the ChatGPT route."""
        values = self._object(root, "chatgpt")
        match values.get("credential", "auth_json") if values is not None else None:
            case "client":
                return "client"
            case "auth_json":
                return "auth_json"
            case other if values is not None:
                reason = f"{shown(other)} is neither auth_json nor client"
                self._wrong(("chatgpt", "credential"), reason)
        return self.before.chatgpt_credential

    def fallback(self, root: Mapping[str, object]) -> tuple[str, ...]:
        """Who is asked when the ChatGPT backend cannot answer."""
        section = root.get("chatgpt")
        slugs = section.get("fallback", []) if isinstance(section, dict) else []
        slugs = [slugs] if isinstance(slugs, str) else slugs
        if isinstance(slugs, list) and all(isinstance(slug, str) and slug for slug in slugs):
            return tuple(slugs)
        self._wrong(("chatgpt", "fallback"), "not a list of names of models")
        return self.before.chatgpt_fallback

    def _object(self, root: Mapping[str, object], name: str) -> Mapping[str, object] | None:
        value = root.get(name, {})
        if isinstance(value, dict):
            return value
        self._wrong((name,), "not an object")
        return None

    def _wrong(self, path: tuple[str, ...], reason: str) -> None:
        line = line_of(self.data, path)
        self.problems.append(f"{self.source}: {'.'.join(path)}: {reason} (line {line})")


def line_of(data: bytes, path: tuple[str, ...]) -> int:
    """In which line of a JSON text the innermost key of a path is written, counted from 1.

    Looks for each key after the one before it, so an escaped or repeated key gives a line near by.
    """
    position = 0
    for key in path:
        position = max(position, data.find(orjson.dumps(key), position))
    return data.count(b"\n", 0, position) + 1
