"""Rules that every file of the product follows, read from its syntax tree. import-linter checks the imports.

Each rule is one test over all files. The size of files and functions is checked by tests/test_structure.py. The files are
parsed and walked once, by the first rule: each worker imports this module, and one of them runs the rules.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SECRETS = "addons/core/secrets.py"
"""`SecretHeader.value_for` calls `reveal`: it checks the origin first."""
VALUE_FOR_CALLERS = {
    "addons/proxy/engine/attempt.py",
    "addons/adapters/codex/backend_models.py",
    "addons/adapters/otel/exporter.py",
}
ERROR_BOUNDARIES = {
    "addons/proxy/addon.py": "mitmproxy logs an exception of a hook and goes on; the flow must be refused instead",
    "addons/proxy/engine/stream.py": "what a plan or translator raises ends its turn, not the connection",
    "addons/proxy/engine/ending.py": "the same, for the steps that end a turn",
    "addons/proxy/engine/layer.py": "what mitmproxy's protocol code raises is answered; otherwise the client waits forever",
    "addons/proxy/engine/http1.py": "the read that failed is given to the layer as an event, which raises inside its boundary",
    "addons/proxy/engine/local_source.py": "a local source runs in a task of its own; its exception must end the turn",
    "addons/adapters/ledger/turn_log.py": "records hold data of upstreams; one that cannot be written must not end the thread",
    "addons/adapters/codex/keyring_entry.py": "a keyring's library has errors of its own; a thread gives them to the reader as a login problem",
    "addons/adapters/hooks/loader.py": "a file of the user may raise anything while it is loaded; the start ends with a text instead",
    "addons/adapters/hooks/worker.py": "a thread gives every exception of a hook to the turn that waits for it",
    "addons/core/hooks/chain.py": "a hook of the user may raise anything; its turn is refused",
    "addons/core/privacy/gate.py": "what the gate cannot mask is not sent",
    "addons/adapters/local/watch.py": "a server sends what nobody foresaw; the watch of the others must go on",
    "addons/proxy/refresh.py": "the same, for the task that watches them: one that has ended asks no more",
    "addons/adapters/otel/texts.py": "a thread passes every exception to the export, through its Future",
    "addons/adapters/system/threads.py": "a thread passes every exception to the caller, through its Future",
    "addons/proxy/engine/mitmproxy_patches/connections.py": "it is raised again inside mitmproxy's own boundary for addons",
    "addons/proxy/engine/mitmproxy_patches/command_pump.py": "it is raised again inside mitmproxy's own boundary for addons",
    "addons/proxy/engine/compat/self_test.py": "a thread passes every exception to the caller; one that is lost would pass the test",
    "addons/proxy/engine/compat/start.py": "a changed mitmproxy may raise anything; the exception is translated, never dropped",
    "shim_cli/commands/serve.py": "the same, between the check at start and the open listener",
}
"""Files that may catch every exception, each with the reason why the possible exceptions are not known."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Nodes = Iterable[ast.AST]


@cache
def files() -> Mapping[str, Sequence[ast.AST]]:
    """Return all nodes of each file, its module first."""
    return {
        path.relative_to(ROOT).as_posix(): [*ast.walk(ast.parse(path.read_text()))]
        for package in ("addons", "shim_cli")
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def uses_of(nodes: Nodes, attribute: str) -> list[int]:
    """Return the lines that name `….attribute`, called or not."""
    return [
        node.lineno for node in nodes if isinstance(node, ast.Attribute) and node.attr == attribute
    ]


def broad_excepts(nodes: Nodes) -> list[int]:
    """Return the lines of handlers that catch every exception and do not raise it again."""
    return [
        node.lineno
        for node in nodes
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _reraises(node)
    ]


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = {n.id for n in ast.walk(handler.type or handler) if isinstance(n, ast.Name)}
    return handler.type is None or bool(caught & {"Exception", "BaseException"})


def _reraises(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def functions(nodes: Nodes) -> Iterator[Function]:
    return (node for node in nodes if isinstance(node, Function))


def files_with_use_of(attribute: str) -> set[str]:
    return {file for file, nodes in files().items() if uses_of(nodes, attribute)}


def test_all_packages_were_found() -> None:
    assert len(files()) > 150
    assert {file.partition("/")[0] for file in files()} == {"addons", "shim_cli"}


def test_every_module_has_a_docstring() -> None:
    modules = {file: nodes[0] for file, nodes in files().items()}
    undocumented = [
        file
        for file, module in modules.items()
        if isinstance(module, ast.Module) and module.body and not ast.get_docstring(module)
    ]
    assert all(isinstance(module, ast.Module) for module in modules.values())
    assert undocumented == []


def test_every_function_has_a_return_type() -> None:
    untyped = [
        f"{file}:{function.lineno} {function.name}"
        for file, nodes in files().items()
        for function in functions(nodes)
        if function.returns is None
    ]
    assert untyped == []


def test_secret_is_revealed_by_one_function() -> None:
    assert files_with_use_of("reveal") == {SECRETS}
    named = [f.name for f in functions(files()[SECRETS]) if uses_of(ast.walk(f), "reveal")]
    assert named == ["value_for"]


def test_plain_value_is_given_to_the_mask_alone() -> None:
    assert files_with_use_of("derive") == {"addons/core/masking/mask.py"}


def test_secret_header_is_read_by_three_callers() -> None:
    assert files_with_use_of("value_for") == VALUE_FOR_CALLERS


def test_field_behind_reveal_is_private_to_its_module() -> None:
    assert files_with_use_of("_value") == {SECRETS}


def test_every_exception_is_caught_only_at_the_error_boundaries() -> None:
    assert {
        file for file, nodes in files().items() if broad_excepts(nodes)
    } == ERROR_BOUNDARIES.keys()


def test_every_environment_variable_is_documented() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    variables = {
        node.value
        for nodes in files().values()
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"CODEX_[A-Z_]+[A-Z]", node.value)
    }
    assert len(variables) > 8
    assert {name for name in variables if f"`{name}`" not in page} == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("try: x\nexcept Exception: y", True),
        ("try: x\nexcept (ValueError, BaseException) as e: y", True),
        ("try: x\nexcept: y", True),
        ("try: x\nexcept BaseException:\n    raise\n    y", True),
        ("try: x\nexcept BaseException as e: raise ValueError from e", True),
        ("try: x\nexcept BaseException:\n    y\n    raise", False),
        ("try: x\nexcept ValueError: y", False),
    ],
)
def test_broad_except_is_recognized(code: str, found: bool) -> None:
    assert bool(broad_excepts(ast.walk(ast.parse(code)))) is found


@pytest.mark.parametrize(
    ("code", "found"),
    [("a.b.reveal()", True), ("map(Secret.reveal, x)", True), ("reveal()", False)],
)
def test_use_of_a_method_is_recognized(code: str, found: bool) -> None:
    assert bool(uses_of(ast.walk(ast.parse(code)), "reveal")) is found
