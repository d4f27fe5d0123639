"""Changes `addons/core` in one place at a time and counts the changes that the tests notice.

`uv run python -m scripts.mutation --sample 100 --seed 1`. A seeded sample of all mutants, each in a copy of the tree:
first the module's own tests, then all tests of the core. Not mutated: docstrings, annotations, decorators, text of more
than a few words (messages for people) and what only types look at. Never does: touch the tree itself.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
CORE = ROOT / "addons" / "core"
COPIED = ("addons", "shim_cli", "tests", "benchmarks", "scripts", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md")  # fmt: skip
WIDER = (
    "tests/core",
    "tests/quirks",
    "tests/strict",
    "tests/test_conformance.py",
    "tests/proxy/test_byok_turns.py",
    "tests/origins/test_sources.py",
    "tests/origins/test_byok_routes.py",
    "tests/proxy/test_cursor_turns.py",
)
FIRST_SECONDS = 1200.0
TIMES_AS_LONG = 5
"""A mutant that takes so many times as long as the tests do without one hangs."""
LEAST_KILLED = 85
LONGEST_WORD = 24
"""Longer text is prose."""

SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: the module with it, and where it is."""

    module: Path
    line: int
    what: str
    source: str


Change = Callable[[], None]


def changes_of(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """What can be changed in a node."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            other = SWAPS[type(op)]
            yield (
                f"{type(op).__name__} to {other.__name__}",
                lambda: setattr(node, "ops", [other()]),
            )
        case ast.BoolOp(op=ast.And()):
            yield "and to or", lambda: setattr(node, "op", ast.Or())
        case ast.BoolOp(op=ast.Or()):
            yield "or to and", lambda: setattr(node, "op", ast.And())
        case ast.BinOp(op=ast.Add()):
            yield "+ to -", lambda: setattr(node, "op", ast.Sub())
        case ast.BinOp(op=ast.Sub()):
            yield "- to +", lambda: setattr(node, "op", ast.Add())
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            wrong = ast.UnaryOp(ast.Not(), test)
            yield "condition negated", lambda: setattr(node, "test", wrong)
        case ast.Return(value=ast.expr()):
            yield "return None", lambda: setattr(node, "value", ast.Constant(None))
        case ast.Constant(value=value):
            yield from _of_constant(node, value)


def _of_constant(node: ast.Constant, value: object) -> Iterator[tuple[str, Change]]:
    other: object
    if isinstance(value, bool):
        other = not value
    elif isinstance(value, int):
        other = value + 1
    elif isinstance(value, str) and value and len(value) <= LONGEST_WORD:
        other = f"{value}XX"
    elif isinstance(value, bytes) and value and len(value) <= LONGEST_WORD:
        other = value + b"XX"
    else:
        return
    yield f"{value!r} to {other!r}", lambda: setattr(node, "value", other)


def nodes_of(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node that runs and whose change a test could see."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list", "type_params", "bases"}:
                continue
            children = value if isinstance(value, list) else [value]
            waiting += [one for one in children if isinstance(one, ast.AST) and not _is_silent(one)]


def _is_silent(node: ast.AST) -> bool:
    """Docstrings, imports, f-strings (prose) and names of slots."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Assign) and "__slots__" in ast.unparse(node.targets[0]):
        return True
    typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    return typing_only or isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr)


def mutants_of(module: Path) -> Iterator[Callable[[], Mutant]]:
    """Every mutant of a module, made when it is asked for."""
    text = module.read_text()
    places = [list(changes_of(node)) for node in nodes_of(ast.parse(text))]
    for at, found in enumerate(places):
        for number in range(len(found)):
            yield lambda at=at, number=number: _mutant(module, text, at, number)  # type: ignore[misc]


def _mutant(module: Path, text: str, at: int, number: int) -> Mutant:
    tree = ast.parse(text)
    node = list(nodes_of(tree))[at]
    what, change = list(changes_of(node))[number]
    change()
    source = ast.unparse(ast.fix_missing_locations(tree))
    return Mutant(module, getattr(node, "lineno", 0), what, source)


def own_tests(module: Path) -> list[str]:
    """The tests that mirror a module, and those of its folder."""
    inside = module.relative_to(CORE).parent
    mirror = Path("tests/core") / inside / f"test_{module.stem}.py"
    if (ROOT / mirror).is_file():
        return [str(mirror)]
    folder = Path("tests/core") / inside
    return [str(folder)] if (ROOT / folder).is_dir() else ["tests/core"]


def passes(copy: Path, tests: list[str], seconds: float = FIRST_SECONDS) -> bool:
    """Whether these tests pass in the copy, in time."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:randomly", "-p", "no:cacheprovider", *tests]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(  # noqa: S603  our own words
            command, cwd=copy, env=env, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def survives(copy: Path, mutant: Mutant, wider: list[str], seconds: float) -> bool:
    """Whether no test notices."""
    place = copy / mutant.module.relative_to(ROOT)
    before = place.read_text()
    place.write_text(mutant.source)
    try:
        own = passes(copy, own_tests(mutant.module), seconds)
        return own and (not wider or passes(copy, wider, seconds))
    finally:
        place.write_text(before)


def copied(folder: Path) -> Path:
    """A copy of the tree."""
    copy = folder / "tree"
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    return copy


def main() -> int:
    """Try a sample; gives 1 when too many survive."""
    parser = argparse.ArgumentParser(prog="python -m scripts.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--own",
        action="store_true",
        help="A module's own tests alone: quicker, and fewer are killed.",
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="Begin no mutant after that.")
    asked = parser.parse_args()
    every = [one for module in sorted(CORE.rglob("*.py")) for one in mutants_of(module)]
    sample = Random(asked.seed).sample(every, min(asked.sample, len(every)))  # noqa: S311  repeatable
    print(f"mutation: {len(sample)} of {len(every):,} mutants, seed {asked.seed}", flush=True)
    ends, tried, alive = time.monotonic() + 60 * asked.minutes, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        wider = [] if asked.own else list(WIDER)
        began = time.monotonic()
        if not passes(copy, wider or ["tests/core"]):
            print("mutation: the tests fail, or take too long, without any change")
            return 1
        seconds = TIMES_AS_LONG * (time.monotonic() - began)
        for make in sample:
            if time.monotonic() > ends:
                break
            mutant = make()
            tried += 1
            if survives(copy, mutant, wider, seconds):
                alive += 1
                where = mutant.module.relative_to(ROOT)
                print(f"survives: {where}:{mutant.line}: {mutant.what}", flush=True)
    killed = 100 * (tried - alive) / max(1, tried)
    print(f"{tried} tried, {tried - alive} killed: {killed:.1f} %")
    return 0 if killed >= LEAST_KILLED else 1


if __name__ == "__main__":
    sys.exit(main())
