"""The line of config.toml that gives Codex's tool for web search to every model. Pure.

It stands in the block, or below the header `[features]` if the user has one: TOML allows no table in two places. A comment
marks it, so that the file alone says whose it is. Never does: change a value of the user's. Invariant: a line without the
mark, or with another value, is the user's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from addons.core.codex.provider_config import FEATURES, OWN_SEARCH
from addons.core.codex.toml_statements import Statement, StatementKind

ADDED = "# added by codex-shim"
LINE = f"{OWN_SEARCH} = true {ADDED}"
LINE_IN_BLOCK = f"{FEATURES}.{LINE}"

_OURS = re.compile(
    rf"[ \t]*(?:{FEATURES}[ \t]*\.[ \t]*)?{OWN_SEARCH}[ \t]*=[ \t]*true[ \t]*{ADDED}[ \t]*\r?\n?"
)


def is_added(part: Statement) -> bool:
    """Return whether a statement is the marked line."""
    is_feature = part.kind is StatementKind.VALUE and part.path == (FEATURES, OWN_SEARCH)
    return is_feature and _OURS.fullmatch(part.text) is not None


def is_decided(values: Mapping[str, object]) -> bool:
    """Return whether the user has turned the feature on or off."""
    features = values.get(FEATURES)
    return isinstance(features, Mapping) and OWN_SEARCH in features


def below_header(parts: Sequence[Statement], newline: str) -> list[Statement] | None:
    """Return the statements with the line below `[features]`; None without such a header."""
    for at, part in enumerate(parts):
        if part.kind is StatementKind.HEADER and part.path == (FEATURES,) and part.text[-1] == "\n":
            line = Statement(
                LINE + newline, StatementKind.VALUE, (FEATURES, OWN_SEARCH), (FEATURES,)
            )
            return [*parts[: at + 1], line, *parts[at + 1 :]]
    return None
