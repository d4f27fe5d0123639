"""The doctor's report in colour. Imported only for a terminal: importing rich takes 90 ms.

Never does: interpret markup in a message. Invariant: the text is the same as in the plain report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from shim_cli.doctor.finding import NOT_CHECKED, Finding, Level, format_counts

STYLES: Mapping[Level, str] = {
    "OK": "green",
    "WARN": "yellow",
    "FAIL": "bold red",
    "INFO": "blue",
}


def write_coloured(
    findings: Sequence[Finding], summary: Mapping[str, int], console: Console | None = None
) -> None:
    """Write the findings, one block per section."""
    screen = console or Console(highlight=False)
    for name, section in _by_section(findings):
        screen.print(Rule(Text(name, style="bold"), align="left", style="dim"))
        screen.print(Padding(_block(section), (0, 0, 0, 2)))
    worst: Level = "FAIL" if summary["FAIL"] else "WARN" if summary["WARN"] else "OK"
    screen.print(Rule(Text("Summary", style="bold"), align="left", style="dim"))
    screen.print(Padding(Text(format_counts(summary), style=STYLES[worst]), (0, 0, 0, 2)))
    screen.print(Padding(Text(NOT_CHECKED), (0, 0, 0, 2)))


def _by_section(findings: Sequence[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    sections: dict[str, list[Finding]] = {}
    for finding in findings:
        sections.setdefault(finding.section, []).append(finding)
    yield from sections.items()


def _block(findings: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.level, style=STYLES[finding.level]), Text(finding.message))
        if finding.advice:
            table.add_row("", Text(finding.advice, style="cyan"))
    return table
