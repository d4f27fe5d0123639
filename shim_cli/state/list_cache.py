"""The cache of the last listing, so that `list` need not read the settings again.

Never does: store a key or a token; only a digest of all inputs is stored. Invariant: the cached listing is used only
while every file and variable that it was built from is unchanged and the login is valid.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from addons.adapters.cursor.binary import find_binary
from addons.adapters.system.paths import codex_home, listing_file, settings_file, state_dir
from addons.core.version import VERSION
from shim_cli.state.listing import Listing


class RecordingEnv(Mapping[str, str]):
    """An environment that records which variables were read."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._env[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)

    def items(self) -> ItemsView[str, str]:
        """Return all variables without recording them: only child processes need all."""
        return self._env.items()


@dataclass(frozen=True, slots=True)
class ListingInputs:
    """The names of the files and variables that a listing was built from."""

    files: Sequence[str]
    variables: Sequence[str]
    until: float | None = None
    """When the login or the saved status of Cursor expires (epoch seconds)."""

    def digest(self, env: Mapping[str, str], settings: Path | None) -> str:
        """Return a digest of the content of all inputs and of this program."""
        digest = hashlib.sha256()
        for part in _digest_parts(self, env, settings):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
        return digest.hexdigest()


def load_listing(env: Mapping[str, str], settings: Path | None) -> Listing | None:
    """Return the cached listing, if it is still valid."""
    try:
        stored: dict[str, Any] = json.loads(listing_file(env).read_bytes())
        inputs = ListingInputs(stored["files"], stored["variables"], stored["until"])
        is_fresh = inputs.until is None or time.time() < inputs.until
        if is_fresh and inputs.digest(env, settings) == stored["digest"]:
            return Listing.from_json(stored["listing"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Missing or damaged: the caller builds the listing and replaces the file.
        pass
    return None


def last_listing(env: Mapping[str, str]) -> Listing | None:
    """Return the cached listing, also if it is out of date. For completions, which must not wait."""
    try:
        return Listing.from_json(json.loads(listing_file(env).read_bytes())["listing"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def save_listing(
    listing: Listing, inputs: ListingInputs, env: Mapping[str, str], settings: Path | None
) -> None:
    """Store a listing. A failure is ignored: the next `list` is then slower."""
    from addons.adapters.system.files import FileAccessError, write_atomic  # noqa: PLC0415

    record = {
        "files": list(inputs.files),
        "variables": sorted(inputs.variables),
        "until": inputs.until,
        "digest": inputs.digest(env, settings),
        "listing": listing.as_json(),
    }
    with contextlib.suppress(FileAccessError):
        write_atomic(listing_file(env), json.dumps(record).encode())


def _digest_parts(
    inputs: ListingInputs, env: Mapping[str, str], settings: Path | None
) -> Iterator[bytes]:
    # Absolute, because a relative path is another file in another working folder.
    for path in (settings_file(env, settings).absolute(), codex_home(env), state_dir(env)):
        yield os.fsencode(path)
    for name in sorted(inputs.variables):
        yield os.fsencode(name)
        yield os.fsencode(env[name]) if name in env else b"\0"
    # Whether cursor-agent is installed.
    yield os.fsencode(find_binary(env))
    for file in inputs.files:
        yield os.fsencode(file)
        yield _content(file)
    yield from _program_version()


def _content(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        return f"\0{error.errno}".encode()


def _program_version() -> Iterator[bytes]:
    """Yield the version, and name, time and size of each source file for changes in a checkout."""
    yield VERSION.encode()
    package = Path(__file__).parents[2]
    yield from sorted(_source_marks([package / "addons", package / "shim_cli"]))


def _source_marks(folders: Iterable[Path]) -> Iterator[bytes]:
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    yield from (
                        () if entry.name == "__pycache__" else _source_marks([Path(entry.path)])
                    )
                elif entry.name.endswith(".py"):
                    status = entry.stat()
                    yield f"{entry.path} {status.st_mtime_ns} {status.st_size}".encode()
