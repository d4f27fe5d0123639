"""Hooks are loaded from files and packages, or it is said why not."""

from __future__ import annotations

import os
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from addons.adapters.hooks import loader
from addons.adapters.hooks.loader import HookLoadError, load_hooks

GOOD = (
    "from addons.hooks import Turn\nAPI_VERSION = 1\ndef on_turn(turn: Turn) -> Turn: return turn\n"
)


def test_file_is_loaded_with_its_functions(tmp_path: Path) -> None:
    file = tmp_path / "codex_shim_hooks.py"
    file.write_text(GOOD + "async def on_end(turn, end): pass\n")
    (hook,) = load_hooks([str(file)])
    assert (hook.name, hook.path) == ("codex_shim_hooks.py", str(file))
    assert hook.on_turn
    assert hook.on_event is None
    assert str(tmp_path) not in sys.path


def test_order_is_that_of_the_names_and_a_file_may_be_loaded_twice(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(GOOD)
    hooks = load_hooks([str(tmp_path / f"{name}.py") for name in "baa"])
    assert [hook.name for hook in hooks] == ["b.py", "a.py", "a.py"]
    assert hooks[1] != hooks[2]


def test_file_may_hold_dataclasses(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    b: int\n"
        + GOOD.partition("\n")[2].replace(": Turn", "").replace(" -> Turn", "")
    )
    assert load_hooks([str(tmp_path / "a.py")])


BAD = {
    "def on_turns(turn): pass": "has on_turns, which nothing calls. Did you mean on_turn? Rename it",
    "def on_request(turn): pass": "The functions are on_turn, on_event, on_end.",
    "def On_Turn(turn): pass": "Did you mean on_turn?",
    "def turn(turn): pass": "has none of the functions on_turn, on_event, on_end. Write one of them",
    "API_VERSION = 2\n" + GOOD.replace("API_VERSION = 1\n", ""): "is written for version 2 of the interface, and this program has version 1",
    "import no_such_module": "(line 1): ModuleNotFoundError: No module named 'no_such_module'. Correct it",
    "x = 1\nraise SystemExit": "(line 2): SystemExit",
    "def on_turn(turn:": "line 1): '(' was never closed. Correct it",
    "def on_event(event): pass": "on_event of the hook *.py does not take (turn, event)",
    "def on_turn(turn, more): pass": "does not take (turn)",
    "on_turn = 7": "on_turn of the hook *.py is no function",
}  # fmt: skip


def test_file_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    for text, expected in BAD.items():
        file.write_text(text)
        with pytest.raises(HookLoadError) as caught:
            load_hooks([str(file)])
        message = str(caught.value)
        assert message.startswith(("the hook ", "on_"))
        assert str(file) in message
        assert expected in message.replace(str(file), "*.py"), (text, message)
        assert "Traceback" not in message


def test_name_of_nothing_gets_a_suggestion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "codex_shim_hooks.py").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    for name in ("codex_shim_hook.py", "codex_shim_hooks"):
        with pytest.raises(HookLoadError, match=r"Did you mean codex_shim_hooks\.py\?"):
            load_hooks([name])
    with pytest.raises(HookLoadError, match=r"Name a file: --hook codex_shim_hooks\.py"):
        load_hooks(["nothing.like.it"])
    (tmp_path / "text").write_text(GOOD)
    with pytest.raises(HookLoadError, match=r"is no Python file"):
        load_hooks(["./text"])


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of an installed package."""
    (tmp_path / "my_hooks").mkdir()
    (tmp_path / "my_hooks" / "__init__.py").write_text("")
    (tmp_path / "my_hooks" / "masking.py").write_text(
        GOOD + "class Hooks:\n    def on_event(self, turn, event): return event\nother = Hooks()\n"
        "class Broken(Hooks):\n    def __init__(self): raise ValueError('no')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("my_hooks", "my_hooks.masking"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "my_hooks.masking"


def test_modules_objects_and_classes_of_packages_are_loaded(package: str) -> None:
    module, cls, instance = load_hooks([package, f"{package}:Hooks", f"{package}:other"])
    assert module.on_turn
    assert cls.on_event
    assert instance.on_event
    assert cls.path.endswith("masking.py")
    with pytest.raises(
        HookLoadError, match=r"names 'Hoks', which does not exist. Did you mean 'Hooks'"
    ):
        load_hooks([f"{package}:Hoks"])
    with pytest.raises(HookLoadError, match="ValueError: no"):
        load_hooks([f"{package}:Broken"])
    with pytest.raises(HookLoadError, match=r"No module named 'my_hooks\.none'"):
        load_hooks(["my_hooks.none"])


def test_entry_point_is_a_short_name(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("masking", f"{package}:Hooks", loader.GROUP)

    def entry_points(**wanted: Any) -> EntryPoints:
        return EntryPoints([point]).select(**wanted)

    monkeypatch.setattr(loader, "entry_points", entry_points)
    (hook,) = load_hooks(["masking"])
    assert (hook.name, bool(hook.on_event)) == ("masking", True)
    with pytest.raises(HookLoadError, match=r"Did you mean masking\?"):
        load_hooks(["maskng"])


def test_file_that_was_changed_within_a_second_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "hook.py"
    for name in ("on_turn", "on_evnt", "on_end "):
        file.write_text(f"def {name}(*_): pass")
        os.utime(file, (1_700_000_000, 1_700_000_000))
        if name == "on_evnt":
            with pytest.raises(HookLoadError, match="on_evnt"):
                load_hooks([str(file)])
            continue
        [hook] = load_hooks([str(file)])
        assert (hook.on_turn is None) == (name != "on_turn")
    assert list(tmp_path.iterdir()) == [file]
