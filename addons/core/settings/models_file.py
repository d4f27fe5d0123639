"""The model rows of models.json: bytes in, targets out, and a reason for each row that is not offered.

Never opens a file, resolves a key or drops a row. Invariant: total. A row that cannot be read keeps its last valid
state, or is hidden with a reason; a file that cannot be read keeps every row; no message quotes a value that may be a
key. Root shapes and field names are those of earlier shims: a list, `models`, `customModels`, `launchModels`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from addons.core.json_values import loads_file
from addons.core.settings.row import ModelRow
from addons.core.settings.slugs import assign_slugs
from addons.core.settings.upstream_url import EndpointRules

ROOTS = ("models", "customModels", "custom_models", "launchModels", "launch_models")
OLLAMA_URL = "http://127.0.0.1:11434/v1"


@dataclass(frozen=True, slots=True)
class ModelRows:
    """All rows of one state of the file, in order."""

    rows: tuple[ModelRow, ...] = ()
    problems: tuple[str, ...] = ()
    """The problems, each with file, row, field and reason."""
    notes: tuple[str, ...] = ()
    """The ignored fields: those without a meaning here."""

    def find(self, name: str) -> ModelRow | None:
        """Return the row with this slug, else the only row with this upstream model."""
        for row in self.rows:
            if row.slug == name:
                return row
        same = [row for row in self.rows if row.model == name]
        return same[0] if len(same) == 1 else None

    @property
    def by_model(self) -> Mapping[str, str]:
        """Upstream model → slug, for each model that exactly one row has and that is no row's slug."""
        rows_of = Counter(row.model for row in self.rows)
        slugs = {row.slug for row in self.rows}
        return {
            row.model: row.slug
            for row in self.rows
            if rows_of[row.model] == 1 and row.model not in slugs
        }


NO_ROWS = ModelRows()


def parse_models(
    data: bytes | None, source: str, rules: EndpointRules | None = None, before: ModelRows = NO_ROWS
) -> ModelRows:
    """Return the rows of a file (None: there is no file). `source` is the file's name in messages.

    `parse_settings` reports a file that is not JSON; its rows stay as they were.
    """
    if data is None:
        return NO_ROWS
    try:
        root = loads_file(data)
    except orjson.JSONDecodeError:
        return ModelRows(before.rows)
    listed = _listed(root)
    if isinstance(listed, str):
        return ModelRows(before.rows, (f"{source}: {listed}: not a list of rows",))
    return _RowsReader(source, rules or EndpointRules(), before).read(listed) if listed else NO_ROWS


def _listed(root: object) -> Sequence[object] | str:
    """Return the list of rows, or the name of the field that should hold one."""
    if not isinstance(root, dict):
        return root if isinstance(root, list) else ()
    for name in ROOTS:
        if name in root:
            return root[name] if isinstance(root[name], list) else name
    return ()


@dataclass(slots=True)
class _RowsReader:
    """Reads the rows of one file and collects their problems."""

    source: str
    rules: EndpointRules
    before: ModelRows
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    valid: dict[str, ModelRow] = field(default_factory=dict)
    """Slug → the last valid state of its row."""

    def read(self, listed: Sequence[object]) -> ModelRows:
        self.valid = {row.slug: row for row in self.before.rows if row.target}
        raw = [_as_object(row) for row in listed]
        slugs = assign_slugs(raw)
        order = sorted(range(len(raw)), key=lambda at: _sort_key(raw[at], at))
        rows = tuple(self._row(raw[at], at, slugs[at]) for at in order)
        return ModelRows(rows, tuple(self.problems), tuple(self.notes))

    def _row(self, raw: Mapping[str, object], at: int, slug: str) -> ModelRow:
        # importing pydantic costs more than everything else that `list` needs
        from addons.core.settings.presets import meant_provider  # noqa: PLC0415
        from addons.core.settings.row_resolver import resolve_row  # noqa: PLC0415
        from addons.core.settings.row_schema import (  # noqa: PLC0415
            RowFields,
            misspelt_fields,
            read_row,
            unknown_fields,
        )

        where = f"{self.source}: models[{at}] {_name(raw)}"
        misspelt = [(each.field, each.reason) for each in misspelt_fields(raw)]
        fields = read_row(raw)
        if isinstance(fields, RowFields):
            unknown = set(unknown_fields(fields)) - {name for name, _ in misspelt}
            self.notes += [f"{where}: {name}: no such field" for name in sorted(unknown)]
            row = resolve_row(fields, slug, self.rules)
            if isinstance(row, ModelRow):
                if meant := meant_provider(row.provider):
                    note = f'a name of your own, or did you mean "{meant}"?'
                    self.notes.append(f"{where}: provider: {note}")
                self.problems += [f"{where}: {name}: {reason}" for name, reason in misspelt]
                return row
            fields = (row,)
        wrong = [*misspelt, *((each.field, each.reason) for each in fields)]
        return self._broken(raw, slug, where, wrong)

    def _broken(
        self,
        raw: Mapping[str, object],
        slug: str,
        where: str,
        wrong: Sequence[tuple[str, str]],
    ) -> ModelRow:
        last = self.valid.get(slug)
        kept = " The last valid state of the row stays in force." if last else ""
        self.problems += [f"{where}: {name}: {reason}.{kept}" for name, reason in wrong]
        if last:
            return last
        name, reason = wrong[0]
        return ModelRow(
            slug=slug,
            display_name=_text(raw, "display_name", "displayName", "name", "model") or slug,
            provider=_text(raw, "provider") or "unknown",
            model=_text(raw, "model") or slug,
            unavailable_reason=f"{where}: {name}: {reason}. Correct the row.",
        )


def _as_object(row: object) -> Mapping[str, object]:
    """Return a row as an object. A bare string names a model of the local Ollama."""
    if isinstance(row, str):
        return {"model": row, "provider": "ollama", "base_url": OLLAMA_URL}
    return row if isinstance(row, dict) else {"model": None}


def _sort_key(raw: Mapping[str, object], at: int) -> tuple[int, int]:
    index = raw.get("index")
    known = isinstance(index, int) and not isinstance(index, bool)
    return (index if known and isinstance(index, int) else at), at


def _name(raw: Mapping[str, object]) -> str:
    named = _text(raw, "model", "slug", "id")
    return f'"{named[:60]}"' if named else "(no model)"


def _text(raw: Mapping[str, object], *names: str) -> str:
    return next(_texts(raw, names), "")


def _texts(raw: Mapping[str, object], names: Sequence[str]) -> Iterator[str]:
    for name in names:
        value = raw.get(name)
        if isinstance(value, str) and value.strip():
            yield "".join(each if each.isprintable() else "?" for each in value.strip())
