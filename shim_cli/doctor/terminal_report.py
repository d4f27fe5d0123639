"""The doctor's report on a terminal. Imported only for one: importing rich takes 90 ms.

Never does: interpret markup in a message, cut one off. Invariant: the words are the same as in the plain report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from shim_cli.console.tables import GAP
from shim_cli.doctor.finding import LEVELS, NOT_CHECKED, Finding, Level, format_counts

STYLES: Mapping[Level, str] = {
    "OK": "green",
    "WARN": "yellow",
    "FAIL": "bold red",
    "INFO": "blue",
}
_LEVEL_WIDTH = max(map(len, LEVELS))
_NAME_SHARE = 3
"""A name takes at most one part in so many of the width."""


def write_sections(
    console: Console, findings: Sequence[Finding], summary: Mapping[str, int]
) -> None:
    """Write a block per section, then the counts."""
    for name, found in _by_section(findings):
        _write_title(console, name)
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True, min_width=_LEVEL_WIDTH)
        grid.add_column(overflow="fold")
        for each in found:
            grid.add_row(_level(each), Text(each.message))
            if each.advice:
                grid.add_row("", _advice(each))
        console.print(_indented(grid))
    _write_summary(console, summary)


def write_names(console: Console, findings: Sequence[Finding], summary: Mapping[str, int]) -> None:
    """Write one table with a row per finding; each section is a name, such as a model. Then the counts."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP // 2))
    width = console.width // _NAME_SHARE
    table.add_column("model", overflow="fold", max_width=width, style="cyan")
    table.add_column("", no_wrap=True, min_width=_LEVEL_WIDTH)
    table.add_column("finding", overflow="fold")
    for name, found in _by_section(findings):
        for number, each in enumerate(found):
            table.add_row(Text("" if number else name), _level(each), Text(each.message))
            if each.advice:
                table.add_row("", "", _advice(each))
    console.print(table)
    _write_summary(console, summary)


def _write_summary(console: Console, summary: Mapping[str, int]) -> None:
    worst: Level = "FAIL" if summary["FAIL"] else "WARN" if summary["WARN"] else "OK"
    _write_title(console, "Summary")
    console.print(_indented(Text(format_counts(summary), style=STYLES[worst])))
    console.print(_indented(Text(NOT_CHECKED)))


def _write_title(console: Console, title: str) -> None:
    console.print(Rule(Text(title, style="bold"), align="left", style="dim"))


def _level(finding: Finding) -> Text:
    return Text(finding.level, style=STYLES[finding.level])


def _advice(finding: Finding) -> Text:
    return Text(finding.advice, style="cyan")


def _indented(block: Table | Text) -> Padding:
    return Padding(block, (0, 0, 0, GAP))


def _by_section(findings: Sequence[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    sections: dict[str, list[Finding]] = {}
    for finding in findings:
        sections.setdefault(finding.section, []).append(finding)
    yield from sections.items()
