"""The report files other than the turn: doctor, versions, settings and the access log, all scrubbed.

Never does: write a file. Invariant: `scrub` finds no secret in any returned content.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from addons.adapters.codex.cli import CodexCli, CodexCliError
from addons.adapters.system.paths import home, settings_file, state_dir
from addons.core.json_values import loads_file
from addons.core.version import VERSION
from addons.views.masking import Masker, masked_json
from addons.views.scrub import scrubbed, scrubbed_value
from shim_cli.doctor.command import format_lines
from shim_cli.doctor.finding import DoctorContext
from shim_cli.doctor.packages import PACKAGES, installed_version
from shim_cli.doctor.sections import run_sections

MAX_ACCESS_LINES = 200
MIN_HOME_LENGTH = 3
"""A shorter home folder is the root of a disk, which is part of every path."""


class Scrubber:
    """Scrubs text of one machine: replaces the home folder by `~`, known secrets and values that look secret."""

    def __init__(self, env: Mapping[str, str], secrets: Sequence[str]) -> None:
        self._home = str(home(env))
        self._secrets = secrets

    def text(self, text: str) -> bytes:
        """Return scrubbed text as bytes."""
        if len(self._home) > MIN_HOME_LENGTH:
            text = text.replace(self._home, "~")
        return scrubbed(text, self._secrets).encode("utf-8", "replace")


def report_files(
    env: Mapping[str, str], port: int, settings: Path | None, masker: Masker, secrets: Sequence[str]
) -> dict[str, bytes]:
    """Return the content of each file by name."""
    scrub = Scrubber(env, secrets)
    files = {
        "doctor.txt": scrub.text(
            "\n".join(format_lines(run_sections(DoctorContext(env, port, settings)))) + "\n"
        ),
        "versions.json": masked_json(scrubbed_value(versions(env), secrets)),
        "settings.json": _settings(settings_file(env, settings), masker),
        "access.jsonl": b"".join(
            scrub.text(line) + b"\n" for line in access_lines(state_dir(env) / "access.jsonl")
        ),
    }
    return {name: content for name, content in files.items() if content}


def versions(env: Mapping[str, str]) -> dict[str, object]:
    """Return the versions of this program, its dependencies, Codex, Python and the system."""
    codex = CodexCli.find(env)
    try:
        codex_version = codex.version() if codex else "not found"
    except CodexCliError:
        codex_version = "version unknown"
    packages = ("mitmproxy", "uvloop", *PACKAGES)
    return {
        "codex-shim": VERSION,
        "codex": codex_version,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        **{name: installed_version(name) or "not installed" for name in packages},
    }


def _settings(path: Path, masker: Masker) -> bytes:
    try:
        value = loads_file(path.read_bytes())
    except OSError:
        return b""
    except ValueError:
        return b'"models.json is not JSON"'
    return masked_json(masker.value(value))


def access_lines(path: Path) -> list[str]:
    """Return the newest lines of the access log, which has no content of turns."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.startswith("{")][-MAX_ACCESS_LINES:]
