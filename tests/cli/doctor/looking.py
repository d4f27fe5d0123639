"""What the tests of doctor's sections share: a home to fill, and one section's findings."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from shim_cli.doctor.finding import Finding, Subject
from shim_cli.doctor.sections import findings_of


def found(
    env: dict[str, str], section: str, settings: Path | None = None, port: int = 9
) -> list[tuple[str, str]]:
    """Level and message of each finding of a section, on a machine where only `env` is so."""
    return [(each.level, each.message) for each in whole(env, section, settings, port)]


def whole(
    env: dict[str, str], section: str, settings: Path | None = None, port: int = 9
) -> list[Finding]:
    """The findings of a section."""
    subject = Subject(env, port, settings, cwd=Path(env["HOME"]))
    return [finding for finding in findings_of(subject) if finding.section == section]


def put(path: Path, text: str | bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def jwt(claims: dict[str, Any]) -> str:
    """A token that says this."""
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.c2ln"
