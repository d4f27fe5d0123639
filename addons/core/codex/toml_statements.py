"""Splits TOML text into statements without losing a byte.

A library that serialises TOML moves or loses what its model does not hold. Here a file is a list of statements whose
texts join to the original, so removing what was inserted restores the old bytes.

Never does: interpret a value, or validate a file (`tomllib` does). Invariant: the joined texts of the statements are
the input.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

Path = tuple[str, ...]

_TRIVIA = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")
_HEADER = re.compile(r"[ \t]*\[\[?")
_REST_OF_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_KEY = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)')[ \t]*(\.?)""")
_EQUALS = re.compile(r"=")
_TOKEN = re.compile(r"\"\"\"|'''|\"|'|#[^\n]*|[\[{]|[\]}]|\n")
_NEW_ESCAPE = re.compile(r"((?<!\\)(?:\\\\)*)\\(e|x[0-9A-Fa-f]{2})")
_STRING_ENDS = {
    '"""': re.compile(r'(?:[^\\]|\\.)*?"""(?:"{0,2})', re.DOTALL),
    "'''": re.compile(r"(?:.*?)'''(?:'{0,2})", re.DOTALL),
    '"': re.compile(r'(?:[^"\\\n]|\\.)*"'),
    "'": re.compile(r"[^'\n]*'"),
}


class StatementKind(Enum):
    """The kind of a statement."""

    TRIVIA = auto()
    """A blank line or a comment."""
    HEADER = auto()
    VALUE = auto()


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with its line end. `path` is the full path of the table or the value."""

    text: str
    kind: StatementKind = StatementKind.TRIVIA
    path: Path = ()
    table: Path = ()
    """The enclosing table; empty for the root."""


class TomlTextError(ValueError):
    """The text cannot be split into statements. The message names the line."""


def split_statements(text: str) -> list[Statement]:
    """Split a text without byte order mark into statements. Raises TomlTextError."""
    return list(_statements(text))


def _statements(text: str) -> Iterator[Statement]:
    at, table = 0, Path()
    while at < len(text):
        if (trivia := _TRIVIA.match(text, at)) and trivia.end() > at:
            end = trivia.end()
            yield Statement(text[at:end], table=table)
        elif header := _HEADER.match(text, at):
            table, after = _key(text, header.end())
            end = _line_end(text, after)
            yield Statement(text[at:end], StatementKind.HEADER, table, table)
        else:
            key, after = _key(text, at)
            end = _value_end(text, after)
            yield Statement(text[at:end], StatementKind.VALUE, (*table, *key), table)
        at = end


def _key(text: str, at: int) -> tuple[Path, int]:
    parts: list[str] = []
    while part := _KEY.match(text, at):
        bare, basic, literal, dot = part.groups()
        parts.append(bare or (literal if basic is None else _unescaped(basic)) or "")
        at = part.end()
        if not dot:
            return tuple(parts), at
    raise _error(text, at)


def _unescaped(basic: str) -> str:
    if "\\" not in basic:
        return basic
    try:
        value: str = tomllib.loads(f'k = "{basic}"')["k"]
    except tomllib.TOMLDecodeError:
        return basic
    return value


def _line_end(text: str, at: int) -> int:
    rest = _REST_OF_LINE.match(text, at)
    return rest.end() if rest else len(text)


def _value_end(text: str, at: int) -> int:
    if not _EQUALS.match(text, at):
        raise _error(text, at)
    depth, start = 0, at
    while token := _TOKEN.search(text, at):
        at, what = token.end(), token.group()
        if what == "\n" and depth == 0:
            return at
        if what in _STRING_ENDS:
            closed = _STRING_ENDS[what].match(text, at)
            if not closed:
                raise _error(text, start)
            at = closed.end()
        depth += (what in "[{") - (what in "]}")
    if depth:
        raise _error(text, start)
    return len(text)


def to_toml_1_0(text: str) -> str:
    """Return the same values as TOML 1.0, for `tomllib`; Codex reads 1.1. Only for parsing, never for writing.

    TOML 1.1 allows line feeds, comments and a trailing comma in inline tables, and two more escapes.
    Raises TomlTextError.
    """
    pieces: list[str] = []
    brackets: list[str] = []
    at = 0
    while token := _TOKEN.search(text, at):
        inside = "{" in brackets
        between, what, start = text[at : token.start()], token.group(), token.start()
        pieces.append(between.replace("\r", "") if inside else between)
        at = token.end()
        if what in _STRING_ENDS:
            closed = _STRING_ENDS[what].match(text, at)
            if not closed:
                raise _error(text, start)
            at = closed.end()
            pieces.append(_escaped(text[start:at]))
            continue
        if what in "[{":
            brackets.append(what)
        elif what in "]}" and brackets:
            brackets.pop()
        pieces.append(_on_one_line(what, pieces) if inside else what)
    return "".join([*pieces, text[at:]])


def _on_one_line(what: str, pieces: list[str]) -> str:
    if what == "\n" or what.startswith("#"):
        return " "
    if what == "}":
        written = "".join(pieces).rstrip()
        pieces[:] = [written.removesuffix(",")]
    return what


def _escaped(text: str) -> str:
    if text.startswith("'"):
        return text
    return _NEW_ESCAPE.sub(
        lambda m: m[1] + ("\\u001b" if m[2] == "e" else f"\\u00{m[2][1:]}"), text
    )


def _error(text: str, at: int) -> TomlTextError:
    line = text.count("\n", 0, at) + 1
    return TomlTextError(f"line {line} is not TOML that codex-shim can read")
