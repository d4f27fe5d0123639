"""Mutate `addons/core` in one place at a time and count the mutants that a test kills, for a seeded sample.

`uv run python -m scripts.mutation --sample 400 --seed 1`. The first run is without a mutant and records which test runs
which line. Then each mutant gets a process of its own, which runs the tests that execute the mutated line: those that
mirror its module first, and none after the first failure. What is not mutated: `scripts.mutants`. Needs `fork`.
Never does: write into the tree. Invariant: nothing is counted unless all tests pass without a mutant.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

# A dependency of import-linter.
from grimp import ImportGraph, build_graph

from scripts.children import CRASHED, in_children
from scripts.mutants import Mutant, mutants_of
from scripts.mutation_tests import (
    COLLECTING,
    CORE,
    ROOT,
    Batch,
    is_killed,
    module_name,
    preload,
    run_baseline,
)
from scripts.structure import test_file

TESTS = (
    "tests/core", "tests/quirks", "tests/strict", "tests/views", "tests/test_conformance.py", "tests/test_models_doc.py",
    "tests/test_observing.py", "tests/adapters/test_row_routes.py", "tests/adapters/codex/test_accepted_models.py", "tests/adapters/test_route_sources.py", "tests/adapters/test_route_sources_rows.py",
)  # fmt: skip
"""Tests that need one process and no socket: a busy machine does not change their result."""
MIN_KILLED_PERCENT = 85


@dataclass(frozen=True, slots=True)
class Baseline:
    """The test results without a mutant, and the imports of each module."""

    tests: Mapping[str, Collection[str]]
    """`file:line` → the tests that ran it."""
    seconds: Mapping[str, Mapping[str, float]]
    """Test file → test → how long it took."""
    graph: ImportGraph

    def batches(self, mutant: Mutant) -> list[Batch]:
        """Return the tests that can reach a mutant, the likeliest to kill it first. Empty when no test can."""
        tests = self._reaching(mutant)
        likelihood = self._likelihood(mutant)
        files = {_file_of(test) for test in tests}
        ordered = sorted(files, key=lambda file: (-likelihood.get(file, 0), self._cost(file), file))
        return [self._batch(part, tests) for part in (ordered[:1], ordered[1:]) if part]

    def _reaching(self, mutant: Mutant) -> set[str]:
        reaching = {
            test for n in mutant.lines for test in self.tests.get(f"{mutant.module}:{n}", ())
        }
        if mutant.at_import or COLLECTING in reaching:
            # Every direct and indirect importer may use what the import computed.
            reaching |= {test for file in self._importers(mutant) for test in self.seconds[file]}
        return reaching - {COLLECTING}

    def _batch(self, files: Sequence[str], tests: Collection[str]) -> Batch:
        every = {test: cost for file in files for test, cost in self.seconds[file].items()}
        reaching = {test: cost for test, cost in every.items() if test in tests}
        return Batch(files, reaching, every.keys() - reaching.keys())

    def _cost(self, file: str) -> float:
        return sum(self.seconds[file].values())

    def _importers(self, mutant: Mutant) -> set[str]:
        found = self.graph.find_downstream_modules(module_name(mutant.module))
        return {_file_of_module(name) for name in found} & self.seconds.keys()

    def _likelihood(self, mutant: Mutant) -> dict[str, int]:
        direct = self.graph.find_modules_that_directly_import(module_name(mutant.module))
        mirror = test_file(mutant.module.relative_to(ROOT))
        return {**dict.fromkeys(map(_file_of_module, direct), 1), str(mirror): 2}


@dataclass(slots=True)
class Tally:
    """Counts of tried and of surviving mutants by module."""

    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)

    def add(self, mutant: Mutant, *, killed: bool) -> None:
        """Count one mutant, and print it when it survives."""
        module = str(mutant.module.relative_to(ROOT))
        self.tried[module] += 1
        if not killed:
            self.survived[module] += 1
            print(f"survived: {module}:{mutant.line}: {mutant.change}", flush=True)

    @property
    def killed_percent(self) -> float:
        """The share of killed mutants."""
        return 100 * (1 - self.survived.total() / max(1, self.tried.total()))

    def report(self) -> str:
        """Return the totals as text, the module with the most survivors first."""
        modules = [
            f"  {survived:4} of {self.tried[module]:4} survived in {module}"
            for module, survived in self.survived.most_common()
        ]
        total = self.tried.total()
        count = total - self.survived.total()
        killed = f"{total} tried, {count} killed: {self.killed_percent:.1f} %"
        return "\n".join([*modules, killed])


def main() -> int:
    """Try a sample. Return 1 when too many mutants survive or a test fails without a mutant."""
    arguments = _arguments()
    os.chdir(ROOT)
    modules = [module for path in arguments.paths for module in _modules(path)]
    every = [mutant for module in modules for mutant in mutants_of(module)]
    sample = Random(arguments.seed).sample(every, min(arguments.sample, len(every)))  # noqa: S311  repeatable
    print(f"mutation: {len(sample)} of {len(every):,} mutants, seed {arguments.seed}", flush=True)
    preload()
    # Objects that exist now are never collected, so no child copies their pages.
    gc.freeze()
    baseline = _baseline(_test_files(arguments.tests), arguments.jobs)
    if baseline is None:
        return 1
    tally = _tried(sample, baseline, arguments.jobs)
    print(tally.report())
    return 0 if tally.killed_percent >= MIN_KILLED_PERCENT else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tests", nargs="+", default=TESTS, help="files or folders")
    parser.add_argument("paths", nargs="*", type=Path, help="modules or folders of the core")
    arguments = parser.parse_args()
    arguments.paths = [path.resolve() for path in arguments.paths] or [CORE]
    return arguments


def _modules(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _baseline(files: Sequence[str], jobs: int) -> Baseline | None:
    """Run all tests without a mutant. Return None when one fails, and print its output."""
    tests, seconds = dict[str, list[str]](), dict[str, dict[str, float]]()
    with tempfile.TemporaryDirectory() as folder:
        shares = {Path(folder) / f"{n}": files[n::jobs] for n in range(min(jobs, len(files)))}
        work = ((report, partial(run_baseline, share, report)) for report, share in shares.items())
        for ended in in_children(work, jobs):
            if ended.code:
                print(f"{ended.printed}\nmutation: a test fails without a mutant")
                return None
            recorded = json.loads(ended.key.read_text())
            for line, ran in recorded["lines"].items():
                tests.setdefault(line, []).extend(ran)
            for test, cost in recorded["seconds"].items():
                seconds.setdefault(_file_of(test), {})[test] = cost
    graph = build_graph("addons", "tests", exclude_type_checking_imports=True, cache_dir=None)
    return Baseline(tests, seconds, graph)


def _test_files(names: Iterable[str]) -> list[str]:
    paths = [file for name in names for file in _modules(ROOT / name)]
    tests = [file for file in paths if file.name.startswith("test_")]
    # By size, so that all shares take about the same time.
    tests.sort(key=lambda file: file.stat().st_size)
    return [os.path.relpath(file, ROOT) for file in tests]


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def _file_of_module(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


def _tried(sample: Sequence[Mutant], baseline: Baseline, jobs: int) -> Tally:
    tally = Tally()
    work = ((mutant, partial(is_killed, mutant, baseline.batches(mutant))) for mutant in sample)
    for ended in in_children(work, jobs):
        if ended.code == CRASHED:
            raise RuntimeError(ended.printed)
        tally.add(ended.key, killed=ended.code != 0)
    return tally


if __name__ == "__main__":
    sys.exit(main())
