"""The mutants of a module: every single change that a test should detect, and the code with that change.

Not mutated is what no test can or should detect: docstrings, annotations, imports, decorators, `__slots__`, and prose,
which is any string with a blank inside and the literal text of f-strings.
Never does: write a file. Invariant: the same source has the same mutants in the same order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Break: ast.Continue, ast.Continue: ast.Break,
}  # fmt: skip
_TYPE_FIELDS = frozenset({"annotation", "returns", "decorator_list", "type_params", "bases"})
_NAME_LISTS = frozenset({"__slots__", "__all__", "__match_args__"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module."""

    module: Path
    node: int
    """Index into `_mutable_nodes`."""
    choice: int
    """Index into the changes of that node."""
    change: str
    line: int
    lines: range
    """The lines of the enclosing statement: a test that runs the change has run one of them."""
    at_import: bool
    """Whether importing the module runs the change, rather than a call."""


@dataclass(frozen=True, slots=True)
class _MutableNode:
    node: ast.AST
    lines: range
    at_import: bool


def mutants_of(module: Path) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    for number, found in enumerate(_mutable_nodes(_parsed(module), range(0), at_import=True)):
        for choice, (change, _) in enumerate(_changes_of(found.node)):
            line = getattr(found.node, "lineno", found.lines.start)
            yield Mutant(module, number, choice, change, line, found.lines, found.at_import)


def code_of(mutant: Mutant) -> CodeType:
    """Return the code of the module with the change in it."""
    tree = _parsed(mutant.module)
    nodes = list(_mutable_nodes(tree, range(0), at_import=True))
    old = nodes[mutant.node].node
    _, new = list(_changes_of(old))[mutant.choice]
    _Replace(old, new).visit(tree)
    return compile(ast.fix_missing_locations(tree), mutant.module, "exec", dont_inherit=True)


class _Replace(ast.NodeTransformer):
    """Replaces one node by another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old = old
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._old:
            return ast.copy_location(self._new, node)
        return self.generic_visit(node)


def _parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def _mutable_nodes(node: ast.AST, lines: range, *, at_import: bool) -> Iterator[_MutableNode]:
    """Yield a node and every descendant that runs and whose change a test can detect."""
    yield _MutableNode(node, lines, at_import)
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for name, child in _children(node):
        if not _is_undetectable(child):
            inner = _lines_of(child) if isinstance(child, ast.stmt) else lines
            in_body = is_function and name == "body"
            yield from _mutable_nodes(child, inner, at_import=at_import and not in_body)


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    hidden = _TYPE_FIELDS | ({"keywords"} if isinstance(node, ast.ClassDef) else set())
    for name, value in ast.iter_fields(node):
        if name in hidden:
            continue
        for child in value if isinstance(value, list) else (value,):
            is_prose = isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)
            if isinstance(child, ast.AST) and not is_prose:
                yield name, child


def _lines_of(statement: ast.stmt) -> range:
    """Return the lines of a statement without its nested statements."""
    last = statement.end_lineno or statement.lineno
    match statement:
        case ast.Match(cases=[first, *_]):
            last = first.pattern.lineno - 1
        case _ if body := getattr(statement, "body", None):
            last = body[0].lineno - 1
    return range(statement.lineno, max(last, statement.lineno) + 1)


def _is_undetectable(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.TypeAlias() | ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) if name in _NAME_LISTS:
            return True
        case ast.Subscript(value=ast.Name(id="Literal")):
            return True
    return False


def _changes_of(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield the changes of a node: a description and the new node."""
    match node:
        case ast.Compare() | ast.BoolOp() | ast.BinOp() | ast.AugAssign():
            yield from _with_other_operator(node)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not dropped", operand
        case ast.If() | ast.While() | ast.IfExp():
            yield from _with_other_test(node)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return None", ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield "call dropped", ast.Pass()
        case ast.Break() | ast.Continue():
            other = _OPERATORS[type(node)]
            yield f"{type(node).__name__} to {other.__name__}", other()
        case ast.Constant(value=value):
            for changed in _other_constants(value):
                yield f"{value!r} to {changed!r}", ast.Constant(changed)


def _with_other_operator(
    node: ast.Compare | ast.BoolOp | ast.BinOp | ast.AugAssign,
) -> Iterator[tuple[str, ast.AST]]:
    operators: list[ast.AST] = [*node.ops] if isinstance(node, ast.Compare) else [node.op]
    for at, operator in enumerate(operators):
        if other := _OPERATORS.get(type(operator)):
            changed = [*operators[:at], other(), *operators[at + 1 :]]
            new = {"ops": changed} if isinstance(node, ast.Compare) else {"op": changed[0]}
            yield f"{type(operator).__name__} to {other.__name__}", _with(node, new)


def _with(node: ast.AST, new: Mapping[str, object]) -> ast.AST:
    return type(node)(**{**dict(ast.iter_fields(node)), **new})


def _with_other_test(node: ast.If | ast.While | ast.IfExp) -> Iterator[tuple[str, ast.AST]]:
    """Yield the negated condition, unless another change of the condition is equivalent."""
    match node.test:
        case ast.UnaryOp(op=ast.Not()) | ast.Compare(ops=[ast.Eq() | ast.NotEq()]):
            return
        case ast.Compare(ops=[ast.In() | ast.NotIn() | ast.Is() | ast.IsNot()]):
            return
    yield "condition negated", _with(node, {"test": ast.UnaryOp(ast.Not(), node.test)})


def _other_constants(value: object) -> Iterator[bool | float | str | bytes]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
    elif isinstance(value, str) and not _is_prose(value):
        yield f"{value}XX"
    elif isinstance(value, bytes):
        yield value + b"XX"


def _is_prose(text: str) -> bool:
    return len(text.split()) > 1
