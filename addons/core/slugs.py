"""What a row is called in Codex: the slugs of earlier shims, so that users' configs keep working.

Never does: look beyond the names of the rows. Invariant: every row gets a slug, no two the same, and a row's slug
does not change because another field of it, or a row that it shares no name with, does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

Raw = Mapping[str, object]

_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


def slugify(text: str) -> str:
    """Lower case, and a hyphen for each run of anything else than letters and digits."""
    return _NOT_ALPHANUMERIC.sub("-", text.lower()).strip("-")


def slugs_of(rows: Sequence[Raw]) -> list[str]:
    """The slug of each row: its own, else of its model, else, where two rows have the model, of its display name.

    Of two that come out alike, the later one gets its position behind a hyphen.
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
