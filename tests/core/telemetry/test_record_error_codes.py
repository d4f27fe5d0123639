"""A record holds codes of a fixed table only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from addons.core.codex.login import LoginKind
from addons.core.errors import FAULTS
from addons.core.telemetry.record import (
    KNOWN_CODES,
    OTHER_ERROR,
    OWN_CODES,
    known_code,
    known_terminal,
)
from addons.core.upstream.error_mapping import CLIENT_ERRORS

ADDONS = Path(__file__).parents[3] / "addons"


def codes_in_the_code() -> set[str]:
    """Return every code that the product gives a `Problem` or `Failure` as a literal."""
    found = set()
    sources = (path.read_text() for path in ADDONS.rglob("*.py"))
    for source in sources:
        if "Problem" not in source and "Failure" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            name = (
                node.func.id
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                else ""
            )
            if isinstance(node, ast.Call) and name in {"Problem", "Failure"}:
                code = node.args[1:2] if name == "Problem" else node.args[:1]
                found |= {c.value for each in code for c in ast.walk(each) if isinstance(c, ast.Constant)}  # fmt: skip
    return {str(code) for code in found} - {"login_", "code"}


def test_every_code_of_this_program_is_known() -> None:
    codes = {code for _, code, _ in FAULTS.values()} | {
        each.code for each in CLIENT_ERRORS.values()
    }
    logins = {f"login_{kind}" for kind in LoginKind}
    assert (codes | codes_in_the_code() | logins) - OWN_CODES == set()


@pytest.mark.parametrize(
    "code", ["sk-abcdefgh12345678", "Invalid_Prompt", "x" * 99, "invalid prompt", " "]
)
def test_other_code_is_replaced(code: str) -> None:
    assert known_code(code) == OTHER_ERROR


def test_listed_and_empty_codes_stay() -> None:
    assert {known_code(code) for code in KNOWN_CODES} == KNOWN_CODES
    assert known_code("") == ""


def test_terminal_type_is_one_of_four() -> None:
    assert known_terminal("response.failed") == "response.failed"
    assert known_terminal("response.sk-abcdefgh") == ""
