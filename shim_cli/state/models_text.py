"""Edits of the text of models.json: a row is added or removed, and every other byte is kept. Pure.

Invariant: the new text holds the old values plus or minus the one row; `EditError` is raised instead of anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from addons.core.settings.models_file import ROOTS

DEFAULT_INDENT = "  "
BOM = "\ufeff"
"""Notepad and PowerShell begin a file with it."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class EditError(ValueError):
    """The text cannot be edited. The message says why and quotes nothing."""


@dataclass(slots=True)
class _List:
    """Where the list of rows is: between `start` and `end`, without its brackets."""

    start: int
    end: int = -1
    items: list[tuple[int, int]] = field(default_factory=list)


def listed_rows(text: str) -> list[object]:
    """Return the raw rows of the text. Raises EditError for text that is not JSON, or has another shape."""
    _, rows = _parsed(text)
    return rows


def with_row(text: str, row: Mapping[str, object]) -> str:
    """Return the text with one row more at the end of the list. Empty text gives a new file."""
    if not text.strip():
        return f"{json.dumps({'models': [row]}, indent=2, ensure_ascii=False)}\n"
    root, rows = _parsed(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    found = _find_list(text, root)
    new = _inserted(text, found, row, newline) if found else _with_list(text, row, newline)
    _require(new, [*rows, dict(row)], root)
    return new


def without_row(text: str, at: int) -> str:
    """Return the text without the row at this position."""
    root, rows = _parsed(text)
    found = _find_list(text, root)
    if not found:
        msg = "it has no list of rows"
        raise EditError(msg)
    start, end = found.items[at]
    if at + 1 < len(found.items):
        end = found.items[at + 1][0]
    else:
        start = found.items[at - 1][1] if at else found.start
        end = end if at else found.end
    new = text[:start] + text[end:]
    _require(new, rows[:at] + rows[at + 1 :], root)
    return new


def _parsed(text: str) -> tuple[object, list[object]]:
    if not text.strip():
        return {}, []
    try:
        root = json.loads(text.removeprefix(BOM))
    except ValueError as error:
        msg = "it is not JSON"
        raise EditError(msg) from error
    rows = root if isinstance(root, list) else root.get(_key(root)) if _key(root) else []
    if not isinstance(root, dict | list) or not isinstance(rows, list):
        msg = "it holds no list of rows"
        raise EditError(msg)
    return root, rows


def _key(root: object) -> str:
    """Return the member that holds the rows; empty without one."""
    members = root if isinstance(root, dict) else {}
    return next((name for name in ROOTS if name in members), "")


def _find_list(text: str, root: object) -> _List | None:
    wanted = 0 if isinstance(root, list) else 1
    key, depth, found = "", 0, None
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in "]}":
            depth -= 1
            if found and depth == wanted:
                found.end = token.start()
                return found
        if found and depth == wanted + 1 and word not in ",]}":
            found.items.append((token.start(), token.end()))
        elif found and depth == wanted + 1 and word in "]}":
            found.items[-1] = (found.items[-1][0], token.end())
        if word in "[{":
            if not found and word == "[" and depth == wanted and key == _key(root):
                found = _List(token.end())
            depth += 1
        elif depth == 1 and word.startswith('"') and isinstance(root, dict):
            key = json.loads(word)
    return None


def _inserted(text: str, found: _List, row: Mapping[str, object], newline: str) -> str:
    if not found.items:
        indent = DEFAULT_INDENT * 2
        body = f"{newline}{indent}{_written(row, indent, newline)}{newline}{DEFAULT_INDENT}"
        return text[: found.start] + body + text[found.end :]
    start, end = found.items[-1]
    lead = text[found.start if len(found.items) == 1 else found.items[-2][1] : start]
    indent = lead.rpartition("\n")[2] if "\n" in lead else ""
    before = f"{newline}{indent}" if "\n" in lead else " "
    is_multiline = "\n" in text[start:end]
    written = _written(row, indent, newline) if is_multiline else _on_one_line(row)
    return f"{text[:end]},{before}{written}{text[end:]}"


def _with_list(text: str, row: Mapping[str, object], newline: str) -> str:
    """Return the text of an object that has no list of rows, with one as its first member."""
    at = text.index("{") + 1
    indent = DEFAULT_INDENT * 2
    rest = "," if text[at:].strip() != "}" else newline
    member = (
        f'{newline}{DEFAULT_INDENT}"models": [{newline}{indent}{_written(row, indent, newline)}'
    )
    return f"{text[:at]}{member}{newline}{DEFAULT_INDENT}]{rest}{text[at:]}"


def _written(row: Mapping[str, object], indent: str, newline: str) -> str:
    text = json.dumps(row, indent=2, ensure_ascii=False)
    return text.replace("\n", f"{newline}{indent}")


def _on_one_line(row: Mapping[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _require(new: str, rows: Sequence[object], old_root: object) -> None:
    """Raise EditError unless the new text holds these rows and everything else that the old one held."""
    root, found = _parsed(new)
    if found != list(rows) or _other_members(root) != _other_members(old_root):
        msg = "its layout cannot be edited"
        raise EditError(msg)


def _other_members(root: object) -> Mapping[str, object]:
    members = root if isinstance(root, dict) else {}
    return {name: value for name, value in members.items() if name != _key(root)}
