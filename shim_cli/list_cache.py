"""The last listing, used again while everything that it was made of is as it was: `list` then reads no settings.

Never does: keep a key, a token or anything read from one but a digest of the whole. Invariant: a listing is only used
again while every file and every variable that was read for it has the same content, and the login is still valid.
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

from addons.origins.cursor_binary import find_binary
from addons.origins.paths import codex_home, listing_file, settings_file, state_dir
from addons.version import VERSION
from shim_cli.listing import Listing


class Watched(Mapping[str, str]):
    """An environment that knows which of its variables were asked for."""

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
        """All of it, for a child: nothing is decided by that."""
        return self._env.items()


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What a listing was made of, by name."""

    files: Sequence[str]
    variables: Sequence[str]
    until: float | None = None
    """When the login expires, or Cursor's has to be asked for again (epoch seconds)."""

    def digest(self, env: Mapping[str, str], settings: Path | None) -> str:
        """One digest of the content of everything that is named, and of ourselves."""
        found = hashlib.sha256()
        for part in _parts(self, env, settings):
            found.update(len(part).to_bytes(8))
            found.update(part)
        return found.hexdigest()


def recall(env: Mapping[str, str], settings: Path | None) -> Listing | None:
    """The last listing, if it still holds."""
    try:
        kept: dict[str, Any] = json.loads(listing_file(env).read_bytes())
        made_of = Ingredients(kept["files"], kept["variables"], kept["until"])
        fresh = made_of.until is None or time.time() < made_of.until
        if fresh and made_of.digest(env, settings) == kept["digest"]:
            return Listing.from_json(kept["listing"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # not there, or not ours: the listing is made anew, and takes its place
        pass
    return None


def keep(
    listing: Listing, made_of: Ingredients, env: Mapping[str, str], settings: Path | None
) -> None:
    """Keep a listing for the next time. Where it cannot be written, the next time takes a little longer."""
    from addons.origins.files import FileAccessError, write_atomic  # noqa: PLC0415

    record = {
        "files": list(made_of.files),
        "variables": sorted(made_of.variables),
        "until": made_of.until,
        "digest": made_of.digest(env, settings),
        "listing": listing.as_json(),
    }
    with contextlib.suppress(FileAccessError):
        write_atomic(listing_file(env), json.dumps(record).encode())


def _parts(made_of: Ingredients, env: Mapping[str, str], settings: Path | None) -> Iterator[bytes]:
    # a relative path means another file in another folder
    for place in (settings_file(env, settings).absolute(), codex_home(env), state_dir(env)):
        yield os.fsencode(place)
    for name in sorted(made_of.variables):
        yield os.fsencode(name)
        yield os.fsencode(env[name]) if name in env else b"\0"
    # what is installed has no file that would tell
    yield os.fsencode(find_binary(env))
    for file in made_of.files:
        yield os.fsencode(file)
        yield _content(file)
    yield from _ourselves()


def _content(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        return f"\0{error.errno}".encode()


def _ourselves() -> Iterator[bytes]:
    """What says that the program is the same: its version, and in a checkout when its code was changed."""
    yield VERSION.encode()
    package = Path(__file__).parents[1]
    yield from sorted(_marks([package / "addons", package / "shim_cli"]))


def _marks(folders: Iterable[Path]) -> Iterator[bytes]:
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    yield from () if entry.name == "__pycache__" else _marks([Path(entry.path)])
                elif entry.name.endswith(".py"):
                    status = entry.stat()
                    yield f"{entry.path} {status.st_mtime_ns} {status.st_size}".encode()
