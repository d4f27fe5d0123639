"""Loads modules whose source was edited, in this process: an import hook, and a second execution for loaded ones."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from types import CodeType, ModuleType

from tests.proxy.engine.compat.changes import Edit


def edited_source(source: str, edits: Iterable[Edit]) -> str:
    """Return the edited source. Raises AssertionError for an edit without a match."""
    for edit in edits:
        source, found = re.subn(edit.pattern, edit.replacement, source, flags=re.MULTILINE)
        assert found, f"{edit.pattern} is not in {edit.module}"
    return source


class _EditedLoader(SourceFileLoader):
    edits: Sequence[Edit] = ()

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_source(fullname)
        assert source is not None
        code: CodeType = compile(edited_source(source, self.edits), self.path, "exec")
        return code


class EditedModules(MetaPathFinder):
    """Finds the modules that have edits."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        edits = [edit for edit in self._edits if edit.module == fullname]
        spec = PathFinder.find_spec(fullname, path, target) if edits else None
        if spec and spec.origin:
            loader = _EditedLoader(fullname, spec.origin)
            loader.edits = edits
            spec.loader = loader
        return spec


def change(edits: Sequence[Edit]) -> None:
    """Make the modules of this process the edited ones. Those that are imported are run again, in place."""
    sys.meta_path.insert(0, EditedModules(edits))
    for name in {edit.module for edit in edits} & set(sys.modules):
        _run_again(name, [edit for edit in edits if edit.module == name])


def _run_again(name: str, edits: Sequence[Edit]) -> None:
    module, spec = sys.modules[name], find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    with open(spec.origin, encoding="utf-8") as file:  # noqa: PTH123
        source = file.read()
    code = compile(edited_source(source, edits), spec.origin, "exec")
    exec(code, module.__dict__)  # noqa: S102
    package = sys.modules[name.rpartition(".")[0]]
    for exported in getattr(module, "__all__", ()):
        setattr(package, exported, getattr(module, exported))
