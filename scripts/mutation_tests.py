"""Run tests of the core in this process: once to record which test runs which line, then once for each mutant.

Each run is in a forked child that has not imported the product. An import hook loads the mutant instead of its module;
the file does not change. Never does: judge a run by the text that a test prints.
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
"""Exit codes of pytest."""
COLLECTING = ""
"""In place of a test: the line ran while test modules and their imports were loaded."""
MEMORY_BYTES = 8 << 30
IMPORT_SECONDS = 20
SLOWDOWN = 10
"""A test hangs when it takes this many times as long as without a mutant."""
MAX_EXAMPLES = 25
"""Examples of a hypothesis test. One of the first usually fails when a mutant breaks the property."""
_OPTIONS = (
    "-n0", "-x", "--no-header", "--no-summary", "-p", "no:randomly", "-p", "no:cacheprovider",
    "--hypothesis-profile", "mutation", "-W", "ignore::pytest.PytestAssertRewriteWarning",
)  # fmt: skip
_PRELOADED = ("hypothesis.internal.conjecture.engine", "orjson", "pydantic", "tomlkit", "zstandard")


@dataclass(frozen=True, slots=True)
class Batch:
    """Tests that run together."""

    files: Sequence[str]
    tests: Mapping[str, float]
    """How long each takes without a mutant."""
    others: Collection[str]
    """Tests of the same files that cannot reach the mutant. A test in neither was renamed by the mutant, and runs."""


def preload() -> None:
    """Import the dependencies, so that the children do not have to."""
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    for name in _PRELOADED:
        import_module(name)
    # The same few examples in every run, no example database, no shrinking.
    phases = [Phase.explicit, Phase.generate]
    ci = settings.get_profile("ci")
    settings.register_profile("mutation", parent=ci, phases=phases, max_examples=MAX_EXAMPLES)


def module_name(module: Path) -> str:
    """Return the dotted name under which a module is imported."""
    return ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def run_baseline(files: Sequence[str], report: Path) -> int:
    """Run tests without a mutant, and write which tests ran each line of the core and how long each test took."""
    recorder = _LineRecorder()
    with recorder.recording():
        code = pytest.main([*_OPTIONS, *files], plugins=[recorder])
    report.write_text(json.dumps({"lines": recorder.lines, "seconds": recorder.seconds}))
    return code


def is_killed(mutant: Mutant, batches: Sequence[Batch]) -> bool:
    """Return whether any of these tests fails with the mutant."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.meta_path.insert(0, _MutantFinder(mutant))
    return any(_fails(batch) for batch in batches)


def _fails(batch: Batch) -> bool:
    # CPU time, not wall time: a busy machine must not kill mutants.
    limit = time.process_time() + IMPORT_SECONDS + SLOWDOWN * sum(batch.tests.values())
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit), resource.RLIM_INFINITY))
    timeout = IMPORT_SECONDS + SLOWDOWN * max(batch.tests.values())
    code = pytest.main([*_OPTIONS, f"--timeout={timeout}", *batch.files], plugins=[_Select(batch)])
    return code not in {PASSED, NOTHING_RUN}


class _LineRecorder:
    """Pytest plugin that records which tests run each line of the core."""

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
    def recording(self) -> Iterator[None]:
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


class _Select:
    """Pytest plugin that deselects the tests that cannot reach the mutant and runs the fast ones first."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = [item for item in items if item.nodeid not in self._batch.others]
        items[:] = sorted(kept, key=lambda item: self._batch.tests.get(item.nodeid, 0))


class _MutantFinder(MetaPathFinder):
    """Import hook that loads a mutant instead of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = module_name(mutant.module)
        self._module = mutant.module
        self._code = code_of(mutant)

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:  # noqa: ARG002  the import protocol
        """Return the spec of the mutated module, None for any other."""
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._module, self._code)
        return spec_from_file_location(fullname, self._module, loader=loader)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, module: Path, code: CodeType) -> None:
        super().__init__(name, str(module))
        self._code = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  the import protocol
        """Return the code of the mutant."""
        return self._code
