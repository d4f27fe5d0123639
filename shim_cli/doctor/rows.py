"""Check each row of models.json: usable or not, and why.

Never does: run an auth_command, connect to an upstream, show a key. Invariant: every row is reported, in order; a row
without its key is a WARN, because the other models work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from addons.adapters.api_keys import KeyRing, is_open_to_others
from addons.adapters.local.watch import LocalServers
from addons.core.settings.key_refs import CommandKey, EnvKey, FileKey, InlineKey, SecretHeaderSpec
from addons.core.settings.local_rows import server_of
from addons.core.settings.models_file import ModelRows
from addons.core.settings.row import ModelRow
from addons.core.upstream.local.state import LocalFacts
from addons.core.upstream.target import Target
from shim_cli.console.shells import Shell
from shim_cli.doctor.finding import CheckResult

ENOUGH_TOKENS = 16_384
"""Codex's instructions and tools take about 10,000 tokens. Ollama gives 4,096 by default on a small GPU, and cuts the rest."""
WINDOW_ADVICE = {
    "ollama": "Set OLLAMA_CONTEXT_LENGTH=65536 where `ollama serve` starts",
    "lmstudio": "Load it with a longer context: lms load MODEL --context-length 65536",
    "llamacpp": "Start it with --ctx-size 65536",
    "vllm": "Start it with --max-model-len 65536",
    "sglang": "Start it with --context-length 65536",
}
"""Program → how a user gives a model more context."""


def row_findings(
    rows: ModelRows, path: Path, env: Mapping[str, str], shell: Shell
) -> Iterator[CheckResult]:
    """Check every row. `path` is models.json."""
    ring, local = KeyRing(env, path.parent), LocalServers(env)
    for row in rows.rows:
        if row.target:
            found = _row(row, row.target, ring, path, shell)
            facts = local.facts(row)
            if found[0] != "OK":
                yield found
            elif facts.reason:
                yield "WARN", f"{row.slug} is hidden: {facts.reason}"
            else:
                yield found
                yield from _local_findings(row, row.target, facts)
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


def _local_findings(row: ModelRow, target: Target, facts: LocalFacts) -> Iterator[CheckResult]:
    """Report what a model server on this machine does not give."""
    if facts.tools is False:
        yield (
            "WARN",
            f"{row.slug}: {row.model} calls no tools, so it can change nothing",
            "codex-shim add local",
        )
    if facts.context and facts.context < ENOUGH_TOKENS:
        advice = WINDOW_ADVICE.get(_server_kind(row), "Start the server with a longer context")
        yield (
            "WARN",
            (
                f"{row.slug}: its server gives {row.model} {facts.context:,} tokens of context; Codex needs "
                f"about {ENOUGH_TOKENS:,}. {advice}"
            ),
        )
    elif row.states_context and facts.context and facts.context < target.context_tokens:
        yield (
            "INFO",
            f"{row.slug}: its row states {target.context_tokens:,} tokens, its server gives {facts.context:,}",
        )


def _server_kind(row: ModelRow) -> str:
    """Return the program of a row's server on this machine; empty for another upstream."""
    server = server_of(row)
    return server.kind if server else ""


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
