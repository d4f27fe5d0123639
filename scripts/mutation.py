"""Changes `addons/core` in one place at a time and counts the changes that tests notice: a seeded sample of all mutants.

`uv run python -m scripts.mutation --sample 400 --seed 1`. First the tests run as they are, and it is noted which of them
runs which line. Then each mutant gets a process of its own, in which those run that can meet it: first the tests that
mirror its module, then the rest; those of one mutant stop at the first that fails. What is no mutant: `scripts.mutants`.
Needs `fork`. Never does: write into the tree. Invariant: without a change all of these tests pass, or nothing is counted.
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

# It comes with import-linter.
from grimp import ImportGraph, build_graph

from scripts.children import BROKEN, in_children
from scripts.mutants import Mutant, mutants_of
from scripts.mutation_tests import (
    COLLECTING,
    CORE,
    ROOT,
    Batch,
    module_name,
    noticed,
    warm,
    watched,
)

TESTS = (
    "tests/core", "tests/quirks", "tests/strict", "tests/views", "tests/test_conformance.py", "tests/test_models_doc.py",
    "tests/test_observing.py", "tests/origins/test_byok_routes.py", "tests/origins/test_fitting.py", "tests/origins/test_sources.py", "tests/origins/test_source_rows.py",
)  # fmt: skip
"""Those that work in one process and open no socket: they say the same on a busy machine."""
LEAST_KILLED = 85


@dataclass(frozen=True, slots=True)
class Seen:
    """What the tests did without any change, and who imports what."""

    tests: Mapping[str, Collection[str]]
    """Those that ran a line, by `file:line`."""
    seconds: Mapping[str, Mapping[str, float]]
    """How long each test took, by test file."""
    graph: ImportGraph

    def batches(self, mutant: Mutant) -> list[Batch]:
        """The tests that can meet a mutant, the likeliest to notice it first. None when no test can."""
        tests = self._met_by(mutant)
        likely = self._likely(mutant)
        files = {_file_of(test) for test in tests}
        ordered = sorted(files, key=lambda file: (-likely.get(file, 0), self._cost(file), file))
        return [self._batch(part, tests) for part in (ordered[:1], ordered[1:]) if part]

    def _met_by(self, mutant: Mutant) -> set[str]:
        met = {test for n in mutant.lines for test in self.tests.get(f"{mutant.module}:{n}", ())}
        if mutant.at_import or COLLECTING in met:
            # What an import makes of it may be used by whoever imports the module, itself or through others.
            met |= {test for file in self._importers(mutant) for test in self.seconds[file]}
        return met - {COLLECTING}

    def _batch(self, files: Sequence[str], tests: Collection[str]) -> Batch:
        every = {test: cost for file in files for test, cost in self.seconds[file].items()}
        met = {test: cost for test, cost in every.items() if test in tests}
        return Batch(files, met, every.keys() - met.keys())

    def _cost(self, file: str) -> float:
        return sum(self.seconds[file].values())

    def _importers(self, mutant: Mutant) -> set[str]:
        found = self.graph.find_downstream_modules(module_name(mutant.module))
        return {_test_file(one) for one in found} & self.seconds.keys()

    def _likely(self, mutant: Mutant) -> dict[str, int]:
        direct = self.graph.find_modules_that_directly_import(module_name(mutant.module))
        inside = mutant.module.relative_to(CORE).parent
        mirror = Path("tests/core") / inside / f"test_{mutant.module.stem}.py"
        return {**dict.fromkeys(map(_test_file, direct), 1), str(mirror): 2}


@dataclass(slots=True)
class Tally:
    """What became of the mutants."""

    tried: Counter[str] = field(default_factory=Counter)
    alive: Counter[str] = field(default_factory=Counter)

    def add(self, mutant: Mutant, *, killed: bool) -> None:
        """Count one; a survivor is told at once."""
        where = str(mutant.module.relative_to(ROOT))
        self.tried[where] += 1
        if not killed:
            self.alive[where] += 1
            print(f"survives: {where}:{mutant.line}: {mutant.what}", flush=True)

    @property
    def killed(self) -> float:
        """The share in percent."""
        return 100 * (1 - self.alive.total() / max(1, self.tried.total()))

    def told(self) -> str:
        """All of it, the module with most survivors first."""
        modules = [
            f"  {alive:4} of {self.tried[where]:4} survive in {where}"
            for where, alive in self.alive.most_common()
        ]
        total = self.tried.total()
        killed = f"{total} tried, {total - self.alive.total()} killed: {self.killed:.1f} %"
        return "\n".join([*modules, killed])


def main() -> int:
    """Try a sample; gives 1 when too many survive, or when a test fails without any change."""
    asked = _asked()
    os.chdir(ROOT)
    modules = [module for path in asked.paths for module in _modules(path)]
    every = [mutant for module in modules for mutant in mutants_of(module)]
    sample = Random(asked.seed).sample(every, min(asked.sample, len(every)))  # noqa: S311  repeatable
    print(f"mutation: {len(sample)} of {len(every):,} mutants, seed {asked.seed}", flush=True)
    warm()
    # What is there now is never collected, so no child copies it.
    gc.freeze()
    seen = _seen(_test_files(asked.tests), asked.jobs)
    if seen is None:
        return 1
    tally = _tried(sample, seen, asked.jobs)
    print(tally.told())
    return 0 if tally.killed >= LEAST_KILLED else 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tests", nargs="+", default=TESTS, help="files or folders")
    parser.add_argument("paths", nargs="*", type=Path, help="modules or folders of the core")
    asked = parser.parse_args()
    asked.paths = [path.resolve() for path in asked.paths] or [CORE]
    return asked


def _modules(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _seen(files: Sequence[str], jobs: int) -> Seen | None:
    """Run all tests as they are. None when one fails: what was printed is told then."""
    tests, seconds = dict[str, list[str]](), dict[str, dict[str, float]]()
    with tempfile.TemporaryDirectory() as folder:
        shares = {Path(folder) / f"{n}": files[n::jobs] for n in range(min(jobs, len(files)))}
        work = ((report, partial(watched, share, report)) for report, share in shares.items())
        for ended in in_children(work, jobs):
            if ended.code:
                print(f"{ended.printed}\nmutation: a test fails without any change")
                return None
            told = json.loads(ended.key.read_text())
            for line, ran in told["lines"].items():
                tests.setdefault(line, []).extend(ran)
            for test, cost in told["seconds"].items():
                seconds.setdefault(_file_of(test), {})[test] = cost
    graph = build_graph("addons", "tests", exclude_type_checking_imports=True, cache_dir=None)
    return Seen(tests, seconds, graph)


def _test_files(names: Iterable[str]) -> list[str]:
    paths = [file for name in names for file in _modules(ROOT / name)]
    tests = [file for file in paths if file.name.startswith("test_")]
    # By size, so that every share of them takes about as long.
    tests.sort(key=lambda file: file.stat().st_size)
    return [os.path.relpath(file, ROOT) for file in tests]


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def _test_file(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


def _tried(sample: Sequence[Mutant], seen: Seen, jobs: int) -> Tally:
    tally = Tally()
    work = ((mutant, partial(noticed, mutant, seen.batches(mutant))) for mutant in sample)
    for ended in in_children(work, jobs):
        if ended.code == BROKEN:
            raise RuntimeError(ended.printed)
        tally.add(ended.key, killed=ended.code != 0)
    return tally


if __name__ == "__main__":
    sys.exit(main())
