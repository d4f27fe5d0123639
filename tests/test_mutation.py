"""The mutation run: which mutants there are, which tests run for a mutant, and which mutants count as killed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from grimp import ImportGraph

from scripts.mutants import Mutant, code_of, mutants_of
from scripts.mutation import Baseline, Tally
from scripts.mutation_tests import COLLECTING, CORE, ROOT


def mutants(folder: Path, text: str) -> list[Mutant]:
    module = folder / "module.py"
    module.write_text(text)
    return list(mutants_of(module))


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("a == b", ["Eq to NotEq"]),
        ("a < b <= c", ["Lt to LtE", "LtE to Lt"]),
        ("a and b or c", ["Or to And", "And to Or"]),
        ("a + b", ["Add to Sub"]),
        ("a -= b", ["Sub to Add"]),
        ("a = not b", ["not dropped"]),
        ("if a: b", ["condition negated"]),
        ("if a in b: c", ["In to NotIn"]),
        ("if a < b: c", ["condition negated", "Lt to LtE"]),
        ("if not a: b", ["not dropped"]),
        ("a()", ["call dropped"]),
        ("def f(): return a", ["return None"]),
        ("def f(): return None", []),
        ("while a: break", ["condition negated", "Break to Continue"]),
        ("a = 1, 2.5, True", ["1 to 2", "2.5 to 3.5", "True to False"]),
        ("a = 'one', b'two', ''", ["'one' to 'oneXX'", "b'two' to b'twoXX'", "'' to 'XX'"]),
        ("f'{a + 1} text'", ["Add to Sub", "1 to 2"]),
        ("match a:\n    case {'k': 1}: b", ["'k' to 'kXX'", "1 to 2"]),
    ],
)
def test_mutants_of_a_statement(text: str, changes: list[str], tmp_path: Path) -> None:
    assert [mutant.change for mutant in mutants(tmp_path, text)] == changes


@pytest.mark.parametrize(
    "text",
    [
        '"""About."""',
        "A: int\n'About the attribute.'",
        "import a\nfrom b import c",
        "def f(a: Literal['x']) -> 'y': ...",
        "@decorator(frozen=True)\nclass C(Base, total=False): ...",
        "__slots__ = ('a', 'b')",
        "Names = Literal['a', 'b']",
        "if TYPE_CHECKING:\n    import a",
        "a = 'prose for people'",
        "a = f'text of {b} and more'",
        "a = None",
    ],
)
def test_undetectable_code_is_not_mutated(text: str, tmp_path: Path) -> None:
    assert mutants(tmp_path, text) == []


def test_code_of_a_mutant_has_exactly_one_change(tmp_path: Path) -> None:
    results = []
    for mutant in mutants(tmp_path, "a = 1 + 1\nb = a == 2"):
        names: dict[str, object] = {}
        exec(code_of(mutant), names)  # noqa: S102  what was compiled two lines above
        results.append((names["a"], names["b"]))
    assert results == [(0, False), (3, False), (3, False), (2, False), (2, False)]


def test_mutant_has_the_lines_of_its_statement_and_whether_an_import_runs_it(
    tmp_path: Path,
) -> None:
    text = "A = (\n    1,\n)\n\ndef f(a=2):\n    if (a and\n            a > 3):\n        return 4\n"
    found = {one.change: (one.line, one.lines, one.at_import) for one in mutants(tmp_path, text)}
    assert found == {
        "1 to 2": (2, range(1, 4), True),
        "2 to 3": (5, range(5, 6), True),
        "condition negated": (6, range(6, 8), False),
        "And to Or": (6, range(6, 8), False),
        "Gt to GtE": (7, range(6, 8), False),
        "3 to 4": (7, range(6, 8), False),
        "4 to 5": (8, range(8, 9), False),
    }


SLUGS = CORE / "settings/slugs.py"


def mutant_of_slugs(line: int, *, at_import: bool = False) -> Mutant:
    return Mutant(SLUGS, 0, 0, "", line, range(line, line + 1), at_import)


def baseline() -> Baseline:
    """Tests of slugs and of the router, which imports slugs, and a test of neither."""
    slugs, router, other = (
        f"tests/core/{name}.py"
        for name in ("settings/test_slugs", "server/test_router", "test_other")
    )
    graph = ImportGraph()
    graph.add_module("tests.core.test_other")
    for importer, imported in (
        ("tests.core.settings.test_slugs", "addons.core.settings.slugs"),
        ("tests.core.server.test_router", "addons.core.server.router"),
        ("addons.core.server.router", "addons.core.settings.slugs"),
    ):
        graph.add_import(importer=importer, imported=imported)
    ran = {
        f"{SLUGS}:3": [f"{router}::a", f"{slugs}::a"],
        f"{SLUGS}:5": [COLLECTING, f"{router}::a"],
    }
    seconds = {
        slugs: {f"{slugs}::a": 9.0, f"{slugs}::b": 1.0},
        router: {f"{router}::a": 1.0},
        other: {},
    }
    return Baseline(ran, seconds, graph)


def test_tests_that_ran_the_line_run_the_mirror_first() -> None:
    mirror, others = baseline().batches(mutant_of_slugs(3))
    assert (mirror.files, mirror.tests) == (
        ["tests/core/settings/test_slugs.py"],
        {"tests/core/settings/test_slugs.py::a": 9.0},
    )
    assert set(mirror.others) == {"tests/core/settings/test_slugs.py::b"}
    assert others.files == ["tests/core/server/test_router.py"]


def test_mutant_of_a_line_that_no_test_ran_has_no_tests() -> None:
    assert baseline().batches(mutant_of_slugs(4)) == []


def test_line_that_ran_during_collection_runs_the_tests_of_all_importers() -> None:
    mirror, others = baseline().batches(mutant_of_slugs(5))
    assert len(mirror.tests) == 2
    assert others.files == ["tests/core/server/test_router.py"]


def test_mutant_at_import_runs_the_tests_of_indirect_importers() -> None:
    mirror, others = baseline().batches(mutant_of_slugs(4, at_import=True))
    assert len(mirror.tests) == 2
    assert not mirror.others
    assert others.files == ["tests/core/server/test_router.py"]


def test_tally_reports_each_survivor_and_the_share_of_killed_mutants(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = Tally()
    for killed in (True, True, True, False):
        tally.add(mutant_of_slugs(3), killed=killed)
    assert capsys.readouterr().out == "survived: addons/core/settings/slugs.py:3: \n"
    assert tally.report().splitlines() == [
        "     1 of    4 survived in addons/core/settings/slugs.py",
        "4 tried, 3 killed: 75.0 %",
    ]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.mutation", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_run_kills_a_mutant_that_a_test_detects() -> None:
    done = run(
        "--sample",
        "6",
        "--tests",
        "tests/core/settings/test_slugs.py",
        "--",
        "addons/core/settings/slugs.py",
    )
    found = re.search(r"^6 tried, (\d) killed", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    assert int(found[1]) == 6 - done.stdout.count("survived: ") > 0


def test_run_reports_mutants_that_no_test_detects() -> None:
    done = run(
        "--sample",
        "6",
        "--tests",
        "tests/core/telemetry/test_prices.py",
        "--",
        "addons/core/settings/slugs.py",
    )
    assert done.returncode == 1
    assert done.stdout.count("survived: addons/core/settings/slugs.py:") == 6
    assert "6 tried, 0 killed: 0.0 %" in done.stdout


def test_nothing_is_counted_when_a_test_fails_without_a_mutant(tmp_path: Path) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_it():\n    assert 1 == 2\n")
    done = run("--sample", "6", "--tests", str(failing), "--", "addons/core/settings/slugs.py")
    assert done.returncode == 1
    assert "a test fails without a mutant" in done.stdout
    assert "tried" not in done.stdout
