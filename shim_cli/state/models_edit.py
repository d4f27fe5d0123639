"""Add rows to models.json and remove them: the file, its lock of changes, and the check of what is written.

Never does: write a row that the shim would not offer, change another byte than those of the row. Invariant: a file that
changed in between is not overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from addons.adapters.system.files import CachedFile, FileAccessError, write_atomic
from addons.core.settings.models_file import parse_models
from addons.core.settings.near_miss import nearest
from addons.core.settings.slugs import assign_slugs
from shim_cli.console.errors import CliError
from shim_cli.state.models_text import EditError, listed_rows, with_row, without_row

Row = Mapping[str, object]
PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class ModelsFile:
    """One models.json, which need not exist."""

    path: Path

    def slugs(self) -> list[str]:
        """Return the slug of each row, in the order of the file. Raises CliError."""
        return _slugs(self._listed(self._read()))

    def add(self, rows: Sequence[Row]) -> list[str]:
        """Add rows and return their slugs. Raises CliError; the file is then unchanged."""
        old = new = self._read()
        for row in rows:
            new = self._edited(with_row, new, row)
        added = _slugs(self._listed(new))[-len(rows) :]
        self._require_valid(old, new)
        self._write(old, new)
        return added

    def remove(self, slug: str) -> None:
        """Remove the row with a slug. Raises CliError; the file is then unchanged."""
        old = self._read()
        slugs = _slugs(self._listed(old))
        if slug not in slugs:
            near = nearest(slug, slugs)
            meant = f". Did you mean {near!r}?" if near else ""
            msg = f"{self.path} has no row {slug!r}{meant}"
            known = ", ".join(slugs) or "none"
            raise CliError(msg, f"Its rows: {known}")
        self._write(old, self._edited(without_row, old, slugs.index(slug)))

    def _read(self) -> str:
        try:
            data = CachedFile(self.path).read()
            return "" if data is None else data.decode()
        except FileAccessError as error:
            raise self._error(error.reason) from error
        except UnicodeDecodeError as error:
            problem = "it is not UTF-8"
            raise self._error(problem) from error

    def _listed(self, text: str) -> list[object]:
        try:
            return listed_rows(text)
        except EditError as error:
            raise self._error(str(error)) from error

    def _edited[Change](self, edit: Callable[[str, Change], str], text: str, change: Change) -> str:
        try:
            return edit(text, change)
        except EditError as error:
            raise self._error(str(error)) from error

    def _require_valid(self, old: str, new: str) -> None:
        """Raise CliError if the new text has a problem that the old one had not."""
        known = {_without_place(each) for each in parse_models(old.encode() or None, "").problems}
        for problem in parse_models(new.encode(), "").problems:
            if _without_place(problem) not in known:
                msg = f"the row would not work: {_without_place(problem)}"
                raise CliError(msg, "Nothing was written. See `codex-shim add --help`.")

    def _write(self, old: str, new: str) -> None:
        def require_unchanged() -> None:
            if self._read() != old:
                problem = "another program changed it meanwhile"
                raise self._error(problem)

        mode = self.path.stat().st_mode & 0o777 if self.path.exists() else PRIVATE
        try:
            write_atomic(self.path, new.encode(), mode, before_replace=require_unchanged)
        except FileAccessError as error:
            raise self._error(error.reason) from error

    def _error(self, reason: str) -> CliError:
        return CliError(
            f"{self.path}: {reason}", "Nothing was written. Check it: codex-shim doctor"
        )


def _slugs(rows: Sequence[object]) -> list[str]:
    return assign_slugs([row if isinstance(row, dict) else {"model": row} for row in rows])


def _without_place(problem: str) -> str:
    """Return a problem without file and row number, which change with other rows."""
    return problem.partition("] ")[2]
