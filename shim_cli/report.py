"""`codex-shim report`: one zip to send with a bug report, without anything that is the user's own.

Never does: send it, overwrite a file, write what its own search for leaks objects to. Invariant: without --with-text
no text of a conversation is in it.
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
from shim_cli.errors import CliError
from shim_cli.report_parts import parts
from shim_cli.report_secrets import known_secrets
from shim_cli.report_turn import SAVE_FIRST, turn_of_file, turn_of_running_shim

WHAT = {
    "doctor.txt": "what `codex-shim doctor` says",
    "versions.json": "what is installed",
    "settings.json": "models.json: field names, models, hosts and limits; no key",
    "access.jsonl": "the last lines of the access log: times, models, counts; no content",
    "turn.json": "one turn: its structure, known names, ids and lengths; no text",
    "text/": "the same turn WITH its text, in which only what looks like a secret is replaced",
}
HOW = """
Texts, paths, names of your own tools and numbers in tool calls are replaced by <kind, length, #tag>. Equal texts have
equal tags within this report; a tag cannot be turned back, and no other report has the same.
Look through it before you send it.
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which turn, and where it comes from."""

    flow_id: str = ""
    flow_file: Path | None = None
    with_text: bool = False


def write_report(
    env: Mapping[str, str], port: int, settings: Path | None, wanted: Wanted, output: Path | None
) -> int:
    """Collect, search for leaks, write, and say what is inside. Gives 0; raises CliError."""
    masker = Masker(secrets.token_bytes(16))
    known = known_secrets(env, settings)
    files = parts(env, port, settings, masker, known)
    missing = ""
    try:
        files.update(turn_files(env, port, wanted, masker, known))
    except CliError as error:
        if wanted.flow_id or wanted.flow_file or wanted.with_text:
            raise
        missing = f"Without a turn: {error.message}.\n{error.advice}"
    files = {"README.txt": _readme(files), **files}
    refuse_leaks(files, known)
    path = output or Path(time.strftime("codex-shim-report-%Y%m%d-%H%M%S.zip"))
    _write_new(path, _zipped(files))
    typer.echo("\n".join([str(path), *_contents(files), *([missing] if missing else [])]))
    typer.echo("Nothing was sent. Look through it before you send it.")
    return 0


def turn_files(
    env: Mapping[str, str], port: int, wanted: Wanted, masker: Masker, known: Sequence[str]
) -> dict[str, bytes]:
    """The turn's files. Raises CliError when there is no such turn."""
    if wanted.flow_file is None:
        if wanted.with_text:
            msg = "a running shim never gives the text of a turn"
            raise CliError(msg, f"{SAVE_FIRST} --with-text")
        return {"turn.json": masked_json(turn_of_running_shim(env, port, wanted.flow_id))}
    from addons.views.masked_turn import masked_turn, readable_turn  # noqa: PLC0415

    flow_id, turn = turn_of_file(wanted.flow_file, wanted.flow_id)
    assert isinstance(turn, Turn)  # noqa: S101  what a file of flows gives
    files = {"turn.json": masked_json({"id": flow_id, **masked_turn(turn, masker)})}
    if wanted.with_text:
        _ask()
        pages = readable_turn(turn, known)
        files.update({f"text/{name}": content for name, content in pages.items()})
    return files


def _ask() -> None:
    question = "The report will hold the whole text of this turn: prompts, files, commands and their output. Go on?"
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        msg = "nothing was written"
        raise CliError(msg, "Without the text: codex-shim report, without --with-text")


def refuse_leaks(files: Mapping[str, bytes], known: Sequence[str]) -> None:
    """The last look at every file, as it will be. Raises CliError when something is found."""
    for name, content in files.items():
        if kinds := found(content.decode("utf-8", "replace"), known):
            msg = f"{name} would have held {', '.join(kinds)}: nothing was written"
            raise CliError(msg, "This is a bug. Please report this line; it quotes nothing.")


def _readme(files: Mapping[str, bytes]) -> bytes:
    return "\n".join(["A report of codex-shim", "", *_contents(files), HOW]).encode()


def _contents(files: Mapping[str, bytes]) -> list[str]:
    folders = {name: name.partition("/")[0] + "/" if "/" in name else name for name in files}
    return [
        f"  {name:<22} {len(files[name]):>9,} bytes  {WHAT.get(folder, '')}"
        for name, folder in folders.items()
    ]


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _write_new(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        msg = f"{path} exists already"
        raise CliError(msg, "Name another file: --output PATH") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
