"""The blocks that earlier shims wrote into Codex's config.toml: recognised, and taken out when the user asks for it.

They come in pairs, one with root keys and one with a provider's table, between the same two comments. A comment in the
first holds, as JSON, the lines that it displaced.

Never does: run unasked. Invariant: total; what stands between the comments and is not theirs stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from addons.core.codex_block import BOM, PROVIDERS
from addons.core.toml_text import Kind, Statement, TomlTextError, statements

BEGIN = "# >>> codex-shim managed >>>"
END = "# <<< codex-shim managed <<<"
PREVIOUS = "# codex-shim previous-top-level = "
COMMENTS = "# codex-shim "
KEYS = ("model", "model_provider", "model_catalog_json", "openai_base_url")


def has_older_block(text: str) -> bool:
    """Whether an earlier shim has wired this config."""
    return any(line.startswith(BEGIN) for line in text.lstrip(BOM).splitlines())


def without_older_blocks(text: str) -> str:
    """Take their blocks out, and put the lines that they displaced back where nothing stands for them now."""
    bom = BOM if text.startswith(BOM) else ""
    try:
        parts = statements(text.removeprefix(bom))
    except TomlTextError:
        return text
    kept = list(_kept(parts))
    present = {part.path[0] for part in kept if part.kind is Kind.VALUE and not part.table}
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
        elif not (inside and _is_theirs(part)):
            yield part


def _is_theirs(part: Statement) -> bool:
    if part.kind is Kind.TRIVIA:
        return part.text.startswith(COMMENTS)
    return part.path[0] == PROVIDERS or (len(part.path) == 1 and part.path[0] in KEYS)


def _previous(parts: Sequence[Statement]) -> Mapping[str, str]:
    for part in parts:
        if part.kind is Kind.TRIVIA and part.text.startswith(PREVIOUS):
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
