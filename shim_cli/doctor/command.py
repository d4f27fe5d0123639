"""`codex-shim doctor`: run the checks and write the findings as text or JSON. Read-only.

Never does: write a file, show a secret or a proxy's address. Invariant: the exit code is 1 exactly if a finding is FAIL;
piped output is plain text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import typer

from shim_cli.console.terminal import is_terminal
from shim_cli.doctor.finding import NOT_CHECKED, DoctorContext, Finding, count_levels, format_counts

About = Literal["all", "models", "picker"]


def write_report(
    env: Mapping[str, str], port: int, settings: Path | None, about: About, *, as_json: bool
) -> int:
    """Run the checks and write the findings. Return the exit code."""
    findings = _findings(DoctorContext(env, port, settings), about)
    summary = count_levels(findings)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        typer.echo(json.dumps({"findings": rows, "summary": summary}, ensure_ascii=False))
    elif is_terminal():
        _write_on_terminal(env, findings, summary, about)
    else:
        lines = [*format_lines(findings), "Summary", f"  {format_counts(summary)}"]
        typer.echo("\n".join([*lines, f"  {NOT_CHECKED}"]))
    return 1 if summary["FAIL"] else 0


def _write_on_terminal(
    env: Mapping[str, str], findings: Sequence[Finding], summary: Mapping[str, int], about: About
) -> None:
    from shim_cli.console.tables import terminal_console  # noqa: PLC0415
    from shim_cli.doctor.terminal_report import write_names, write_sections  # noqa: PLC0415

    write = write_names if about == "models" else write_sections
    write(terminal_console(env), findings, summary)


def format_lines(findings: Sequence[Finding]) -> list[str]:
    """Return the findings as lines, grouped by section, each with its advice."""
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


def _findings(context: DoctorContext, about: About) -> list[Finding]:
    # Each view is imported only when it is requested.
    if about == "models":
        from shim_cli.doctor.models import model_findings  # noqa: PLC0415

        return model_findings(context)
    if about == "picker":
        from shim_cli.doctor.picker import picker_findings  # noqa: PLC0415

        return picker_findings(context)
    from shim_cli.doctor.sections import run_sections  # noqa: PLC0415

    return run_sections(context)
