"""What `codex-shim doctor` says of each row of models.json: usable, or not and why.

Never does: run an auth_command, ask an upstream, show a key. Invariant: every row is told of, in its order; what keeps
one row from being offered never fails the whole report, for the other models work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from addons.core.key_places import CommandKey, EnvKey, FileKey, InlineKey, KeySlot
from addons.core.model_row import ModelRow
from addons.core.models_file import ModelRows
from addons.core.target import Target
from addons.origins.keys import KeyRing, readable_by_others
from shim_cli.doctor.finding import Found
from shim_cli.shells import Shell


def row_findings(
    rows: ModelRows, path: Path, env: Mapping[str, str], shell: Shell
) -> Iterator[Found]:
    """Look at every row. `path` is models.json itself."""
    ring = KeyRing(env, path.parent)
    for row in rows.rows:
        if row.target:
            yield _row(row, row.target, ring, path, shell)
    yield from (("INFO", note) for note in rows.notes)
    if any(row.holds_key for row in rows.rows) and readable_by_others(path):
        yield _open_to_others(path, shell)
    for file in sorted(_open_key_files(rows, ring)):
        yield _open_to_others(file, shell)


def _row(row: ModelRow, target: Target, ring: KeyRing, path: Path, shell: Shell) -> Found:
    if row.hidden_because:
        return "INFO", f"{row.slug} is hidden: {row.hidden_because}"
    missing = ring.key_of(row, target).missing()
    if missing:
        return "WARN", f"{row.slug} is hidden: {missing}", _remedy(row, path, shell)
    keys = ", ".join(key_words(slot) for slot in row.keys if slot.required) or "no key"
    return "OK", f"{row.slug}: {row.model} at {target.origin} ({row.provider}), {keys}"


def _remedy(row: ModelRow, path: Path, shell: Shell) -> str:
    for slot in row.keys:
        if slot.required and isinstance(slot.place, EnvKey):
            variable = shell.set_variable(slot.place.variables[0], "…")
            return f"{variable}   # then start codex-shim from that shell"
    return shell.edit(str(path))


def key_words(slot: KeySlot) -> str:
    """Where a key comes from, without a part of it."""
    match slot.place:
        case InlineKey():
            return f"{slot.field} in the file"
        case EnvKey(variables):
            return f"key from {' or '.join(variables)}"
        case FileKey(path):
            return f"key from {path}"
        case CommandKey(argv):
            return f"key from {Path(argv[0]).name}"


def _open_key_files(rows: ModelRows, ring: KeyRing) -> set[Path]:
    places = [slot.place for row in rows.rows for slot in row.keys]
    files = {ring.path_of(place) for place in places if isinstance(place, FileKey)}
    return {file for file in files if readable_by_others(file)}


def _open_to_others(path: Path, shell: Shell) -> Found:
    told = f"{path} holds keys, and other users can read it"
    return "WARN", told, shell.make_private(str(path))
