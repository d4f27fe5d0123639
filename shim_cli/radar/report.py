"""The differences between two contracts, and what was seen, as lines and as JSON.

Never does: print. Invariant: each difference stands in one line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from addons.core.contract.contract import SECTIONS, Contract, Difference, Section
from addons.core.contract.seen import Unknown

TITLES: Mapping[Section, str] = {
    "endpoint": "Endpoints",
    "header": "Request headers",
    "body key": "Body keys",
    "item": "Items",
    "tool": "Tools",
    "catalog key": "Catalog keys",
    "model": "Models",
    "event": "Events that Codex reads",
}
_BY_ENDPOINT: frozenset[Section] = frozenset({"header", "body key"})


def comparison_lines(before: Contract, after: Contract, found: Sequence[Difference]) -> list[str]:
    """Return the report of one comparison."""
    lines = [f"Codex {after.codex}, compared with {before.codex}"]
    for section in SECTIONS:
        entries = _entries(section, found)
        if entries:
            lines += [f"  {TITLES[section]}", *(f"    {entry}" for entry in entries)]
    if len(lines) == 1:
        lines.append("  No difference.")
    return lines


def _entries(section: Section, found: Iterable[Difference]) -> list[str]:
    """Return one line for each name. A header or a body key stands once, with all of its endpoints."""
    places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    endpoints = {(one.name, one.is_new) for one in found if one.section == "endpoint" and not one.member}  # fmt: skip
    for one in found:
        if one.section != section:
            continue
        sign = "+" if one.is_new else "-"
        if section not in _BY_ENDPOINT:
            places[sign, _joined(one.name, one.member)] = []
        elif (one.name, one.is_new) not in endpoints:
            places[sign, one.member or "any"].append(one.name)
    return [
        f"{sign} {text}" + (f"  ({', '.join(where)})" if where else "")
        for (sign, text), where in places.items()
    ]


def _joined(name: str, member: str) -> str:
    return f"{name}: {member}" if member else name


def seen_lines(seen: Sequence[Unknown], day_of: Mapping[float, str]) -> Iterator[str]:
    """Yield what turns had and no recorded contract has, by section."""
    for section in SECTIONS:
        entries = [one for one in seen if one.section == section]
        if entries:
            yield f"  {TITLES[section]}"
        for one in entries:
            yield f"    {_joined(one.name, one.member)}  ({one.client}, {day_of[one.since]})"


def comparison_json(
    before: Contract, after: Contract, found: Sequence[Difference]
) -> Mapping[str, object]:
    """Return the comparison as JSON values."""
    rows = [
        {"section": one.section, "name": one.name, "member": one.member, "change": "added" if one.is_new else "removed"}
        for one in found
    ]  # fmt: skip
    return {"codex": after.codex, "compared_with": before.codex, "differences": rows}


def seen_json(seen: Sequence[Unknown]) -> Mapping[str, object]:
    """Return what was seen as JSON values."""
    rows = [
        {"section": one.section, "name": one.name, "member": one.member, "client": one.client, "since": one.since}
        for one in seen
    ]  # fmt: skip
    return {"seen": rows}
