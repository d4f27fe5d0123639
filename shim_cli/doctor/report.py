"""`codex-shim doctor`: what was found, written for people or for programs. Read-only.

Never does: write a file, show a secret or a proxy's address. Invariant: the exit code is 1 exactly when something
failed, and what is piped is plain text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import typer

from shim_cli.doctor.finding import Finding, Subject
from shim_cli.doctor.summary import summary_of, total_of

About = Literal["all", "models", "picker"]


def write_report(
    env: Mapping[str, str], port: int, settings: Path | None, about: About, *, as_json: bool
) -> int:
    """Look and write what was found. Gives the exit code."""
    findings = _look(Subject(env, port, settings), about)
    summary = summary_of(findings)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        typer.echo(json.dumps({"findings": rows, "summary": summary}, ensure_ascii=False))
    elif _wants_colour(env):
        from shim_cli.doctor.colours import write_coloured  # noqa: PLC0415

        write_coloured(findings, summary)
    else:
        typer.echo("\n".join([*lines_of(findings), "Summary", f"  {total_of(summary)}"]))
    return 1 if summary["FAIL"] else 0


def lines_of(findings: Sequence[Finding]) -> list[str]:
    """The findings under their sections' names; below each, what to type."""
    lines: list[str] = []
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            lines.append(section)
        lines.append(f"  {finding.level:<5} {finding.message}")
        if finding.advice:
            lines.append(f"        {finding.advice}")
    return lines


def _look(subject: Subject, about: About) -> list[Finding]:
    # each is imported when it is asked for
    if about == "models":
        from shim_cli.doctor.models import model_findings  # noqa: PLC0415

        return model_findings(subject)
    if about == "picker":
        from shim_cli.doctor.picker import picker_findings  # noqa: PLC0415

        return picker_findings(subject)
    from shim_cli.doctor.sections import findings_of  # noqa: PLC0415

    return findings_of(subject)


def _wants_colour(env: Mapping[str, str]) -> bool:
    """Whether a terminal reads us that takes colours: https://no-color.org and TERM=dumb say no."""
    return sys.stdout.isatty() and not env.get("NO_COLOR") and env.get("TERM") != "dumb"
