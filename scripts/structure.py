"""Measure the layout of the code and fail when a measure exceeds its bound.

Measured are flat modules in addons/core, crowded folders, folders in an import cycle, modules without a mirrored test
file, test files without a module, long files and long functions. A measure above its bound lists its members.
Never does: import or change what it measures. Invariant: the exit status is 1 exactly when a bound is exceeded.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("addons", "shim_cli")
MAX_FLAT_MODULES = 10
MAX_MODULES_PER_FOLDER = 20
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
UNTESTED_NAMES = frozenset({"__init__.py", "__main__.py"})
"""Files that hold no logic of their own: a package's docstring, or one call of `main`."""
MIRROR_EXCEPTIONS: Mapping[str, str] = {
    # mitmproxy loads this file by its path; all of its code is in addons/proxy/script.py
    "addons/codex_shim.py": "tests/proxy/test_script.py",
}
"""Modules whose test file is not at the mirrored path."""

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""The fields of a statement that hold statements."""

ImportGraph = Mapping[Path, set[Path]]
"""Folder → the folders it imports from."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One property of the layout: the places that have it, and how many are allowed."""

    name: str
    members: Sequence[str]
    bound: int = 0

    @property
    def exceeded(self) -> bool:
        """Whether there are more members than the bound allows."""
        return len(self.members) > self.bound


@dataclass(frozen=True, slots=True)
class Tree:
    """A checkout. All paths that it returns are relative to `root`."""

    root: Path

    def modules(self) -> list[Path]:
        """Return every module of the product."""
        found = (path for package in PACKAGES for path in (self.root / package).rglob("*.py"))
        return sorted(path.relative_to(self.root) for path in found)

    def statements(self, module: Path) -> Iterator[ast.AST]:
        """Yield every statement of a module, also those inside others. Not their expressions, which are most of a tree."""
        return _statements(ast.parse((self.root / module).read_text(encoding="utf-8")).body)


def _statements(block: Sequence[ast.AST]) -> Iterator[ast.AST]:
    for statement in block:
        yield statement
        for name in BLOCKS:
            yield from _statements(getattr(statement, name, ()))


def flat_core_modules(tree: Tree) -> list[str]:
    """Return the modules that lie directly in addons/core."""
    folder = Path("addons/core")
    return [
        str(module)
        for module in tree.modules()
        if module.parent == folder and module.name != "__init__.py"
    ]


def crowded_folders(tree: Tree) -> list[str]:
    """Return the folders with more than `MAX_MODULES_PER_FOLDER` modules."""
    counts = Counter(module.parent for module in tree.modules() if module.name != "__init__.py")
    return [f"{folder}: {n}" for folder, n in counts.items() if n > MAX_MODULES_PER_FOLDER]


def folders_in_cycles(tree: Tree) -> list[str]:
    """Return the folders that import themselves through other folders. A folder and its parent count as two."""
    graph = folder_graph(tree)
    return sorted(
        f"{folder} imports {imported}"
        for folder, all_imported in graph.items()
        for imported in all_imported
        if folder in _reachable(graph, imported)
    )


def folder_graph(tree: Tree) -> ImportGraph:
    """Return which folder imports which, from every import statement, also those inside functions."""
    graph: dict[Path, set[Path]] = {}
    for module in tree.modules():
        imported = {target.parent for target in _imported(tree, module)}
        graph.setdefault(module.parent, set()).update(imported - {module.parent})
    return graph


def _reachable(graph: ImportGraph, start: Path) -> set[Path]:
    found, pending = set[Path](), [start]
    while pending:
        folder = pending.pop()
        if folder not in found:
            found.add(folder)
            pending += graph.get(folder, ())
    return found


def _imported(tree: Tree, module: Path) -> Iterator[Path]:
    """Yield the modules of the product that a module imports. Relative imports are banned by the linter."""
    for node in tree.statements(module):
        if isinstance(node, ast.ImportFrom) and node.module:
            submodules = [
                found
                for alias in node.names
                if (found := _module_file(tree, f"{node.module}.{alias.name}"))
            ]
            package = _module_file(tree, node.module)
            yield from submodules or ([package] if package else [])
        elif isinstance(node, ast.Import):
            yield from filter(None, (_module_file(tree, alias.name) for alias in node.names))


