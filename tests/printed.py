"""Finds the command lines that the product prints for the user to type: in messages, help texts, errors and pages.

A text is a string of the source, not a docstring; a value in an f-string stands in it as `{expression}`. A command line is a
text in backquotes that begins with a known program, what follows `codex-shim` up to the end of the sentence, a whole text
that begins with another program, and a call of `command`, which adds the port.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
OTHER_PROGRAMS = (
    "codex", "cursor-agent", "curl", "ls", "mitmdump", "mitmweb", "ollama", "pip", "pipx", "ssh", "unset", "export", "printenv",
    "uv", "uvx", "systemctl", "launchctl", "schtasks", "brew", "npm", "tail", "chmod", "kill",
    "vllm", "lms", "llama-server", "attrib", "icacls", "notepad",
)  # fmt: skip
NOT_PRINTED = {
    "shim_cli/console/command_line.py": "it makes the command lines of `command(…)`",
    "shim_cli/state/processes.py": "it reads the command lines of processes",
}
BLOCK_MARKS = ("codex-shim previous", "codex-shim managed", "codex-shim >>>", "codex-shim <<<")
_QUOTED = re.compile(r"`([^`\n]+)`")
_OWN = re.compile(r"(?<![\w./'\"-])codex-shim (?=(\S[^\n]*))")
_OTHER = re.compile(rf"(?:^|: |:\n *)((?:{'|'.join(OTHER_PROGRAMS)}) [^\n]*)")
_END = re.compile(r"(?<! )[.,;:)](?: |$)|\s{2,}|</\w+>")


@dataclass(frozen=True, slots=True, order=True)
class Printed:
    """One command line, with its placeholders. `is_quoted`: it is in backquotes, so no sentence of prose."""

    line: str
    where: str
    is_quoted: bool


@cache
def printed() -> tuple[Printed, ...]:
    """Return every command line of the sources and the pages. It reads all of them: not for a module's top level."""
    found = [
        each
        for package in ("addons", "shim_cli")
        for path in sorted(ROOT.glob(f"{package}/**/*.py"))
        if str(path.relative_to(ROOT)) not in NOT_PRINTED
        for number, text in texts(ast.parse(path.read_text()))
        for each in lines_in(text, f"{path.relative_to(ROOT)}:{number}")
    ]
    pages = (path for path in ROOT.glob("addons/data/*") if path.suffix in {".html", ".js"})
    for path in pages:
        found += lines_in(path.read_text(), str(path.relative_to(ROOT)))
    return tuple(sorted(set(found)))


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each string that is no docstring, and of each call of `command`."""
    nodes = [*ast.walk(tree)]
    skipped = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(value) for value in ast.walk(node) if isinstance(value, ast.Constant)}
            yield node.lineno, "".join(_piece(value) for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in skipped:
                yield node.lineno, node.value
        elif isinstance(node, ast.Call) and _is_named(node.func, "command"):
            yield from (
                (node.lineno, f"codex-shim {name} --port {{port}}") for name in _names(node.args[0])
            )


def lines_in(text: str, where: str) -> Iterator[Printed]:
    """Yield the command lines of one text."""
    programs = ("codex-shim", *OTHER_PROGRAMS)
    for quoted in _QUOTED.findall(text):
        if quoted.split(" ")[0] in programs and " " in quoted:
            yield Printed(quoted, where, is_quoted=True)
    rest = _QUOTED.sub("`", text)
    if any(mark in rest for mark in BLOCK_MARKS):
        return
    for found in _OWN.findall(rest):
        yield Printed(f"codex-shim {_sentence(found)}", where, is_quoted=False)
    for found in _OTHER.findall(rest):
        yield Printed(_sentence(found), where, is_quoted=False)


def _sentence(text: str) -> str:
    end = _END.search(text)
    return text[: end.start()] if end else text


def _piece(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    assert isinstance(value, ast.FormattedValue)
    return "{" + ast.unparse(value.value) + "}"


def _is_named(function: ast.expr, name: str) -> bool:
    return isinstance(function, ast.Name) and function.id == name


def _names(node: ast.expr) -> Iterator[str]:
    """Yield the names that the first argument of `command` may have."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
