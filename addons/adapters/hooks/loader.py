"""Loads hooks: a user's file, an object of an installed package, or an entry point of the group `codex_shim.hooks`.

Never does: look for hooks that nobody named, put a folder on the module path, show a traceback. Invariant: a hook that cannot
be used is a HookLoadError that says what is wrong, where, and what to do.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import CodeType, ModuleType

from addons.core.hooks.chain import FUNCTIONS, Hook
from addons.core.hooks.values import API_VERSION
from addons.core.settings.near_miss import nearest

GROUP = "codex_shim.hooks"
VERSION_NAME = "API_VERSION"
MODULE_PREFIX = "codex_shim_hook_"


class _SourceLoader(SourceFileLoader):
    """Reads a file itself, and never the byte code of what it held when it was loaded before, a second ago say."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class HookLoadError(ValueError):
    """A hook cannot be used. The text is for the user."""


def load_hooks(names: Sequence[str]) -> tuple[Hook, ...]:
    """Load the hooks with these names, in order. Raises HookLoadError."""
    return tuple(_loaded(name, number) for number, name in enumerate(names))


def _loaded(name: str, number: int) -> Hook:
    path = Path(name).expanduser()
    if path.suffix == ".py" or path.is_file() or path.name != name:
        path = path.absolute()
        return _hook_of(_import_file(path, number), path.name, str(path))
    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None and not _is_installed(name):
        raise HookLoadError(_unknown(name))
    module, _, member = (found.value if found else name).partition(":")
    owner: object = _import_module(module, name)
    for part in member.split(".") if member else ():
        owner = _member(owner, part, name)
    if isinstance(owner, type):
        made: list[object] = []
        make = partial(owner)
        _run(lambda: made.append(make()), name)
        owner = made[0]
    return _hook_of(owner, name, getattr(sys.modules[module], "__file__", None) or name)


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name.partition(":")[0].partition(".")[0]) is not None
    except ValueError:
        return False


def _unknown(name: str) -> str:
    known = [*entry_points(group=GROUP).names, *(one.name for one in Path().glob("*.py"))]
    near = nearest(name, known) or nearest(f"{name}.py", known)
    hint = f" Did you mean {near}?" if near else ""
    return (
        f"the hook {name} is no file, and no installed package or entry point of {GROUP}.{hint} "
        "Name a file: --hook codex_shim_hooks.py"
    )


def _import_file(path: Path, number: int) -> ModuleType:
    if not path.is_file():
        near = nearest(path.name, [one.name for one in path.parent.glob("*.py")])
        hint = f" Did you mean {near}?" if near else ""
        msg = f"the hook {path} does not exist or is not a file.{hint} Name a file: --hook codex_shim_hooks.py"
        raise HookLoadError(msg)
    if path.suffix != ".py":
        msg = f"the hook {path} is no Python file. Give its name the ending .py"
        raise HookLoadError(msg)
    loader = _SourceLoader(f"{MODULE_PREFIX}{number}_{path.stem}", str(path))
    spec = ModuleSpec(loader.name, loader, origin=loader.path)
    spec.has_location = True
    module = module_from_spec(spec)
    # dataclasses look their module up
    sys.modules[loader.name] = module
    _run(lambda: loader.exec_module(module), str(path))
    return module


def _import_module(module: str, name: str) -> ModuleType:
    found: list[ModuleType] = []
    _run(lambda: found.append(importlib.import_module(module)), name)
    return found[0]


def _run(run: Callable[[], object], where: str) -> None:
    """Run a user's module. Raises HookLoadError for whatever it raises."""
    try:
        run()
    except SyntaxError as error:
        at = f"{error.filename or where}, line {error.lineno}"
        msg = f"the hook {where} is not valid Python ({at}): {error.msg}. Correct it"
        raise HookLoadError(msg) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  error boundary: a hook that cannot be loaded ends the start
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == where]
        at = f" (line {lines[-1]})" if lines else ""
        msg = (
            f"the hook {where} cannot be imported{at}: {type(error).__name__}: {error}. Correct it"
        )
        raise HookLoadError(msg) from None


def _member(owner: object, part: str, name: str) -> object:
    if hasattr(owner, part):
        return getattr(owner, part)
    near = nearest(part, [one for one in dir(owner) if not one.startswith("_")])
    hint = f" Did you mean {near!r}?" if near else ""
    msg = f"the hook {name} names {part!r}, which does not exist.{hint} Correct the name"
    raise HookLoadError(msg)


def _hook_of(owner: object, name: str, path: str) -> Hook:
    version = getattr(owner, VERSION_NAME, API_VERSION)
    if version != API_VERSION:
        msg = (
            f"the hook {path} is written for version {version!r} of the interface, and this program has version "
            f"{API_VERSION}. Adapt it and change its {VERSION_NAME}, or install the version that it needs"
        )
        raise HookLoadError(msg)
    if wrong := [
        one for one in dir(owner) if one.lower().startswith("on_") and one not in FUNCTIONS
    ]:
        near = nearest(wrong[0], FUNCTIONS)
        hint = f" Did you mean {near}?" if near else f" The functions are {', '.join(FUNCTIONS)}."
        msg = f"the hook {path} has {wrong[0]}, which nothing calls.{hint} Rename it"
        raise HookLoadError(msg)
    functions = {one: getattr(owner, one) for one in FUNCTIONS if hasattr(owner, one)}
    if not functions:
        known = ", ".join(FUNCTIONS)
        msg = f"the hook {path} has none of the functions {known}. Write one of them"
        raise HookLoadError(msg)
    for function, value in functions.items():
        _require_arguments(function, value, path)
    return Hook(name, path=path, **functions)


def _require_arguments(name: str, function: object, path: str) -> None:
    if not callable(function):
        msg = f"{name} of the hook {path} is no function. Make it one"
        raise HookLoadError(msg)
    try:
        inspect.signature(function).bind(*range(FUNCTIONS[name]))
    except TypeError:
        arguments = "(turn)" if FUNCTIONS[name] == 1 else f"(turn, {name.removeprefix('on_')})"
        msg = f"{name} of the hook {path} does not take {arguments}. Change its arguments"
        raise HookLoadError(msg) from None
    except ValueError:
        # a function in C, which tells nothing of its arguments
        return
