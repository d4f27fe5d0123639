"""What can be changed in a module, one change at a time, and the code that each change gives.

Left alone, by rule, is what no test could see or should hold: docstrings, annotations and what only types look at,
imports, decorators, `__slots__`; and words for people, which are texts with a blank inside and the text of f-strings.
Never does: write a file. Invariant: the same text of a module has the same mutants in the same order.
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
_FIELDS_OF_TYPES = frozenset({"annotation", "returns", "decorator_list", "type_params", "bases"})
_LISTS_OF_NAMES = frozenset({"__slots__", "__all__", "__match_args__"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change."""

    module: Path
    place: int
    """Which of the nodes that `_places` gives."""
    choice: int
    """Which of the changes of that node."""
    what: str
    line: int
    lines: range
    """The statement around it: who runs the change has run a line of these."""
    at_import: bool
    """Whether the change is met when the module is imported, not when something in it is called."""


@dataclass(frozen=True, slots=True)
class _Place:
    node: ast.AST
    lines: range
    at_import: bool


def mutants_of(module: Path) -> Iterator[Mutant]:
    """Every mutant of a module."""
    for number, place in enumerate(_places(_parsed(module), range(0), at_import=True)):
        for choice, (what, _) in enumerate(_changes_of(place.node)):
            line = getattr(place.node, "lineno", place.lines.start)
            yield Mutant(module, number, choice, what, line, place.lines, place.at_import)


def code_of(mutant: Mutant) -> CodeType:
    """The module with the change in it."""
    tree = _parsed(mutant.module)
    places = list(_places(tree, range(0), at_import=True))
    old = places[mutant.place].node
    _, new = list(_changes_of(old))[mutant.choice]
    _Put(old, new).visit(tree)
    return compile(ast.fix_missing_locations(tree), mutant.module, "exec", dont_inherit=True)


class _Put(ast.NodeTransformer):
    """Puts one node where another one is."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old = old
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._old:
            return ast.copy_location(self._new, node)
        return self.generic_visit(node)


def _parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def _places(node: ast.AST, lines: range, *, at_import: bool) -> Iterator[_Place]:
    """A node, and every one in it that runs and whose change a test could see."""
    yield _Place(node, lines, at_import)
    called = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for name, child in _children(node):
        if not _is_silent(child):
            inner = _lines_of(child) if isinstance(child, ast.stmt) else lines
            later = called and name == "body"
            yield from _places(child, inner, at_import=at_import and not later)


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    hidden = _FIELDS_OF_TYPES | ({"keywords"} if isinstance(node, ast.ClassDef) else set())
    for name, value in ast.iter_fields(node):
        if name in hidden:
            continue
        for child in value if isinstance(value, list) else (value,):
            words = isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)
            if isinstance(child, ast.AST) and not words:
                yield name, child


def _lines_of(statement: ast.stmt) -> range:
    """The lines of a statement, without the statements in it."""
    last = statement.end_lineno or statement.lineno
    match statement:
        case ast.Match(cases=[first, *_]):
            last = first.pattern.lineno - 1
        case _ if body := getattr(statement, "body", None):
            last = body[0].lineno - 1
    return range(statement.lineno, max(last, statement.lineno) + 1)


def _is_silent(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.TypeAlias() | ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) if name in _LISTS_OF_NAMES:
            return True
        case ast.Subscript(value=ast.Name(id="Literal")):
            return True
    return False


def _changes_of(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What a node can be changed to, in words and as a node."""
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
    """Negated, unless the test has a change of its own that does the same."""
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
