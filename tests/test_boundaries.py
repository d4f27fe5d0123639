"""What every file of the product has to keep to, read from its syntax tree. import-linter holds the rest."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path.relative_to(ROOT) for top in ("addons", "shim_cli") for path in (ROOT / top).rglob("*.py")
)

REVEALS = {"addons/core/credential.py"}
"""`SecretHeader.value_for`, which checks the origin."""
VALUE_FOR = {"addons/proxy/engine/wire.py", "addons/origins/backend_models.py"}
BROAD = {
    "addons/proxy/guard.py",  # a hook
    "addons/proxy/engine/stream.py",  # a stream
    "addons/proxy/engine/layer.py",  # mitmproxy's protocol code
    "addons/proxy/engine/synthetic.py",  # a synthetic origin
    "addons/origins/books.py",  # a turn that is written down
}
LONGEST_FILE, LONGEST_FUNCTION = 400, 50

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def calls(tree: ast.AST, method: str) -> list[int]:
    """The lines in which `….method` is named, called or not."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == method
    ]


def broad_excepts(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = {n.id for n in ast.walk(node.type or node) if isinstance(n, ast.Name)}
            if node.type is None or caught & {"Exception", "BaseException"}:
                yield node.lineno


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def test_the_files_were_found() -> None:
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_says_what_it_is_and_stays_small(path: Path) -> None:
    tree = tree_of(path)
    text = (ROOT / path).read_text()
    assert ast.get_docstring(tree) or not text
    assert len(text.splitlines()) <= LONGEST_FILE
    for function in functions(tree):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= LONGEST_FUNCTION, function.name
        assert function.returns is not None, function.name


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_secret_is_revealed_in_one_place_and_that_is_asked_by_two(path: Path) -> None:
    tree = tree_of(path)
    assert not calls(tree, "reveal") or path.as_posix() in REVEALS
    assert not calls(tree, "value_for") or path.as_posix() in VALUE_FOR
    # the field behind `reveal` is nobody else's
    assert not calls(tree, "_value") or path.as_posix() == "addons/core/credential.py"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_everything_is_caught_at_the_borders_alone(path: Path) -> None:
    assert not list(broad_excepts(tree_of(path))) or path.as_posix() in BROAD


def test_each_exception_from_a_rule_is_still_needed() -> None:
    for path in sorted(REVEALS):
        [function] = [f for f in functions(tree_of(Path(path))) if calls(f, "reveal")]
        assert function.name == "value_for"
    assert all(calls(tree_of(Path(path)), "value_for") for path in VALUE_FOR)
    assert all(list(broad_excepts(tree_of(Path(path)))) for path in BROAD)


def test_each_variable_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    variables = {
        node.value
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"CODEX_[A-Z_]+[A-Z]", node.value)
    }
    assert len(variables) > 8
    assert {name for name in variables if f"`{name}`" not in readme} == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("try: x\nexcept Exception: y", True),
        ("try: x\nexcept (ValueError, BaseException) as e: y", True),
        ("try: x\nexcept: y", True),
        ("try: x\nexcept ValueError: y", False),
    ],
)
def test_a_broad_except_is_recognised(code: str, found: bool) -> None:
    assert bool(list(broad_excepts(ast.parse(code)))) is found


@pytest.mark.parametrize(
    ("code", "found"),
    [("a.b.reveal()", True), ("map(Secret.reveal, x)", True), ("reveal()", False)],
)
def test_a_reveal_is_recognised(code: str, found: bool) -> None:
    assert bool(calls(ast.parse(code), "reveal")) is found
