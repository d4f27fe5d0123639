"""`codex-shim privacy`: what the privacy gate would replace in a text.

Never does: write the text anywhere but to stdout, or read the key of the placeholders. Invariant: the finders and the patterns
are those of a turn.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from addons.adapters.system.files import CachedFile, FileAccessError
from addons.adapters.system.paths import settings_file
from addons.core.privacy.detectors import Detector
from addons.core.privacy.gate import shown_counts
from addons.core.privacy.masker import TextMasker
from addons.core.privacy.placeholders import Namer
from addons.core.settings.privacy import ON, Privacy
from addons.core.settings.root import parse_settings
from shim_cli.console.errors import CliError

STDIN = "-"


def write_masked(env: Mapping[str, str], file: str, settings: Path | None) -> int:
    """Write the text of a file, or of stdin, as an upstream would get it. Return 0. Raises CliError."""
    text = _read(file)
    privacy = _settings(env, settings)
    # the placeholders of a thread are derived from the key of this installation
    namer = Namer(b"", "a text")
    masker = TextMasker(Detector(privacy.sets, dict(privacy.patterns)), namer, {}, [])
    sys.stdout.write(masker.text(text))
    found = shown_counts(masker.kinds) or "nothing"
    typer.echo(f"codex-shim: replaced: {found}", err=True)
    return 0


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
    except OSError as error:
        msg = f"cannot read {file}: {error.strerror}"
        raise CliError(msg, "codex-shim privacy FILE") from error
    return data.decode("utf-8", "replace")


def _settings(env: Mapping[str, str], explicit: Path | None) -> Privacy:
    path = settings_file(env, explicit)
    try:
        found = parse_settings(CachedFile(path).read(), str(path), env)
    except FileAccessError as error:
        raise CliError(str(error), "codex-shim doctor") from error
    unread = [one for one in found.problems if ": privacy" in one or ": not valid JSON" in one]
    if unread or found.privacy.is_broken:
        raise CliError((unread or found.problems)[0], "codex-shim doctor")
    return found.privacy if found.privacy.is_on else ON
