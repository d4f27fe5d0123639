"""Predicts which models of a catalog Codex's picker shows, and which rule hides the others.

Never does: change an entry. Invariant: every entry gives exactly one row. Measured with Codex 0.133 and 0.169
(`model/list` of `codex app-server`): `visibility` and `supported_in_api` decide, `priority` orders, and
`minimal_client_version` and `available_in_plans` change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from addons.core.codex.catalog import Entry

DESKTOP_ROWS = 100
"""The number of models that Codex Desktop loads."""


@dataclass(frozen=True, slots=True)
class PickerRow:
    """What the picker does with one entry. `position` counts from 1; hidden ones have none, and a reason."""

    slug: str
    position: int | None = None
    hidden_by: str = ""


def picker_rows(entries: Iterable[Entry], *, chatgpt_login: bool) -> Iterator[PickerRow]:
    """Yield a row for every entry: visible ones in the order of the picker, then the hidden ones."""
    known = list(entries)
    rules = [_rule(entry, chatgpt_login=chatgpt_login) for entry in known]
    shown = [entry for entry, rule in zip(known, rules, strict=True) if not rule]
    for position, entry in enumerate(sorted(shown, key=_priority), 1):
        yield PickerRow(str(entry.get("slug")), position)
    for entry, rule in zip(known, rules, strict=True):
        if rule:
            yield PickerRow(str(entry.get("slug")), hidden_by=rule)


def _rule(entry: Entry, *, chatgpt_login: bool) -> str:
    visibility = entry.get("visibility")
    if visibility != "list":
        return f'its entry says visibility "{visibility}", and only "list" is shown'
    if entry.get("supported_in_api") is not True and not chatgpt_login:
        return "its entry says supported_in_api false, and Codex has no ChatGPT login"
    return ""


def _priority(entry: Entry) -> int:
    priority = entry.get("priority")
    return priority if isinstance(priority, int) else 0
