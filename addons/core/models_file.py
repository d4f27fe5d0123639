"""The model rows of models.json: bytes in, targets out, and for each row that is not offered the reason.

Never does: open a file, resolve a key, drop a row. Invariant: total. A row that cannot be read keeps what it said
before, or is hidden with its reason; a file that cannot be read keeps every row; no message quotes a value that may
be a key. Root shapes and field names are those of earlier shims: a list, `models`, `customModels`, `launchModels`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from addons.core.endpoints import Rules
from addons.core.model_row import ModelRow
from addons.core.slugs import slugs_of

ROOTS = ("models", "customModels", "custom_models", "launchModels", "launch_models")
OLLAMA_URL = "http://127.0.0.1:11434/v1"


@dataclass(frozen=True, slots=True)
class ModelRows:
    """All rows of one state of the file, in their order."""

    rows: tuple[ModelRow, ...] = ()
    problems: tuple[str, ...] = ()
    """What is wrong, each with file, row, field and reason."""
    notes: tuple[str, ...] = ()
    """What was read over: fields that mean nothing here."""

    def find(self, name: str) -> ModelRow | None:
        """Find a row by its slug, else by an upstream model that only one row has."""
        for row in self.rows:
            if row.slug == name:
                return row
        same = [row for row in self.rows if row.model == name]
        return same[0] if len(same) == 1 else None

    @property
    def by_model(self) -> Mapping[str, str]:
        """Upstream models that one row alone has, and that no row has for a slug → its slug."""
        models = [row.model for row in self.rows]
        slugs = {row.slug for row in self.rows}
        return {
            row.model: row.slug
            for row in self.rows
            if models.count(row.model) == 1 and row.model not in slugs
        }


NO_ROWS = ModelRows()


def parse_models(
    data: bytes | None, source: str, rules: Rules | None = None, before: ModelRows = NO_ROWS
) -> ModelRows:
    """Read the rows of a file (None: there is none). `source` is how messages call it.

    A file that is no JSON is `parse_settings`' to report; its rows stay as they were.
    """
    if data is None:
        return NO_ROWS
    try:
        root = orjson.loads(data)
    except orjson.JSONDecodeError:
        return ModelRows(before.rows)
    listed = _listed(root)
    if isinstance(listed, str):
        return ModelRows(before.rows, (f"{source}: {listed}: not a list of rows",))
    return _Reading(source, rules or Rules(), before).all(listed) if listed else NO_ROWS


def _listed(root: object) -> Sequence[object] | str:
    """The list of rows, or the name of the field that should hold one."""
    if not isinstance(root, dict):
        return root if isinstance(root, list) else ()
    for name in ROOTS:
        if name in root:
            return root[name] if isinstance(root[name], list) else name
    return ()


@dataclass(slots=True)
class _Reading:
    """Reads the rows of one file and keeps what is wrong with them."""

    source: str
    rules: Rules
    before: ModelRows
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def all(self, listed: Sequence[object]) -> ModelRows:
        raw = [_as_object(row) for row in listed]
        slugs = slugs_of(raw)
        order = sorted(range(len(raw)), key=lambda at: _place(raw[at], at))
        rows = tuple(self._row(raw[at], at, slugs[at]) for at in order)
        return ModelRows(rows, tuple(self.problems), tuple(self.notes))

    def _row(self, raw: Mapping[str, object], at: int, slug: str) -> ModelRow:
        # pydantic costs more than all else that a list of models needs
        from addons.core.row_fields import RowFields, read_row, unknown_fields  # noqa: PLC0415
        from addons.core.row_target import row_of  # noqa: PLC0415

        where = f"{self.source}: models[{at}] {_name(raw)}"
        fields = read_row(raw)
        if isinstance(fields, RowFields):
            self.notes += [f"{where}: {name}: no such field" for name in unknown_fields(fields)]
            row = row_of(fields, slug, self.rules)
            if isinstance(row, ModelRow):
                return row
            fields = (row,)
        return self._broken(raw, slug, where, [(each.field, each.reason) for each in fields])

    def _broken(
        self,
        raw: Mapping[str, object],
        slug: str,
        where: str,
        wrong: Sequence[tuple[str, str]],
    ) -> ModelRow:
        last = next((row for row in self.before.rows if row.slug == slug and row.target), None)
        kept = " What the row said before stays in force." if last else ""
        self.problems += [f"{where}: {name}: {reason}.{kept}" for name, reason in wrong]
        if last:
            return last
        name, reason = wrong[0]
        return ModelRow(
            slug=slug,
            display_name=_text(raw, "display_name", "displayName", "name", "model") or slug,
            provider=_text(raw, "provider") or "unknown",
            model=_text(raw, "model") or slug,
            hidden_because=f"{where}: {name}: {reason}. Correct the row.",
        )


def _as_object(row: object) -> Mapping[str, object]:
    """A row as an object. A bare string is a model of the Ollama on this machine."""
    if isinstance(row, str):
        return {"model": row, "provider": "ollama", "base_url": OLLAMA_URL}
    return row if isinstance(row, dict) else {"model": None}


def _place(raw: Mapping[str, object], at: int) -> tuple[int, int]:
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
