"""The contract of a Codex version: names of endpoints, headers, body keys, items, tools, models and events.

Never does: hold a value that a user wrote. Invariant: a contract that is written and read again is the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import orjson

from addons.core.json_values import as_object, as_str

Section = Literal["endpoint", "header", "body key", "item", "tool", "catalog key", "model", "event"]
SECTIONS: tuple[Section, ...] = get_args(Section)
FORMAT = 1
"""The version of the file format. A file with another one is refused."""

Names = Mapping[str, frozenset[str]]
"""Name → the names of its members: the parameters of a tool, the keys of an item, the headers of an endpoint."""


class ContractError(Exception):
    """A file is no contract that this version reads. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The names of each section, each with its members. A section without members has empty sets."""

    codex: str
    """The version, for example `0.171.0`."""
    sections: Mapping[Section, Names]

    def names(self, section: Section) -> Names:
        """Return the names of a section, each with its members."""
        return self.sections.get(section, {})


@dataclass(frozen=True, slots=True)
class Difference:
    """One name or member that only one of two contracts has."""

    section: Section
    name: str
    member: str
    """Empty when the name itself is new or gone."""
    is_new: bool


def differences(before: Contract, after: Contract) -> list[Difference]:
    """Return what `after` has and `before` has not, and the reverse, in the order of the sections."""
    return [
        difference
        for section in SECTIONS
        for difference in _differences(section, before.names(section), after.names(section))
    ]


def _differences(section: Section, before: Names, after: Names) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        if (name in before) != (name in after):
            yield Difference(section, name, "", name in after)
            continue
        for member in sorted(before[name] ^ after[name]):
            yield Difference(section, name, member, member in after[name])


def merged(codex: str, parts: Iterable[Mapping[Section, Names]]) -> Contract:
    """Return one contract with everything that the parts have."""
    sections: dict[Section, dict[str, frozenset[str]]] = {section: {} for section in SECTIONS}
    for part in parts:
        for section, names in part.items():
            into = sections[section]
            for name, members in names.items():
                into[name] = into.get(name, frozenset()) | members
    return Contract(codex, sections)


def dumps(contract: Contract) -> bytes:
    """Return the contract as a file: JSON with sorted names, so that two files can be compared line by line."""
    sections = {
        section: {name: sorted(members) for name, members in contract.names(section).items()}
        for section in SECTIONS
    }
    document = {"format": FORMAT, "codex": contract.codex, "sections": sections}
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(document, option=options)


def loads(data: bytes) -> Contract:
    """Read a contract. Raises ContractError."""
    try:
        document = as_object(orjson.loads(data))
    except orjson.JSONDecodeError as error:
        msg = f"it is no JSON ({error})"
        raise ContractError(msg) from error
    if document.get("format") != FORMAT:
        msg = f"its format is {document.get('format')!r}, and this version reads {FORMAT}"
        raise ContractError(msg)
    sections = as_object(document.get("sections"))
    return Contract(
        as_str(document.get("codex")),
        {section: _names(sections.get(section)) for section in SECTIONS},
    )


def _names(value: object) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(as_str(member) for member in members)
        for name, members in as_object(value).items()
        if isinstance(members, list)
    }
