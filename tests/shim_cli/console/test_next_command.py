from __future__ import annotations

import pytest

from addons.core.errors import FAULTS
from addons.core.upstream.error_mapping import CLIENT_ERRORS
from shim_cli.console.next_command import DEFAULT, PROGRAMS, next_command


@pytest.mark.parametrize(
    ("code", "message", "command"),
    [
        ("login_missing", "There is no login. Type `codex login`.", "codex login"),
        ("x", "The field `model` is wrong. Run `codex-shim doctor`, then `codex login`.", "codex-shim doctor"),
        ("x", "Run `codex`.", DEFAULT),
        ("model_not_found", "`codex-shim list` shows it", "codex-shim list --all"),
        ("server_error", "it had an internal error", DEFAULT),
    ],
)  # fmt: skip
def test_command_is_the_quoted_one_or_that_of_the_code(
    code: str, message: str, command: str
) -> None:
    assert next_command(code, message) == command


def test_every_known_error_has_a_command() -> None:
    known = [(error.code, error.text) for error in CLIENT_ERRORS.values()]
    known += [(code, text) for _, code, text in FAULTS.values()]

    for code, text in known:
        assert next_command(code, text).split(" ")[0] in PROGRAMS
