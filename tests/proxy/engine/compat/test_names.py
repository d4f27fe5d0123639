"""The two tables of names: each row is looked at, and the engine uses no private name that is not in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy.proxy.layers import http
from mitmproxy.utils import asyncio_utils

from addons.proxy import engine
from addons.proxy.engine.compat import names

ENGINE = Path(engine.__path__[0])


def test_installed_packages_have_every_name() -> None:
    assert names.differences() == []


def test_each_callable_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "ATTRIBUTES", ())
    for module, name, parameters in names.CALLABLES:
        monkeypatch.setattr(names, "CALLABLES", ((module, f"{name}_gone", parameters),))
        assert names.differences() == [f"{module}.{name}_gone (missing)"]
        monkeypatch.setattr(names, "CALLABLES", ((module, name, "of_another_version"),))
        assert names.differences() == [f"{module}.{name} (no parameter of_another_version)"]


def test_each_attribute_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "CALLABLES", ())
    for module, name, attributes in names.ATTRIBUTES:
        gone = " ".join(f"{attribute}_gone" for attribute in attributes.split())
        monkeypatch.setattr(names, "ATTRIBUTES", ((module, name, gone),))
        expected = [f"{module}.{name}.{one} (missing)" for one in gone.split()]
        assert names.differences() == expected


def test_missing_class_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "CALLABLES", ())
    monkeypatch.setattr(names, "ATTRIBUTES", (("mitmproxy.flow", "Flows", "id"),))
    assert names.differences() == ["mitmproxy.flow.Flows (missing)"]


def test_missing_module_is_reported_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "CALLABLES", (("mitmproxy.no_such_module", "Name.method", ""),))
    monkeypatch.delattr(http, "SendHttp")
    assert names.differences() == ["mitmproxy.no_such_module (cannot be imported)"]


def test_changed_signature_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_task(coro: object, *, label: str) -> None:
        raise AssertionError(coro, label)

    monkeypatch.setattr(asyncio_utils, "create_task", create_task)
    name = "mitmproxy.utils.asyncio_utils.create_task"
    assert names.differences() == [f"{name} (no parameter name, keep_ref)"]


def test_name_that_is_no_callable_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SendHttp", ())
    assert names.differences() == ["mitmproxy.proxy.layers.http.SendHttp (not callable)"]


def _modules() -> Iterator[ast.Module]:
    for path in ENGINE.rglob("*.py"):
        if "compat" not in path.parts:
            yield ast.parse(path.read_text())


def _own_names(modules: list[ast.Module]) -> set[str]:
    own: set[str] = set()
    for node in (node for module in modules for node in ast.walk(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            own |= {_name(target) for target in targets}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            own.add(node.value)  # in __slots__
    return own


def _name(target: ast.expr) -> str:
    match target:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def test_no_private_name_of_others_is_used_unchecked() -> None:
    modules = list(_modules())
    assert len(modules) > 20
    used = {
        node.attr
        for module in modules
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr[1] != "_"
    }
    checked = {one for row in names.ATTRIBUTES for one in row[2].split()}
    checked |= {row[1].rpartition(".")[2] for row in names.CALLABLES}
    assert used - _own_names(modules) <= checked
    assert {"_buffer", "_bytes_to_discard", "_resume_event"} <= used & checked
