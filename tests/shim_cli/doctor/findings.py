"""Helpers for the tests of the doctor's sections: fill a home folder, run one section."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from shim_cli.doctor.finding import DoctorContext, Finding
from shim_cli.doctor.sections import run_sections


def section_messages(
    env: dict[str, str], section: str, settings: Path | None = None, port: int = 9
) -> list[tuple[str, str]]:
    """Return level and message of each finding of a section."""
    return [(each.level, each.message) for each in section_findings(env, section, settings, port)]


def section_findings(
    env: dict[str, str], section: str, settings: Path | None = None, port: int = 9
) -> list[Finding]:
    """Return the findings of a section."""
    context = DoctorContext(env, port, settings, cwd=Path(env["HOME"]))
    return [finding for finding in run_sections(context) if finding.section == section]


def put(path: Path, text: str | bytes) -> Path:
    """Write a file and create its parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def jwt(claims: dict[str, Any]) -> str:
    """Return an unsigned JWT with these claims."""
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.c2ln"
