"""The slugs of rows, made as earlier shims made them, so that users' Codex configs keep working.

Never reads more than the names of the rows. Invariant: every row gets a slug of its own, and the slug does not change
with other fields of the row or with rows of other names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

Raw = Mapping[str, object]

_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


def slugify(text: str) -> str:
    """Return the text in lower case, with a hyphen for each run of other characters than letters and digits."""
    return _NOT_ALPHANUMERIC.sub("-", text.lower()).strip("-")


def assign_slugs(rows: Sequence[Raw]) -> list[str]:
    """Return the slug of each row: the one it gives, else one from its model, or from its display name if the model is not unique.

    Of two equal slugs, the later one gets its position after a hyphen.
    """
    models = Counter(_text(row, "model") for row in rows)
    taken: set[str] = set()
    slugs = []
    for at, row in enumerate(rows):
        slug = _wanted(row, models) or f"row-{at}"
        while slug in taken:
            slug = f"{slug}-{at}"
        taken.add(slug)
        slugs.append(slug)
    return slugs


def _wanted(row: Raw, models: Mapping[str, int]) -> str:
    own = _text(row, "slug", "id")
    if own:
        return own
    model = _text(row, "model")
    name = _text(row, "display_name", "displayName", "name")
    return slugify(name if name and models[model] > 1 else model)


def _text(row: Raw, *names: str) -> str:
    values = (row.get(name) for name in names)
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), "")
