"""The check of the models.json that `--settings` names. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from shim_cli.console.errors import CliError


def require_settings_file(settings: Path | None) -> None:
    """Raise CliError if --settings names a file that does not exist."""
    if settings and not settings.is_file():
        msg = f"{settings} does not exist or is not a file"
        raise CliError(msg, "Name an existing models.json: --settings PATH")
