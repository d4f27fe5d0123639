"""The recorded contracts of Codex versions, and the file of what turns had that none of them has.

Never does: raise for a file of the state folder that cannot be read. Invariant: the recorded contracts are part of the
package and are read once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources

from addons.adapters.system.file_lock import LockedError, locked
from addons.adapters.system.files import CachedFile, FileAccessError, write_atomic
from addons.adapters.system.paths import Env, seen_contract_file
from addons.core.contract.contract import Contract, loads, merged
from addons.core.contract.seen import Unknown, dumps_seen, loads_seen, with_new


@cache
def recorded() -> Sequence[Contract]:
    """Return the recorded contracts, the oldest version first."""
    folder = resources.files("addons.data").joinpath("contracts")
    files = [file for file in folder.iterdir() if file.name.endswith(".json")]
    contracts = [loads(file.read_bytes()) for file in files]
    return sorted(contracts, key=lambda contract: version_key(contract.codex))


@cache
def everything_recorded() -> Contract:
    """Return one contract with all that any recorded version has."""
    return merged("", [contract.sections for contract in recorded()])


def before(version: str) -> Contract:
    """Return the contract of the newest recorded version that is older, or of the oldest recorded one."""
    older = [one for one in recorded() if version_key(one.codex) < version_key(version)]
    return older[-1] if older else recorded()[0]


def version_key(version: str) -> tuple[int, ...]:
    """Return what orders versions: the numbers of `0.171.0`."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def read_seen(env: Env) -> list[Unknown]:
    """Return what was seen, oldest first; nothing if the file cannot be read."""
    try:
        return loads_seen(CachedFile(seen_contract_file(env)).read())
    except FileAccessError:
        return []


def add_seen(env: Env, new: Iterable[Unknown]) -> None:
    """Add to the file what it does not have. A file that cannot be written stays as it is."""
    path = seen_contract_file(env)
    entries = list(new)
    if not entries:
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(path.with_name(f"{path.name}.lock")):
            before_it = {one.key: one for one in read_seen(env)}
            after = with_new(before_it, entries)
            if len(after) > len(before_it):
                write_atomic(path, dumps_seen(after.values()))
    except (FileAccessError, LockedError, OSError):
        return
