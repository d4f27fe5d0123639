"""Recognises and removes the blocks that earlier shims wrote into Codex's config.toml.

The blocks come in pairs, one with root keys and one with a provider table, between the same two comments. A comment in
the first block holds the displaced lines as JSON.

Never does: run unless the user asks for it. Invariant: total; foreign lines between the comments stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from addons.core.codex.config_block import BOM
from addons.core.codex.provider_config import PROVIDERS
from addons.core.codex.toml_statements import (
    Statement,
    StatementKind,
    TomlTextError,
    split_statements,
)

BEGIN = "# >>> codex-shim managed >>>"
END = "# <<< codex-shim managed <<<"
PREVIOUS = "# codex-shim previous-top-level = "
COMMENTS = "# codex-shim "
KEYS = ("model", "model_provider", "model_catalog_json", "openai_base_url")


def has_legacy_block(text: str) -> bool:
    """Return whether the text holds a block of an earlier shim."""
    return any(line.startswith(BEGIN) for line in text.lstrip(BOM).splitlines())


def remove_legacy_blocks(text: str) -> str:
    """Remove the blocks, and restore each displaced line whose key is not set now."""
    bom = BOM if text.startswith(BOM) else ""
    try:
        parts = split_statements(text.removeprefix(bom))
    except TomlTextError:
        return text
    kept = list(_kept(parts))
    present = {part.path[0] for part in kept if part.kind is StatementKind.VALUE and not part.table}
    newline = "\r\n" if "\r\n" in text else "\n"
    missing = (
        line.rstrip("\r\n") + newline
        for key, line in _previous(parts).items()
        if key not in present
    )
    return bom + "".join(missing) + "".join(part.text for part in kept)


def _kept(parts: Sequence[Statement]) -> Iterator[Statement]:
    inside = False
    for part in parts:
        if part.text.startswith(BEGIN):
            inside = True
        elif part.text.startswith(END):
            inside = False
        elif not (inside and _is_legacy(part)):
            yield part


def _is_legacy(part: Statement) -> bool:
    if part.kind is StatementKind.TRIVIA:
        return part.text.startswith(COMMENTS)
    return part.path[0] == PROVIDERS or (len(part.path) == 1 and part.path[0] in KEYS)


def _previous(parts: Sequence[Statement]) -> Mapping[str, str]:
    for part in parts:
        if part.kind is StatementKind.TRIVIA and part.text.startswith(PREVIOUS):
            try:
                found = json.loads(part.text.removeprefix(PREVIOUS))
            except ValueError:
                return {}
            if not isinstance(found, dict):
                return {}
            return {key: str(found[key]) for key in KEYS if key in found and _is_line(found[key])}
    return {}


def _is_line(line: object) -> bool:
    return isinstance(line, str) and "\n" not in line.rstrip("\r\n") and "=" in line
