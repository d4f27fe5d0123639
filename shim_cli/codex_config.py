"""Codex's config.toml, read: which provider and model are chosen, where that leads, and who else has written there.

Never does: write, quote a value that may hold a key. Invariant: total. A file that Codex could not read either gives
a problem in words.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from addons.core.credential import Origin
from addons.origins.files import CachedFile, FileAccessError
from addons.origins.paths import codex_home

BUILT_IN = "openai"
"""The provider that Codex takes when none is named."""
OLDER_BLOCK = ("# >>> codex-shim managed >>>", "# <<< codex-shim managed <<<")
"""What earlier shims put around the lines that they wrote."""

Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Provider:
    """One table below `model_providers`."""

    key: str
    table: Table

    @property
    def origin(self) -> Origin | None:
        """Where it sends turns; None for an address that is none, or that holds a password."""
        return origin_of(self.table.get("base_url"))


@dataclass(frozen=True, slots=True)
class CodexConfig:
    """What the file says. With a `problem` it says nothing."""

    path: Path
    exists: bool = False
    problem: str = ""
    root: Table = field(default_factory=dict)
    """The top level, with the chosen profile laid over it."""
    older_blocks: tuple[int, ...] = ()
    """The lines at which blocks of earlier shims begin, from 1."""

    @property
    def provider_key(self) -> str:
        """The provider that turns go to."""
        return _text(self.root, "model_provider") or BUILT_IN

    @property
    def model(self) -> str:
        """The slug that Codex asks for; empty when it is left to Codex."""
        return _text(self.root, "model")

    @property
    def profile(self) -> str:
        """The profile that is chosen in the file; empty without one."""
        return _text(self.root, "profile")

    @property
    def catalog(self) -> Path | None:
        """The catalog that takes the place of Codex's own."""
        named = _text(self.root, "model_catalog_json")
        return self.path.parent / named if named else None

    @property
    def providers(self) -> Mapping[str, Provider]:
        """The providers that are described, by key."""
        tables = _table(self.root, "model_providers")
        return {
            key: Provider(key, table) for key, table in tables.items() if isinstance(table, dict)
        }

    @property
    def provider(self) -> Provider | None:
        """The one that turns go to, when it is described."""
        return self.providers.get(self.provider_key)


def read_config(env: Mapping[str, str]) -> CodexConfig:
    """Read $CODEX_HOME/config.toml."""
    path = codex_home(env) / "config.toml"
    try:
        data = CachedFile(path).read()
    except FileAccessError as error:
        return CodexConfig(path, exists=True, problem=error.reason)
    if data is None:
        return CodexConfig(path)
    return parse_config(data, path)


def parse_config(data: bytes, path: Path) -> CodexConfig:
    """What the bytes say."""
    try:
        text = data.decode()
        root = tomllib.loads(text)
    except UnicodeDecodeError:
        return CodexConfig(path, exists=True, problem="it is not UTF-8")
    except tomllib.TOMLDecodeError as error:
        # only the place: the rest of the message quotes the file
        return CodexConfig(path, exists=True, problem=f"not valid TOML{_place(str(error))}")
    blocks = tuple(
        number for number, line in enumerate(text.splitlines(), 1) if line.strip() == OLDER_BLOCK[0]
    )
    profile = _table(_table(root, "profiles"), _text(root, "profile"))
    return CodexConfig(path, exists=True, root={**root, **profile}, older_blocks=blocks)


def loopback_origins(config: CodexConfig) -> Iterator[tuple[str, Origin]]:
    """Everything that the file sends to this machine: the key that does, and where to."""
    places = [(key, config.root.get(key)) for key in ("openai_base_url", "chatgpt_base_url")]
    places += [
        (f"model_providers.{provider.key}.base_url", provider.table.get("base_url"))
        for provider in config.providers.values()
    ]
    for key, url in places:
        origin = origin_of(url)
        if origin and origin.is_loopback:
            yield key, origin


def origin_of(url: object) -> Origin | None:
    """The origin of a URL that can be shown; None for anything else."""
    try:
        return Origin.of(url) if isinstance(url, str) else None
    except ValueError:
        return None


def _text(table: Table, key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _table(table: Table, key: str) -> Table:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def _place(message: str) -> str:
    start = message.rfind("(at ")
    return f" {message[start:].strip('()')}" if start >= 0 else ""
