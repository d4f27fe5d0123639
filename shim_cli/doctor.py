"""`codex-shim doctor`: everything a turn needs, looked at and told. Read-only.

Never does: write a file, show a secret or a proxy's address. Invariant: a warning or a failure carries the command to
type, and the exit code is 1 exactly when something failed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import typer

from shim_cli.checks import Finding, findings_of


def write_report(env: Mapping[str, str], port: int, settings: Path | None, *, as_json: bool) -> int:
    """Look at everything and write what was found. Gives the exit code."""
    findings = findings_of(env, port, settings)
    counts = Counter(finding.level for finding in findings)
    summary = {level: counts[level] for level in ("OK", "WARN", "FAIL", "INFO")}
    if as_json:
        rows = [asdict(finding) for finding in findings]
        typer.echo(json.dumps({"findings": rows, "summary": summary}, ensure_ascii=False))
    else:
        total = ", ".join(f"{count} {level}" for level, count in summary.items())
        typer.echo("\n".join([*lines_of(findings), "Summary", f"  {total}"]))
    return 1 if summary["FAIL"] else 0


def lines_of(findings: list[Finding]) -> list[str]:
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