def _module_file(tree: Tree, name: str) -> Path | None:
    """Return the file of a module or package of the product, by its dotted name."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return None
    candidates = (Path(*parts).with_suffix(".py"), Path(*parts, "__init__.py"))
    return next((path for path in candidates if (tree.root / path).is_file()), None)


def unmirrored_modules(tree: Tree) -> list[str]:
    """Return the modules without a test at the mirrored path. A test file without a test function does not count."""
    return [
        f"{module} (expected {test_file(module)})"
        for module in tree.modules()
        if module.name not in UNTESTED_NAMES and not _has_tests(tree, test_file(module))
    ]


def test_file(module: Path) -> Path:
    """Return the path of a module's test file: addons/core/turn.py → tests/core/test_turn.py."""
    if found := MIRROR_EXCEPTIONS.get(module.as_posix()):
        return Path(found)
    parts = module.parts[1:] if module.parts[0] == "addons" else module.parts
    return Path("tests", *parts[:-1], f"test_{module.name}")


def _has_tests(tree: Tree, file: Path) -> bool:
    return (tree.root / file).is_file() and any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        for node in tree.statements(file)
    )


def orphan_tests(tree: Tree) -> list[str]:
    """Return the test files in mirrored folders that belong to no module.

    `test_<module>.py` and `test_<module>_<topic>.py` belong to a module. Tests of the whole product lie in folders
    that mirror none: tests/boundary, tests/faults, tests/e2e and the like.
    """
    folders: dict[Path, list[str]] = {}
    for module in tree.modules():
        folders.setdefault(test_file(module).parent, []).append(module.stem)
    return [
        str(test.relative_to(tree.root))
        for folder, modules in folders.items()
        if folder != Path("tests")
        for test in sorted((tree.root / folder).glob("test_*.py"))
        if not any(_belongs(test.stem.removeprefix("test_"), module) for module in modules)
    ]


def _belongs(test: str, module: str) -> bool:
    return test == module or test.startswith(f"{module}_")


def long_files(tree: Tree) -> list[str]:
    """Return the modules with more than `MAX_FILE_LINES` lines."""
    sizes = {
        module: len((tree.root / module).read_text(encoding="utf-8").splitlines())
        for module in tree.modules()
    }
    return [f"{module}: {lines}" for module, lines in sizes.items() if lines > MAX_FILE_LINES]


def long_functions(tree: Tree) -> list[str]:
    """Return the functions with more than `MAX_FUNCTION_LINES` lines."""
    return [
        f"{module}:{node.lineno} {node.name}: {lines}"
        for module in tree.modules()
        for node in tree.statements(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]


def measures(tree: Tree) -> list[Measure]:
    """Return every measure of a checkout."""
    return [
        Measure("flat modules in addons/core", flat_core_modules(tree), MAX_FLAT_MODULES),
        Measure(f"folders of more than {MAX_MODULES_PER_FOLDER} modules", crowded_folders(tree)),
        Measure("imports between folders that close a cycle", folders_in_cycles(tree)),
        Measure("modules without a mirrored test", unmirrored_modules(tree)),
        Measure("test files without a module", orphan_tests(tree)),
        Measure(f"files of more than {MAX_FILE_LINES} lines", long_files(tree)),
        Measure(f"functions of more than {MAX_FUNCTION_LINES} lines", long_functions(tree)),
    ]


def main() -> int:
    """Print every measure. Return 1 when one exceeds its bound."""
    found = measures(Tree(ROOT))
    for measure in found:
        print(f"{len(measure.members):4} {measure.name} (at most {measure.bound})")
        if measure.exceeded:
            print(*(f"       {member}" for member in measure.members), sep="\n")
    return int(any(measure.exceeded for measure in found))


if __name__ == "__main__":
    sys.exit(main())
