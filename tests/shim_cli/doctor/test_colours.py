from __future__ import annotations

import io

from rich.console import Console

from shim_cli.doctor.colours import write_coloured
from shim_cli.doctor.finding import Finding, count_levels


def test_coloured_report_has_the_text_of_the_plain_report() -> None:
    findings = [
        Finding("A", "OK", "one [bold]not markup[/bold]"),
        Finding("A", "FAIL", "two", "type this"),
        Finding("B", "WARN", "three " * 30, "x"),
    ]
    plain, coloured = io.StringIO(), io.StringIO()
    width = 60

    write_coloured(findings, count_levels(findings), Console(file=plain, width=width))
    write_coloured(
        findings, count_levels(findings), Console(file=coloured, width=width, force_terminal=True)
    )

    text = plain.getvalue()
    assert "one [bold]not markup[/bold]" in text
    assert "two" in text
    assert "type this" in text
    assert "1 OK, 1 WARN, 1 FAIL, 0 INFO" in text
    assert "Ask them: codex-shim test" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b[1;31mFAIL" in coloured.getvalue()
