"""No part of the engine imports the part that makes it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from addons.proxy.engine import interfaces

ENGINE = Path(interfaces.__file__).parent
MAKERS = ["engine", "layer", "stream", "ending", "response_side", "attempt"]
"""Each is made, or held, by the ones before it."""


def imported(module: str) -> set[str]:
    tree = ast.parse((ENGINE / f"{module}.py").read_text())
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    prefix = "addons.proxy.engine."
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def test_interfaces_import_no_maker() -> None:
    assert not imported("interfaces") & set(MAKERS)


@pytest.mark.parametrize("module", MAKERS)
def test_part_knows_its_maker_by_an_interface_only(module: str) -> None:
    makers = set(MAKERS[: MAKERS.index(module)])
    assert not imported(module) & makers


def test_request_knows_none_of_its_makers() -> None:
    assert not imported("request_side") & {"engine", "layer", "stream", "ending"}
