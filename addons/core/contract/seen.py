"""What turns had that no recorded contract of Codex has: names alone, each noted once.

Never does: keep a text, an id or a number of a turn. Invariant: the list is bounded, and a name stands in it once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from addons.core.contract.contract import SECTIONS, Contract, Names, Section
from addons.core.json_values import as_object, as_str
from addons.core.masking.credentials import has_key_prefix

MAX_SEEN = 300
_MAX_NAME = 80
_WORD = r"[\w.:*/…-]+"
_NAME = re.compile(f"{_WORD}(?: {_WORD})?")
_MEMBER = re.compile(_WORD)
"""What the name of a part of the protocol is made of. Anything else may be a user's text."""
MAX_SINCE = 4_102_444_800.0
"""The end of the year 2099 in Unix seconds. No later moment is shown."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that no recorded contract has."""

    section: Section
    name: str
    member: str = ""
    """Empty when the name itself is unknown."""
    client: str = ""
    """The client's version as its `user-agent` names it, for example `codex_exec/0.172.0`."""
    since: float = 0.0
    """When it was seen first, in Unix seconds."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two entries the same one."""
        return self.section, self.name, self.member


def unknown(
    known: Contract, parts: Iterable[Mapping[Section, Names]], client: str, now: float
) -> Iterator[Unknown]:
    """Yield what the parts of a turn have and the known contract has not."""
    client = client if is_name(client) else ""
    for part in parts:
        for section, names in part.items():
            yield from (
                Unknown(section, name, member, client, now)
                for name, member in _unknown(known.names(section), names)
                if is_name(name) and (not member or is_member(member))
            )


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a part of the protocol."""
    return _is_made_of(_NAME, text)


def is_member(text: str) -> bool:
    """Return whether a text can be the name of a member: one word."""
    return _is_made_of(_MEMBER, text)


def _is_made_of(form: re.Pattern[str], text: str) -> bool:
    if len(text) > _MAX_NAME or form.fullmatch(text) is None:
        return False
    return not any(has_key_prefix(word) for word in re.split(r"[ .]", text))


def _unknown(known: Names, names: Names) -> Iterator[tuple[str, str]]:
    for name, members in names.items():
        if name not in known:
            yield name, ""
        else:
            yield from ((name, member) for member in sorted(members - known[name]) if member)


def with_new(seen: Mapping[tuple[str, str, str], Unknown], new: Iterable[Unknown]) -> dict[tuple[str, str, str], Unknown]:  # fmt: skip
    """Return the list with new entries. An entry that is there stays as it is; a full list takes no more."""
    extended = dict(seen)
    for entry in new:
        if len(extended) < MAX_SEEN:
            extended.setdefault(entry.key, entry)
    return extended


def dumps_seen(entries: Iterable[Unknown]) -> bytes:
    """Return the list as a file."""
    rows = [
        {"section": one.section, "name": one.name, "member": one.member, "client": one.client, "since": one.since}
        for one in entries
    ]  # fmt: skip
    return orjson.dumps({"version": 1, "seen": rows}, option=orjson.OPT_INDENT_2)


def loads_seen(data: bytes | None) -> list[Unknown]:
    """Read the list. Entries that this version does not understand are left out. Total."""
    try:
        rows = as_object(orjson.loads(data or b"{}")).get("seen")
    except orjson.JSONDecodeError:
        return []
    found = (_entry(as_object(row)) for row in rows) if isinstance(rows, list) else ()
    return [entry for entry in found if entry]


def _entry(row: Mapping[str, object]) -> Unknown | None:
    name, member, client = (as_str(row.get(key)) for key in ("name", "member", "client"))
    since = row.get("since")
    moment = float(since) if isinstance(since, int | float) else 0.0
    if not is_name(name) or (member and not is_member(member)):
        return None
    for section in SECTIONS:
        if row.get("section") == section:
            shown = client if is_name(client) else ""
            return Unknown(section, name, member, shown, moment if 0 <= moment < MAX_SINCE else 0.0)
    return None
