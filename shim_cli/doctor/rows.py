"""Check each row of models.json: usable or not, and why.

Never does: run an auth_command, connect to an upstream, show a key. Invariant: every row is reported, in order; a row
without its key is a WARN, because the other models work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from addons.adapters.api_keys import KeyRing, is_open_to_others
from addons.core.settings.key_refs import CommandKey, EnvKey, FileKey, InlineKey, SecretHeaderSpec
from addons.core.settings.models_file import ModelRows
from addons.core.settings.row import ModelRow
from addons.core.upstream.target import Target
from shim_cli.console.shells import Shell
from shim_cli.doctor.finding import CheckResult


def row_findings(
    rows: ModelRows, path: Path, env: Mapping[str, str], shell: Shell
) -> Iterator[CheckResult]:
    """Check every row. `path` is models.json."""
    ring = KeyRing(env, path.parent)
    for row in rows.rows:
        if row.target:
            yield _row(row, row.target, ring, path, shell)
    yield from (("INFO", note) for note in rows.notes)
    if any(row.holds_key for row in rows.rows) and is_open_to_others(path):
        yield readable_by_others(path, shell)
    for file in sorted(_open_key_files(rows, ring)):
        yield readable_by_others(file, shell)


def _row(row: ModelRow, target: Target, ring: KeyRing, path: Path, shell: Shell) -> CheckResult:
    if row.unavailable_reason:
        return "INFO", f"{row.slug} is hidden: {row.unavailable_reason}"
    missing = ring.key_for(row, target).missing_reason()
    if missing:
        return "WARN", f"{row.slug} is hidden: {missing}", _remedy(row, path, shell)
    keys = ", ".join(describe_key(slot) for slot in row.keys if slot.required) or "no key"
    return "OK", f"{row.slug}: {row.model} at {target.origin} ({row.provider}), {keys}"


def _remedy(row: ModelRow, path: Path, shell: Shell) -> str:
    for slot in row.keys:
        if slot.required and isinstance(slot.key, EnvKey):
            variable = shell.set_variable(slot.key.variables[0], "…")
            return f"{variable}   # then start codex-shim from this shell"
    return shell.edit(str(path))


def describe_key(slot: SecretHeaderSpec) -> str:
    """Describe where a key comes from, without any part of the key."""
    match slot.key:
        case InlineKey():
            return f"{slot.field} in the file"
        case EnvKey(variables):
            return f"key from {' or '.join(variables)}"
        case FileKey(path):
            return f"key from {path}"
        case CommandKey(argv):
            return f"key from {Path(argv[0]).name}"


def _open_key_files(rows: ModelRows, ring: KeyRing) -> set[Path]:
    refs = [slot.key for row in rows.rows for slot in row.keys]
    files = {ring.key_file_path(ref) for ref in refs if isinstance(ref, FileKey)}
    return {file for file in files if is_open_to_others(file)}


def readable_by_others(path: Path, shell: Shell) -> CheckResult:
    """Return the finding for a file with keys that other users can read."""
    problem = f"{path} contains keys, and other users can read it"
    return "WARN", problem, shell.make_private(str(path))
