from __future__ import annotations

import io

import pytest

from shim_cli.console.errors import CliError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (CliError("port 1 is in use", "Use another port."), "codex-shim: port 1 is in use\nUse another port.\n"),
        (CliError("port 1 is in use"), "codex-shim: port 1 is in use\n"),
    ],
)  # fmt: skip
def test_error_is_one_line_and_one_line_of_advice(error: CliError, text: str) -> None:
    stream = io.StringIO()
    error.show(stream)
    assert stream.getvalue() == text
    assert error.exit_code == 1


def test_error_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    CliError("failed").show()
    assert capsys.readouterr() == ("", "codex-shim: failed\n")
