"""The mutation run: what it changes and what it leaves alone, whom it asks, and that it tells a survivor from a kill."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from grimp import ImportGraph

from scripts.mutants import Mutant, code_of, mutants_of
from scripts.mutation import Seen, Tally
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
def test_what_is_changed(text: str, changes: list[str], tmp_path: Path) -> None:
    assert [mutant.what for mutant in mutants(tmp_path, text)] == changes


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
        "a = 'words for people'",
        "a = f'text of {b} and more'",
        "a = None",
    ],
)
def test_what_no_test_can_see_is_left_alone(text: str, tmp_path: Path) -> None:
    assert mutants(tmp_path, text) == []


def test_the_code_of_a_mutant_has_its_change_and_no_other(tmp_path: Path) -> None:
    given = []
    for mutant in mutants(tmp_path, "a = 1 + 1\nb = a == 2"):
        names: dict[str, object] = {}
        exec(code_of(mutant), names)  # noqa: S102  what was compiled two lines above
        given.append((names["a"], names["b"]))
    assert given == [(0, False), (3, False), (3, False), (2, False), (2, False)]


def test_a_mutant_knows_its_statement_and_whether_an_import_meets_it(tmp_path: Path) -> None:
    text = "A = (\n    1,\n)\n\ndef f(a=2):\n    if (a and\n            a > 3):\n        return 4\n"
    found = {one.what: (one.line, one.lines, one.at_import) for one in mutants(tmp_path, text)}
    assert found == {
        "1 to 2": (2, range(1, 4), True),
        "2 to 3": (5, range(5, 6), True),
        "condition negated": (6, range(6, 8), False),
        "And to Or": (6, range(6, 8), False),
        "Gt to GtE": (7, range(6, 8), False),
        "3 to 4": (7, range(6, 8), False),
        "4 to 5": (8, range(8, 9), False),
    }


def in_core(line: int, *, at_import: bool = False) -> Mutant:
    return Mutant(CORE / "slugs.py", 0, 0, "", line, range(line, line + 1), at_import)


def seen() -> Seen:
    graph = ImportGraph()
    for test in ("test_slugs", "test_front", "test_far"):
        graph.add_module(f"tests.core.{test}")
    for importer, imported in (("test_slugs", "slugs"), ("test_front", "front")):
        graph.add_import(importer=f"tests.core.{importer}", imported=f"addons.core.{imported}")
    graph.add_import(importer="addons.core.front", imported="addons.core.slugs")
    slugs, front, far = (f"tests/core/test_{name}.py" for name in ("slugs", "front", "far"))
    ran = {
        f"{CORE / 'slugs.py'}:3": [f"{front}::a", f"{slugs}::a"],
        f"{CORE / 'slugs.py'}:5": [COLLECTING, f"{front}::a"],
    }
    return Seen(
        ran,
        {slugs: {f"{slugs}::a": 9.0, f"{slugs}::b": 1.0}, front: {f"{front}::a": 1.0}, far: {}},
        graph,
    )


def test_those_who_ran_the_line_are_asked_the_mirror_first() -> None:
    mirror, others = seen().batches(in_core(3))
    assert (mirror.files, mirror.tests) == (
        ["tests/core/test_slugs.py"],
        {"tests/core/test_slugs.py::a": 9.0},
    )
    assert set(mirror.others) == {"tests/core/test_slugs.py::b"}
    assert others.files == ["tests/core/test_front.py"]


def test_a_line_that_nobody_ran_asks_nobody() -> None:
    assert seen().batches(in_core(4)) == []


def test_what_runs_while_tests_are_collected_asks_all_who_import_it() -> None:
    mirror, others = seen().batches(in_core(5))
    assert len(mirror.tests) == 2
    assert others.files == ["tests/core/test_front.py"]


def test_what_an_import_meets_asks_all_who_import_it_through_others_too() -> None:
    mirror, others = seen().batches(in_core(4, at_import=True))
    assert len(mirror.tests) == 2
    assert not mirror.others
    assert others.files == ["tests/core/test_front.py"]


def test_the_tally_tells_each_survivor_and_the_share(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    for killed in (True, True, True, False):
        tally.add(in_core(3), killed=killed)
    assert capsys.readouterr().out == "survives: addons/core/slugs.py:3: \n"
    assert tally.told().splitlines() == [
        "     1 of    4 survive in addons/core/slugs.py",
        "4 tried, 3 killed: 75.0 %",
    ]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.mutation", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_run_kills_what_its_tests_notice() -> None:
    done = run("--sample", "6", "--tests", "tests/core/test_slugs.py", "--", "addons/core/slugs.py")
    found = re.search(r"^6 tried, (\d) killed", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    assert int(found[1]) == 6 - done.stdout.count("survives: ") > 0


def test_a_run_tells_what_its_tests_do_not_notice() -> None:
    done = run(
        "--sample", "6", "--tests", "tests/core/test_prices.py", "--", "addons/core/slugs.py"
    )
    assert done.returncode == 1
    assert done.stdout.count("survives: addons/core/slugs.py:") == 6
    assert "6 tried, 0 killed: 0.0 %" in done.stdout


def test_nothing_is_counted_when_a_test_fails_without_a_change(tmp_path: Path) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_it():\n    assert 1 == 2\n")
    done = run("--sample", "6", "--tests", str(failing), "--", "addons/core/slugs.py")
    assert done.returncode == 1
    assert "a test fails without any change" in done.stdout
    assert "tried" not in done.stdout
