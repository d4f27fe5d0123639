"""The reasoning levels that each version of Codex accepts in a catalog.

One level that Codex does not know keeps it from starting ("unknown variant `max`, expected one of …"), so its catalog
leaves such a level out. Measured on 2026-11-29 with the binaries that npm has of 0.133.0, 0.136.0, 0.137.0, 0.138.0,
0.140.0, 0.142.0, 0.150.0, 0.169.0 and 0.171.0. Never does: rename a level. Invariant: a version that cannot be read gets
what the oldest one accepts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from addons.core.json_values import as_object, as_str

OLD_LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh")


class AcceptedLevels(NamedTuple):
    """The levels that Codex accepts from a version on."""

    since: str
    levels: tuple[str, ...] | None
    """None: every name that is not empty."""


ACCEPTED = (AcceptedLevels("0.133.0", OLD_LEVELS), AcceptedLevels("0.138.0", None))
"""Oldest first. The oldest supported version stands for everything before it too."""
UNKNOWN_VERSION = ""
NEWEST_RULES = ACCEPTED[-1].since
"""A version of Codex to which the last rule applies."""

_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-)?", re.ASCII)


def accepts_level(client_version: str, level: str) -> bool:
    """Return whether this version of Codex starts with a catalog that has this level."""
    levels = _accepted_by(client_version)
    return bool(level) and (levels is None or level in levels)


def accepted_entry(entry: Mapping[str, object], client_version: str) -> Mapping[str, object]:
    """Return a catalog entry of the account without the levels that this version of Codex does not start with.

    The same object if all are accepted. A default that is left out becomes the last level that remains.
    """
    listed = entry.get("supported_reasoning_levels")
    levels = [as_object(one) for one in listed] if isinstance(listed, list) else []
    kept = [one for one in levels if accepts_level(client_version, as_str(one.get("effort")))]
    default = as_str(entry.get("default_reasoning_level"))
    if len(kept) == len(levels) and (not default or accepts_level(client_version, default)):
        return entry
    if default and not accepts_level(client_version, default):
        default = as_str(kept[-1].get("effort")) if kept else ""
    changed = {"supported_reasoning_levels": kept, "default_reasoning_level": default or None}
    return {**entry, **changed}


@lru_cache(maxsize=16)
def _accepted_by(client_version: str) -> tuple[str, ...] | None:
    asked = _parse(client_version)
    rows = [row for row in ACCEPTED if _parse(row.since) <= asked]
    return rows[-1].levels if rows else ACCEPTED[0].levels


def _parse(version: str) -> tuple[int, ...]:
    """Return a version as numbers that compare; a pre-release comes before its release (semver.org, 11)."""
    found = _VERSION.match(version)
    if not found:
        return ()
    return (*map(int, found.group(1, 2, 3)), 0 if found[4] else 1)
