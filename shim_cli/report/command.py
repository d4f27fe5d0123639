"""`codex-shim report`: write a zip for a bug report, without private data of the user.

Never does: send anything, overwrite a file, write a file in which a secret was found. Invariant: without --with-text
the zip contains no text of a conversation.
"""

from __future__ import annotations

import io
import os
import secrets
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from addons.views.masking import Masker, masked_json
from addons.views.scrub import found
from addons.views.turn import Turn
from shim_cli.console.errors import CliError
from shim_cli.report.secrets import known_secrets
from shim_cli.report.sections import report_files
from shim_cli.report.turn import SAVE_FLOWS_ADVICE, turn_from_file, turn_from_running_shim

DESCRIPTIONS = {
    "doctor.txt": "the output of `codex-shim doctor`",
    "versions.json": "installed versions",
    "settings.json": "models.json: field names, models, hosts and limits; no keys",
    "access.jsonl": "the last lines of the access log: times, models, counts; no content",
    "turn.json": "one turn: its structure, known names, ids and lengths; no text",
    "text/": "the same turn WITH its text; only values that look like secrets are replaced",
}
EXPLANATION = """
Texts, paths, names of your own tools and numbers in tool calls are replaced by <kind, length, #tag>. Equal texts have
equal tags within this report. A tag cannot be reversed and differs between reports.
Review the report before you send it.
"""


@dataclass(frozen=True, slots=True)
class TurnSelection:
    """Which turn to include, and its source."""

    flow_id: str = ""
    flow_file: Path | None = None
    with_text: bool = False


def write_report(
    env: Mapping[str, str],
    port: int,
    settings: Path | None,
    selection: TurnSelection,
    output: Path | None,
) -> int:
    """Collect the files, search them for secrets, write the zip and list its contents. Return 0; raises CliError."""
    masker = Masker(secrets.token_bytes(16))
    known = known_secrets(env, settings)
    files = report_files(env, port, settings, masker, known)
    missing = ""
    try:
        files.update(turn_files(env, port, selection, masker, known))
    except CliError as error:
        if selection.flow_id or selection.flow_file or selection.with_text:
            raise
        missing = f"No turn included: {error.message}.\n{error.advice}"
    files = {"README.txt": _readme(files), **files}
    refuse_leaks(files, known)
    path = output or Path(time.strftime("codex-shim-report-%Y%m%d-%H%M%S.zip"))
    write_new(path, _zipped(files))
    typer.echo("\n".join([str(path), *_contents(files), *([missing] if missing else [])]))
    typer.echo("Nothing was sent. Review the report before you send it.")
    return 0


def turn_files(
    env: Mapping[str, str],
    port: int,
    selection: TurnSelection,
    masker: Masker,
    known: Sequence[str],
) -> dict[str, bytes]:
    """Return the files of the turn. Raises CliError if there is no such turn."""
    if selection.flow_file is None:
        if selection.with_text:
            msg = "a running shim never returns the text of a turn"
            raise CliError(msg, f"{SAVE_FLOWS_ADVICE} --with-text")
        return {"turn.json": masked_json(turn_from_running_shim(env, port, selection.flow_id))}
    from addons.views.masked_turn import masked_turn, readable_turn  # noqa: PLC0415

    flow_id, turn = turn_from_file(selection.flow_file, selection.flow_id)
    assert isinstance(turn, Turn)  # noqa: S101  the type is not imported before it is needed
    files = {"turn.json": masked_json({"id": flow_id, **masked_turn(turn, masker)})}
    if selection.with_text:
        _confirm()
        pages = readable_turn(turn, known)
        files.update({f"text/{name}": content for name, content in pages.items()})
    return files


def _confirm() -> None:
    question = "The report will contain the full text of this turn: prompts, files, commands and their output. Continue?"
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        msg = "nothing was written"
        raise CliError(msg, "Leave the text out: codex-shim report")


def refuse_leaks(files: Mapping[str, bytes], known: Sequence[str]) -> None:
    """Search every file in its final form. Raises CliError if a secret is found."""
    for name, content in files.items():
        if kinds := found(content.decode("utf-8", "replace"), known):
            msg = f"{name} would have contained {', '.join(kinds)}: nothing was written"
            raise CliError(msg, "This is a bug. Please report this message; it quotes no data.")


def _readme(files: Mapping[str, bytes]) -> bytes:
    return "\n".join(["codex-shim report", "", *_contents(files), EXPLANATION]).encode()


def _contents(files: Mapping[str, bytes]) -> list[str]:
    folders = {name: name.partition("/")[0] + "/" if "/" in name else name for name in files}
    return [
        f"  {name:<22} {len(files[name]):>9,} bytes  {DESCRIPTIONS.get(folder, '')}"
        for name, folder in folders.items()
    ]


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def write_new(path: Path, data: bytes) -> None:
    """Write a file that only the user can read. Raises CliError for one that exists, or that cannot be written."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        msg = f"{path} already exists"
        raise CliError(msg, "Choose another file: --output PATH") from None
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}"
        raise CliError(msg, "Choose another file: --output PATH") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
