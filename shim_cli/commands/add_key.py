"""The key of a new row: from an option, from the provider's own variable, or asked for.

Never does: echo a key, put one into models.json or on a command line. Invariant: the result names where the key is; a
key that was typed is in a file that only this user can read.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from addons.adapters.system.files import FileAccessError, write_atomic
from addons.core.settings.key_refs import is_key
from addons.core.settings.presets import Preset
from shim_cli.console.errors import CliError, UsageProblem

KEY_FOLDER = "keys"
"""Below the folder of models.json."""
PRIVATE = 0o600
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
QUESTION = "Key: type it (it is not shown), or press Enter to name a variable, file or command"


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """Where the key is, at most one of these."""

    variable: str = ""
    file: str = ""
    command: str = ""

    def fields(self) -> dict[str, object]:
        """Return the fields of the row. Raises UsageProblem."""
        given = [each for each in (self.variable, self.file, self.command) if each]
        if len(given) > 1:
            msg = "--key-env, --key-file and --key-command exclude each other"
            raise UsageProblem(msg, "Use one of them.")
        if self.variable:
            return _variable_field(self.variable)
        if self.file:
            return {"api_key_file": str(Path(self.file).expanduser().absolute())}
        return {"auth_command": shlex.split(self.command)} if self.command else {}


def key_fields(
    env: Mapping[str, str],
    folder: Path,
    preset: Preset,
    options: KeyOptions,
    unnamed: Collection[str],
    *,
    ask: bool,
) -> dict[str, object]:
    """Return the fields that name the key; none for a provider without one, or whose own variable is set.

    `unnamed` are the variables that the row reads without naming them: none at an address that is not the provider's.
    """
    if fields := options.fields():
        return fields
    if not preset.needs_key or any(env.get(name) for name in unnamed):
        return {}
    if not ask:
        msg = f"{preset.name} needs a key"
        raise UsageProblem(msg, _advice(preset, unnamed))
    typed = str(typer.prompt(QUESTION, default="", show_default=False, hide_input=True)).strip()
    return _stored(folder, preset.name, typed) if typed else _named()


def _advice(preset: Preset, unnamed: Collection[str]) -> str:
    variable = preset.key_env[0] if preset.key_env else ""
    if variable in unnamed:
        return f"Set {variable}, or pass --key-env, --key-file or --key-command."
    example = variable or "VARIABLE"
    return f"At another address the row must name it: --key-env {example}, --key-file or --key-command."


def _stored(folder: Path, name: str, key: str) -> dict[str, object]:
    """Write the key into a file of its own. A relative path starts at the folder of models.json."""
    if not is_key(key):
        msg = "a key is visible ASCII characters without blanks"
        raise CliError(msg, "Nothing was written.")
    path = folder / KEY_FOLDER / name
    try:
        write_atomic(path, key.encode() + b"\n", PRIVATE)
    except FileAccessError as error:
        raise CliError(str(error), "Nothing was written.") from error
    typer.echo(f"Stored the key in {path}, which only you can read.")
    return {"api_key_file": f"{KEY_FOLDER}/{name}"}


def _named() -> dict[str, object]:
    place = str(
        typer.prompt("Where is it: NAME of a variable, PATH of a file, or !COMMAND")
    ).strip()
    if place.startswith("!"):
        return KeyOptions(command=place[1:]).fields()
    if "/" in place or place.startswith((".", "~")):
        return KeyOptions(file=place).fields()
    return _variable_field(place)


def _variable_field(name: str) -> dict[str, object]:
    if not _VARIABLE.fullmatch(name):
        # it may be the key itself, so it is not quoted
        msg = "this is not the name of an environment variable"
        raise UsageProblem(msg, "Example: --key-env DEEPSEEK_API_KEY")
    return {"api_key_env": name}
