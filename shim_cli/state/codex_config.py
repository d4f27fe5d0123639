"""Read Codex's config.toml: the selected provider and model, their addresses, and blocks of earlier shims.

Never does: write, quote a value that may contain a key. Invariant: total. A file that Codex could not read gives a
`problem`, never an exception.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from addons.adapters.system.files import CachedFile, FileAccessError
from addons.adapters.system.paths import codex_home
from addons.core.secrets import Origin

BUILT_IN = "openai"
"""The provider that Codex uses by default."""
OLDER_BLOCK = ("# >>> codex-shim managed >>>", "# <<< codex-shim managed <<<")
"""The markers that earlier shims wrote around their lines."""

Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Provider:
    """One table below `model_providers`."""

    key: str
    table: Table

    @property
    def origin(self) -> Origin | None:
        """Where it sends turns; None for an invalid address or one with a password."""
        return parse_origin(self.table.get("base_url"))


@dataclass(frozen=True, slots=True)
class CodexConfig:
    """The contents of the file; empty if there is a `problem`."""

    path: Path
    exists: bool = False
    problem: str = ""
    root: Table = field(default_factory=dict)
    """The top level, merged with the selected profile."""
    older_blocks: tuple[int, ...] = ()
    """The first lines of blocks of earlier shims, counted from 1."""

    @property
    def provider_key(self) -> str:
        """The key of the selected provider."""
        return _text(self.root, "model_provider") or BUILT_IN

    @property
    def model(self) -> str:
        """The selected slug; empty if the file sets none."""
        return _text(self.root, "model")

    @property
    def profile(self) -> str:
        """The selected profile; empty without one."""
        return _text(self.root, "profile")

    @property
    def catalog(self) -> Path | None:
        """The catalog that replaces Codex's own."""
        named = _text(self.root, "model_catalog_json")
        return self.path.parent / named if named else None

    @property
    def providers(self) -> Mapping[str, Provider]:
        """The tables below `model_providers`, by key."""
        tables = _table(self.root, "model_providers")
        return {
            key: Provider(key, table) for key, table in tables.items() if isinstance(table, dict)
        }

    @property
    def provider(self) -> Provider | None:
        """The selected provider, if the file has its table."""
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
    """Parse the content of config.toml."""
    try:
        text = data.decode()
        root = tomllib.loads(text)
    except UnicodeDecodeError:
        return CodexConfig(path, exists=True, problem="not valid UTF-8")
    except tomllib.TOMLDecodeError as error:
        # Only the position: the rest of the message quotes the file.
        return CodexConfig(path, exists=True, problem=f"not valid TOML{_position(str(error))}")
    blocks = tuple(
        number for number, line in enumerate(text.splitlines(), 1) if line.strip() == OLDER_BLOCK[0]
    )
    profile = _table(_table(root, "profiles"), _text(root, "profile"))
    return CodexConfig(path, exists=True, root={**root, **profile}, older_blocks=blocks)


def loopback_origins(config: CodexConfig) -> Iterator[tuple[str, Origin]]:
    """Yield each setting that points at this machine: its key and its origin."""
    urls = [(key, config.root.get(key)) for key in ("openai_base_url", "chatgpt_base_url")]
    urls += [
        (f"model_providers.{provider.key}.base_url", provider.table.get("base_url"))
        for provider in config.providers.values()
    ]
    for key, url in urls:
        origin = parse_origin(url)
        if origin and origin.is_loopback:
            yield key, origin


def parse_origin(url: object) -> Origin | None:
    """Return the origin of a URL; None if it is not valid or contains a password."""
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


def _position(message: str) -> str:
    start = message.rfind("(at ")
    return f" {message[start:].strip('()')}" if start >= 0 else ""
