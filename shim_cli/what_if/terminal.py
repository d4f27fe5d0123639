"""A comparison on the terminal: the figures, then texts and calls, side by side where there is room.

Never does: write a control character of an answer, interpret markup in it. Invariant: no line is wider than the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from addons.core.what_if.answer import Answer
from addons.core.what_if.figures import ROWS, notes, title, whole_text
from shim_cli.console.printable import printable, printable_line
from shim_cli.console.tables import terminal_console

MIN_COLUMN, NAMES = 24, 19
"""Characters of a column with an answer, at least, and of the column with the names of the figures."""
MAX_TEXT, MAX_FIGURE = 4_000, 200
"""Characters of a text, and of a figure or a heading, that are shown."""


def write_comparison(
    env: Mapping[str, str], original: Answer | None, answers: Sequence[Answer]
) -> None:
    """Write the answers, that of the recorded turn first."""
    console = terminal_console(env)
    columns = [original, *answers] if original else list(answers)
    titles = [title(one, is_original=one is original) for one in columns]
    per_row = max(1, (console.width - NAMES) // (MIN_COLUMN + 2))
    for start in range(0, len(columns), per_row):
        if start:
            console.print()
        console.print(_table(titles[start : start + per_row], columns[start : start + per_row]))


def _table(titles: Sequence[str], columns: Sequence[Answer]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1), expand=True)
    table.add_column("", style="cyan", width=NAMES - 2, no_wrap=True)
    for name in titles:
        table.add_column(_figure(name), overflow="fold", ratio=1)
    for name, show in ROWS:
        table.add_row(name, *(_figure(show(one)) for one in columns))
    for name, texts in (("notes", map(_notes, columns)), ("answer", map(_text, columns))):
        cells = [Text(printable(text)) for text in texts]
        if any(cell.plain for cell in cells):
            table.add_row()
            table.add_row(name, *cells)
    return table


def _figure(text: str) -> Text:
    more = "…" if len(text) > MAX_FIGURE else ""
    return Text(printable_line(text[:MAX_FIGURE]) + more)


def _notes(answer: Answer) -> str:
    message = [answer.message] if answer.message else []
    return _begin("\n".join((*message, *notes(answer))))


def _text(answer: Answer) -> str:
    return _begin(whole_text(answer))


def _begin(text: str) -> str:
    rest = len(text) - MAX_TEXT
    return text if rest <= 0 else f"{text[:MAX_TEXT]}\n… {rest:,} more characters: --html FILE"
