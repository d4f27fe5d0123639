"""A class whose methods are compiled later is the class that `dataclasses` makes at once."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import operator
import pickle
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import FunctionType, ModuleType
from typing import Any

import pytest

from addons.adapters.system.dataclass_methods import (
    FORMS,
    UncompiledMethod,
    compile_methods_at_first_use,
    compile_own,
)

pytestmark = pytest.mark.skipif(sys.version_info[:2] not in FORMS, reason="another form of source")
SOURCE = """
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import ClassVar

@dataclass
class Plain:
    '''Documented.'''
    a: int
    b: str = "b"
    c: list[int] = field(default_factory=list)

@dataclass(frozen=True, slots=True)
class Frozen:
    a: int
    b: tuple[int, ...] = (1, 2)
    c: str = field(default="hidden", repr=False, compare=False)
    kept: ClassVar[int] = 3

@dataclass(frozen=True, slots=True, order=True)
class Ordered:
    a: int
    b: int = 0

@dataclass(slots=True, unsafe_hash=True, kw_only=True)
class Named:
    a: int
    b: int = field(default=2, kw_only=False)

@dataclass(eq=False, repr=False)
class Bare:
    a: int

@dataclass
class Checked:
    a: int
    text: InitVar[str] = "t"
    _: KW_ONLY
    b: int = 0
    c: int = field(init=False)
    def __post_init__(self, text):
        self.c = self.a + len(text)

@dataclass(frozen=True, slots=True)
class Derived(Frozen):
    d: int = 4
    def __repr__(self):
        return "own " + Frozen.__repr__(self)

class Child(Frozen):
    def __init__(self, a):
        super().__init__(a + 1)

@dataclass(slots=True)
class Empty:
    pass

@dataclass(frozen=True)
class Recursive:
    children: list[object] = field(default_factory=list)
"""
CALLS: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "Plain": [((1,), {}), ((1, "x", [2]), {}), ((), {"a": 1, "c": [3]}), ((), {}), ((1, 2, 3, 4), {})],
    "Frozen": [((1,), {}), ((2,), {"b": ()}), ((1,), {"c": "other"}), ((), {})],
    "Ordered": [((1,), {}), ((2, 3), {}), ((1, 9), {})],
    "Named": [((), {"a": 1}), ((5,), {"a": 1}), ((1, 2), {})],
    "Bare": [((1,), {})],
    "Checked": [((1,), {}), ((1, "text"), {"b": 2}), ((1, "t", 2), {})],
    "Derived": [((1,), {"d": 2}), ((1, (), "c", 5), {})],
    "Child": [((1,), {})],
    "Empty": [((), {}), ((1,), {})],
    "Recursive": [((), {}), (([1],), {})],
}  # fmt: skip


def made(name: str, *, later: bool, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    with ExitStack() as stack:
        if later:
            stack.enter_context(compile_methods_at_first_use())
        exec(SOURCE, vars(module))  # noqa: S102
    return module


def result(call: Callable[..., object], *args: object, **named: object) -> object:
    try:
        return call(*args, **named)
    except Exception as error:  # noqa: BLE001  its type and text are compared
        return type(error).__name__, str(error)


def text(value: object) -> str:
    return repr(value).split(" at 0x")[0]


def facts(cls: type, instances: list[Any]) -> list[object]:
    """Return what can be seen of a class and of instances of it."""
    found: list[object] = [
        str(inspect.signature(cls)),
        cls.__doc__,
        vars(cls).get("__match_args__"),
    ]
    for one in instances:
        found += [
            result(text, one),
            result(hash, one) if vars(cls).get("__eq__") else 0,
            [result(operator.eq, one, other) for other in [*instances, 1]],
            [result(operator.lt, one, other) for other in instances],
            result(dataclasses.asdict, one),
            text(result(dataclasses.replace, one)),
            text(result(copy.deepcopy, one)),
            result(setattr, one, "a", 7),
            result(delattr, one, "a"),
            result(setattr, one, "new", 7),
        ]
    return found


@pytest.mark.parametrize("name", CALLS)
def test_class_is_the_one_that_is_compiled_at_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for later in (False, True):
        cls = getattr(made("of_dataclasses", later=later, monkeypatch=monkeypatch), name)
        built = [result(cls, *args, **named) for args, named in CALLS[name]]
        instances = [one for one in built if isinstance(one, cls)]
        failures = [one for one in built if not isinstance(one, cls)]
        names = [key for key in vars(cls) if isinstance(getattr(cls, key, None), FunctionType)]
        methods = [
            (key, getattr(cls, key).__qualname__, getattr(cls, key).__annotations__)
            for key in sorted(names)
        ]
        seen.append((failures, facts(cls, instances), methods))
    assert seen[0] == seen[1]


def test_method_is_compiled_when_it_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = made("of_dataclasses", later=True, monkeypatch=monkeypatch).Plain
    assert all(isinstance(vars(cls)[name], UncompiledMethod) for name in ("__init__", "__eq__"))
    assert cls(1) == cls(1)
    assert all(isinstance(vars(cls)[name], FunctionType) for name in ("__init__", "__eq__"))
    assert isinstance(vars(cls)["__repr__"], UncompiledMethod)


def test_pickled_object_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    module = made("of_dataclasses", later=True, monkeypatch=monkeypatch)
    one = module.Frozen(1)
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301


def test_nothing_is_left_in_dataclasses(monkeypatch: pytest.MonkeyPatch) -> None:
    with suppress(ZeroDivisionError), compile_methods_at_first_use():
        assert "exec" in vars(dataclasses)
        raise ZeroDivisionError
    assert "exec" not in vars(dataclasses)
    monkeypatch.setattr("addons.adapters.system.dataclass_methods.FORMS", ())
    with compile_methods_at_first_use():
        assert "exec" not in vars(dataclasses)


@pytest.mark.parametrize(
    "source",
    [
        "def __create_fn__():\n return 5",
        "def __create_fn__():\n def a():\n  return 5\n return a()",
        "__create_fn__ = lambda: 5",
    ],
)
def test_source_of_another_form_is_compiled_at_once(source: str) -> None:
    found: dict[str, Any] = {}
    with compile_methods_at_first_use():
        vars(dataclasses)["exec"](source, {}, found)
    assert found["__create_fn__"]() == 5


def test_constructors_of_this_program_are_compiled_in_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("addons.of_dataclasses", "of_dataclasses"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    with compile_methods_at_first_use() as constructors:
        for name in ("addons.of_dataclasses", "of_dataclasses"):
            vars(sys.modules[name])["__name__"] = name
            exec(SOURCE, vars(sys.modules[name]))  # noqa: S102
    steps = compile_own(constructors)
    next(steps)
    assert (
        len(list(steps))
        == len([one for one in constructors if one.module.startswith("addons")]) - 1
    )
    own, other = (
        vars(sys.modules[name])["Plain"] for name in ("addons.of_dataclasses", "of_dataclasses")
    )
    assert isinstance(vars(own)["__init__"], FunctionType)
    assert isinstance(vars(other)["__init__"], UncompiledMethod)


def test_class_that_is_gone_is_left_out() -> None:
    with compile_methods_at_first_use() as constructors:

        @dataclasses.dataclass
        class Local:
            a: int

    assert not constructors[-1].compile()
    assert Local(1).a == 1
