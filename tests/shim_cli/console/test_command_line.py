from __future__ import annotations

import pytest

from shim_cli.console.command_line import command


@pytest.mark.parametrize(
    ("name", "port", "line"),
    [("start", 8765, "codex-shim start"), ("serve", 9001, "codex-shim serve --port 9001")],
)
def test_default_port_is_left_out(name: str, port: int, line: str) -> None:
    assert command(name, port) == line
