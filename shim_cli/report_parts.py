"""What goes into a report beside a turn: doctor, versions, settings, access lines; all of it scrubbed.

Never does: write. Invariant: nothing leaves here that `scrub` finds something in.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from addons.origins.codex_cli import CodexCli, CodexCliError
from addons.origins.paths import home, settings_file, state_dir
from addons.version import VERSION
from addons.views.masking import Masker, masked_json
from addons.views.scrub import scrubbed, scrubbed_value
from shim_cli.doctor.finding import Subject
from shim_cli.doctor.packages import PACKAGES, version_of
from shim_cli.doctor.report import lines_of
from shim_cli.doctor.sections import findings_of

ACCESS_LINES = 200
SHORTEST_HOME = 3
"""A home folder that is the root of a disk stands in every path."""


class Scrubber:
    """Scrubs for one machine: its home folder becomes `~`, its secrets and what looks like one are replaced."""

    def __init__(self, env: Mapping[str, str], secrets: Sequence[str]) -> None:
        self._home = str(home(env))
        self._secrets = secrets

    def text(self, text: str) -> bytes:
        """Free text."""
        if len(self._home) > SHORTEST_HOME:
            text = text.replace(self._home, "~")
        return scrubbed(text, self._secrets).encode("utf-8", "replace")


def parts(
    env: Mapping[str, str], port: int, settings: Path | None, masker: Masker, secrets: Sequence[str]
) -> dict[str, bytes]:
    """File name → content."""
    scrub = Scrubber(env, secrets)
    found = {
        "doctor.txt": scrub.text(
            "\n".join(lines_of(findings_of(Subject(env, port, settings)))) + "\n"
        ),
        "versions.json": masked_json(scrubbed_value(versions(env), secrets)),
        "settings.json": _settings(settings_file(env, settings), masker),
        "access.jsonl": b"".join(
            scrub.text(line) + b"\n" for line in access_lines(state_dir(env) / "access.jsonl")
        ),
    }
    return {name: content for name, content in found.items() if content}


def versions(env: Mapping[str, str]) -> dict[str, object]:
    """What runs here."""
    codex = CodexCli.find(env)
    try:
        codex_version = codex.version() if codex else "not found"
    except CodexCliError:
        codex_version = "does not tell its version"
    packages = ("mitmproxy", "uvloop", *PACKAGES)
    return {
        "codex-shim": VERSION,
        "codex": codex_version,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        **{name: version_of(name) or "not installed" for name in packages},
    }


def _settings(path: Path, masker: Masker) -> bytes:
    try:
        value = orjson.loads(path.read_bytes())
    except OSError:
        return b""
    except ValueError:
        return b'"models.json is not JSON"'
    return masked_json(masker.value(value))


def access_lines(path: Path) -> list[str]:
    """The newest lines of the access log, which holds no content."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.startswith("{")][-ACCESS_LINES:]
