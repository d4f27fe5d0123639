"""Tables on a terminal. Imported only for one: importing rich takes 90 ms.

Never does: interpret markup in a cell. Invariant: no line is wider than the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shim_cli.console.terminal import wants_colour

GAP = 2
"""Blanks between two columns."""
MIN_WIDTH = 4
"""A column that may be cut keeps so much while another one can be cut."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. A `number` is aligned to the right and never cut; `is_key` is not cut before other text is.

    The last `is_optional` column is left out before any text is cut.
    """

    title: str
    number: bool = False
    is_key: bool = False
    style: str = ""
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `style` is that of the whole row: `dim` for a model that is hidden, `bold` for a sum."""

    cells: Sequence[str]
    style: str = ""


def terminal_console(env: Mapping[str, str]) -> Console:
    """Return the console of stdout, with colours where they are wanted."""
    return Console(highlight=False, color_system="auto" if wants_colour(env) else None)


def write_table(console: Console, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Write a table that fits the width of the console."""
    shown = _shown(columns, rows, console.width)
    columns = [columns[at] for at in shown]
    rows = [Row([row.cells[at] for at in shown], row.style) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP // 2))
    for column, width in zip(columns, _widths(columns, rows, console.width), strict=True):
        table.add_column(
            Text(column.title),
            justify="right" if column.number else "left",
            no_wrap=True,
            overflow="ellipsis",
            style=column.style,
            width=width,
        )
    for row in rows:
        table.add_row(*map(Text, row.cells), style=row.style)
    console.print(table)


def write_pairs(console: Console, pairs: Sequence[tuple[str, str]]) -> None:
    """Write names and their values, one pair a line. A value that is too long continues below its beginning."""
    grid = Table.grid(padding=(0, GAP))
    grid.add_column(no_wrap=True, style="cyan")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(Text(name), Text(value))
    console.print(Padding(grid, (0, 0, 0, GAP)))


def _shown(columns: Sequence[Column], rows: Sequence[Row], limit: int) -> list[int]:
    """Return the places of the columns that are shown: optional ones only as far as all fit."""
    natural, shown = _natural_widths(columns, rows), list(range(len(columns)))
    optional = [at for at in shown if columns[at].is_optional]
    while optional and sum(natural[at] + GAP for at in shown) - GAP > limit:
        shown.remove(optional.pop())
    return shown


def _natural_widths(columns: Sequence[Column], rows: Sequence[Row]) -> list[int]:
    return [
        max(cell_len(text) for text in (column.title, *(row.cells[at] for row in rows)))
        for at, column in enumerate(columns)
    ]


def _widths(columns: Sequence[Column], rows: Sequence[Row], limit: int) -> list[int]:
    """Return the width of each column: that of its longest text, the widest of the flexible ones cut until all fit."""
    widths = _natural_widths(columns, rows)
    flexible = [at for at, each in enumerate(columns) if not (each.number or each.is_key)]
    excess = sum(widths) + GAP * (len(columns) - 1) - limit
    while excess > 0:
        widest = max(flexible or range(len(columns)), key=lambda at: widths[at])
        if widths[widest] <= MIN_WIDTH:
            flexible, widest = [], max(range(len(columns)), key=lambda at: widths[at])
        widths[widest] -= 1
        excess -= 1
    return widths
