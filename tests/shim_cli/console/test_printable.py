from __future__ import annotations

from shim_cli.console.printable import printable, printable_line


def test_text_cannot_control_the_terminal() -> None:
    assert printable("a\x1b[31mb\r\n\tc\x9b") == "a?[31mb?\n\tc?"


def test_line_stays_one_line() -> None:
    assert printable_line("a\n b\tc\x1bd ") == "a b c?d"
