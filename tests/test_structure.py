"""The layout of the code: each measure finds its planted defect, and none exceeds its bound in this checkout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import structure
from scripts.structure import (
    MAX_FILE_LINES,
    MAX_FLAT_MODULES,
    MAX_FUNCTION_LINES,
    MAX_MODULES_PER_FOLDER,
    Measure,
    Tree,
    measures,
)

TEST = "def test_it() -> None: ...\n"
SOUND = {
    "addons/__init__.py": "",
    "addons/core/__init__.py": "",
    "addons/core/turn.py": "import json\n",
    "addons/core/server/router.py": "from addons.core.turn import Turn\n",
    "shim_cli/app.py": "import addons.core.server.router\n",
    "tests/core/test_turn.py": TEST,
    "tests/core/test_turn_replay.py": TEST,
    "tests/core/server/test_router.py": TEST,
    "tests/shim_cli/test_app.py": TEST,
    "tests/boundary/test_whatever.py": TEST,
}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Tree]:
    """A function that makes a sound tree with these files changed."""

    def make_tree(changes: dict[str, str]) -> Tree:
        for name, text in {**SOUND, **changes}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Tree(tmp_path)

    return make_tree


NAMES = (
    "flat modules in addons/core",
    f"folders of more than {MAX_MODULES_PER_FOLDER} modules",
    "imports between folders that close a cycle",
    "modules without a mirrored test",
    "test files without a module",
    f"files of more than {MAX_FILE_LINES} lines",
    f"functions of more than {MAX_FUNCTION_LINES} lines",
)


@pytest.fixture(scope="module")
def found() -> dict[str, Measure]:
    """The measures of this checkout. They read every module, which each worker would do while it collects the tests."""
    return {measure.name: measure for measure in measures(Tree(structure.ROOT))}


@pytest.mark.parametrize("name", NAMES)
def test_measure_is_within_its_bound(found: dict[str, Measure], name: str) -> None:
    assert not found[name].exceeded, "\n".join(found[name].members)


def test_every_measure_has_a_test(found: dict[str, Measure]) -> None:
    assert tuple(found) == NAMES


def test_sound_tree_exceeds_no_bound(make: Callable[..., Tree]) -> None:
    assert [measure.name for measure in measures(make({})) if measure.exceeded] == []


@pytest.mark.parametrize(
    ("name", "changes", "members"),
    [
        (
            "flat modules in addons/core",
            {f"addons/core/m{n}.py": "" for n in range(MAX_FLAT_MODULES)},
            [*(f"addons/core/m{n}.py" for n in range(MAX_FLAT_MODULES)), "addons/core/turn.py"],
        ),
        (
            f"folders of more than {MAX_MODULES_PER_FOLDER} modules",
            {f"addons/core/server/m{n}.py": "" for n in range(MAX_MODULES_PER_FOLDER)},
            [f"addons/core/server: {MAX_MODULES_PER_FOLDER + 1}"],
        ),
        (
            f"files of more than {MAX_FILE_LINES} lines",
            {"addons/core/turn.py": "\n" * (MAX_FILE_LINES + 1)},
            [f"addons/core/turn.py: {MAX_FILE_LINES + 1}"],
        ),
        (
            f"functions of more than {MAX_FUNCTION_LINES} lines",
            {"addons/core/turn.py": "class C:\n    async def f():\n" + "        1\n" * MAX_FUNCTION_LINES},
            [f"addons/core/turn.py:2 f: {MAX_FUNCTION_LINES + 1}"],
        ),
        (
            "test files without a module",
            {"tests/core/test_turnover.py": TEST, "tests/core/server/test_gone.py": TEST},
            ["tests/core/server/test_gone.py", "tests/core/test_turnover.py"],
        ),
    ],
)  # fmt: skip
def test_planted_defect_is_found(
    make: Callable[..., Tree], name: str, changes: dict[str, str], members: list[str]
) -> None:
    exceeded = {one.name: one.members for one in measures(make(changes)) if one.exceeded}
    assert sorted(exceeded[name]) == members


@pytest.mark.parametrize(
    "statement",
    [
        "from addons.core.server.router import Router",
        "from addons.core.server import router",
        "import addons.core.server.router as router",
        "def late():\n    from addons.core.server import router",
    ],
)
def test_import_cycle_between_folders_is_found(make: Callable[..., Tree], statement: str) -> None:
    tree = make({"addons/core/turn.py": statement})
    assert structure.folders_in_cycles(tree) == [
        "addons/core imports addons/core/server",
        "addons/core/server imports addons/core",
    ]


def test_import_cycle_of_three_folders_is_found(make: Callable[..., Tree]) -> None:
    tree = make(
        {
            "addons/core/turn.py": "from addons.views.page import Page",
            "addons/views/page.py": "import addons.proxy.addon",
            "addons/proxy/addon.py": "from addons.core import turn",
        }
    )
    assert structure.folders_in_cycles(tree) == [
        "addons/core imports addons/views",
        "addons/proxy imports addons/core",
        "addons/views imports addons/proxy",
    ]


def test_import_from_a_package_counts_as_its_folder(make: Callable[..., Tree]) -> None:
    tree = make({"addons/views/page.py": "from addons.core import VERSION"})
    assert structure.folder_graph(tree)[Path("addons/views")] == {Path("addons/core")}


def test_modules_of_one_folder_form_no_cycle(make: Callable[..., Tree]) -> None:
    tree = make(
        {
            "addons/core/turn.py": "from addons.core.routes import Route",
            "addons/core/routes.py": "from addons.core.turn import Turn",
        }
    )
    assert structure.folders_in_cycles(tree) == []


@pytest.mark.parametrize("text", [None, "", "# nothing\n", "def helper(): ...\n"])
def test_module_without_a_test_is_found(make: Callable[..., Tree], text: str | None) -> None:
    tree = make({})
    mirror = tree.root / "tests/core/test_turn.py"
    mirror.unlink() if text is None else mirror.write_text(text)
    assert structure.unmirrored_modules(tree) == [
        "addons/core/turn.py (expected tests/core/test_turn.py)"
    ]


@pytest.mark.parametrize(
    ("module", "test"),
    [
        ("addons/core/turn.py", "tests/core/test_turn.py"),
        ("addons/core/server/router.py", "tests/core/server/test_router.py"),
        ("shim_cli/doctor/codex.py", "tests/shim_cli/doctor/test_codex.py"),
        ("addons/codex_shim.py", "tests/proxy/test_script.py"),
    ],
)
def test_test_file_mirrors_the_path_of_its_module(module: str, test: str) -> None:
    assert structure.test_file(Path(module)) == Path(test)


def test_every_exception_from_the_mirror_exists() -> None:
    for module in structure.MIRROR_EXCEPTIONS:
        assert (structure.ROOT / module).is_file()


@pytest.mark.parametrize(("changes", "code"), [({}, 0), ({"addons/core/lost.py": ""}, 1)])
def test_exit_status_and_report_name_what_exceeds_its_bound(
    make: Callable[..., Tree],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    code: int,
) -> None:
    monkeypatch.setattr(structure, "ROOT", make(changes).root)
    assert structure.main() == code
    assert ("       addons/core/lost.py (expected" in capsys.readouterr().out) is bool(code)
