"""Runs tests of the core in this process: once to see which test runs which line, then once a mutant.

Called in a child that is forked for it, so that each begins with nothing of ours imported. A mutant is put in the place of
its module when that is imported; the file stays as it is. Never does: look at text that a test prints.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import entry_points
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType

import pytest
from hypothesis import Phase, settings

from scripts.mutants import Mutant, code_of

ROOT = Path(__file__).parents[1]
CORE = ROOT / "addons" / "core"
PASSED, NOTHING_RUN = 0, 5
"""What pytest ends with."""
COLLECTING = ""
"""Stands for a test where a line ran between them: when they, and what they import, were imported."""
MEMORY = 8 << 30
IMPORT_SECONDS = 20
PATIENCE = 10
"""How many times as long as it needed without a mutant a test may take before it hangs."""
EXAMPLES = 25
"""A property that a mutant breaks is mostly broken by one of the first."""
_OPTIONS = (
    "-n0", "-x", "--no-header", "--no-summary", "-p", "no:randomly", "-p", "no:cacheprovider",
    "--hypothesis-profile", "mutation", "-W", "ignore::pytest.PytestAssertRewriteWarning",
)  # fmt: skip
_WARM = ("hypothesis.internal.conjecture.engine", "orjson", "pydantic", "tomlkit", "zstandard")


@dataclass(frozen=True, slots=True)
class Batch:
    """Tests that are run together."""

    files: Sequence[str]
    tests: Mapping[str, float]
    """How long each takes without a mutant."""
    others: Collection[str]
    """Those of the same files that cannot meet the mutant. What is in neither got another name by it, and is run."""


def warm() -> None:
    """Import what is not ours, for the children to find it imported."""
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    for name in _WARM:
        import_module(name)
    # The same few examples in every run, no files, and no search for a smaller one that fails too.
    phases = [Phase.explicit, Phase.generate]
    ci = settings.get_profile("ci")
    settings.register_profile("mutation", parent=ci, phases=phases, max_examples=EXAMPLES)


def module_name(module: Path) -> str:
    """As it is imported."""
    return ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def watched(files: Sequence[str], report: Path) -> int:
    """Run tests as they are; the report says for each line of the core who ran it, and how long each test took."""
    watch = _Watch()
    with watch.watching():
        code = pytest.main([*_OPTIONS, *files], plugins=[watch])
    report.write_text(json.dumps({"lines": watch.lines, "seconds": watch.seconds}))
    return code


def noticed(mutant: Mutant, batches: Sequence[Batch]) -> bool:
    """Whether any of these tests fails with the mutant."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.meta_path.insert(0, _Changed(mutant))
    return any(_fails(batch) for batch in batches)


def _fails(batch: Batch) -> bool:
    # CPU time, not the clock: a busy machine must not kill mutants.
    most = time.process_time() + IMPORT_SECONDS + PATIENCE * sum(batch.tests.values())
    resource.setrlimit(resource.RLIMIT_CPU, (int(most), resource.RLIM_INFINITY))
    longest = IMPORT_SECONDS + PATIENCE * max(batch.tests.values())
    code = pytest.main([*_OPTIONS, f"--timeout={longest}", *batch.files], plugins=[_Only(batch)])
    return code not in {PASSED, NOTHING_RUN}


class _Watch:
    """Notes for each line of the core which tests ran it."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = defaultdict(list)
        self.seconds: dict[str, float] = {}
        self._test = COLLECTING

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._test = item.nodeid
        sys.monitoring.restart_events()
        began = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.process_time() - began
            self._test = COLLECTING

    @contextmanager
    def watching(self) -> Iterator[None]:
        monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID
        monitoring.use_tool_id(tool, "mutation")
        monitoring.register_callback(tool, monitoring.events.LINE, self._ran)
        monitoring.set_events(tool, monitoring.events.LINE)
        try:
            yield
        finally:
            monitoring.free_tool_id(tool)

    def _ran(self, code: CodeType, line: int) -> object:
        if code.co_filename.startswith(str(CORE)):
            ran = self.lines[f"{code.co_filename}:{line}"]
            if not ran or ran[-1] != self._test:
                ran.append(self._test)
        return sys.monitoring.DISABLE


class _Only:
    """Leaves out the tests that cannot meet the mutant, and begins with the short ones."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = [item for item in items if item.nodeid not in self._batch.others]
        items[:] = sorted(kept, key=lambda item: self._batch.tests.get(item.nodeid, 0))


class _Changed(MetaPathFinder):
    """Finds one module, with the mutant in it."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = module_name(mutant.module)
        self._module = mutant.module
        self._code = code_of(mutant)

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:  # noqa: ARG002  as it asks
        """As the import system asks for it."""
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._module, self._code)
        return spec_from_file_location(fullname, self._module, loader=loader)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, module: Path, code: CodeType) -> None:
        super().__init__(name, str(module))
        self._code = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  what the import system asks with
        """The mutant, instead of what is in the file."""
        return self._code
