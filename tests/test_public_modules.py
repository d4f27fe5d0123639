"""`__all__` of the packages names what is public, and the examples in docs/ import no others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "docs" / "examples").rglob("*.py"))


def public_names(package: Path) -> list[str]:
    """Return `__all__` of a package, read without importing it."""
    for node in ast.parse((package / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return []


PUBLIC = {
    ".".join((*path.parent.relative_to(ROOT).parts, name))
    for folder in ("addons", "shim_cli")
    for path in (ROOT / folder).rglob("__init__.py")
    for name in public_names(path.parent)
}


def imported_modules(example: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(example.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_name_can_be_imported(name: str) -> None:
    package, _, member = name.rpartition(".")
    if not hasattr(import_module(package), member):
        assert import_module(name).__name__ == name


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_imports_public_modules_only(example: Path) -> None:
    own = {name for name in imported_modules(example) if name.split(".")[0] == "addons"}
    assert own - PUBLIC == set()


def test_contract_of_a_provider_is_public() -> None:
    assert {"addons.core.turn", "addons.core.routes", "addons.core.secrets"} <= PUBLIC


@pytest.mark.parametrize("package", ["addons", "shim_cli"])
def test_packages_are_marked_as_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
