"""Splitting TOML into statements, and the conversion to TOML 1.0."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.toml_statements import (
    StatementKind,
    TomlTextError,
    split_statements,
    to_toml_1_0,
)
from tests.core.codex.configs import configs


@given(configs())
def test_statements_join_to_the_text_and_have_the_parsed_paths(
    text: str,
) -> None:
    body = text.removeprefix("\ufeff")
    parts = split_statements(body)
    assert "".join(part.text for part in parts) == body
    values: Any = tomllib.loads(body)
    for part in parts:
        if part.kind is not StatementKind.VALUE:
            continue
        found = values
        for key in part.path:
            found = found[-1] if isinstance(found, list) else found
            found = found[key]
        assert found is not None


@given(st.text(alphabet="ab=[]{}\"'#\\\n\r .,x", max_size=60))
def test_valid_toml_is_always_split_without_loss(text: str) -> None:
    try:
        tomllib.loads(text)
        is_valid = True
    except tomllib.TOMLDecodeError:
        is_valid = False
    try:
        parts = split_statements(text)
    except TomlTextError:
        assert not is_valid
    else:
        assert "".join(part.text for part in parts) == text


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('a."b.c".d = 1\n', [("a", "b.c", "d")]),
        ("['x']\ny = 1", [("x",), ("x", "y")]),
        ("[[l]]\na = [\n1,\n]\n[t]", [("l",), ("l", "a"), ("t",)]),
        ('k = """\n[no]\n"""  # x\nl = 2', [("k",), ("l",)]),
        ("k = ''''quoted'''''\nl = 2", [("k",), ("l",)]),
        ('"\\u0061" = {\n b = 1,\n}\n', [("a",)]),
        ('"" = 1', [("",)]),
    ],
)
def test_paths_of_statements(text: str, paths: list[tuple[str, ...]]) -> None:
    assert [
        part.path for part in split_statements(text) if part.kind is not StatementKind.TRIVIA
    ] == paths


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb", 2), ("=1", 1), ("a = '", 1), ("\n\na = [\n1", 3), ("a.=1", 1)]
)
def test_invalid_text_is_rejected_with_its_line(text: str, line: int) -> None:
    with pytest.raises(TomlTextError, match=f"line {line} "):
        split_statements(text)


@given(configs())
def test_toml_1_0_keeps_its_values(text: str) -> None:
    body = text.removeprefix("\ufeff")
    assert tomllib.loads(to_toml_1_0(body)) == tomllib.loads(body)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a = {\n b = 1, # }\n c = '}',\n}\nd = 2\n", {"a": {"b": 1, "c": "}"}, "d": 2}),
        ("a = {\r\n b = [\r\n1,\r\n],\r\n}\r\n", {"a": {"b": [1]}}),
        ("a = [{ b = 1, }, {\n},]", {"a": [{"b": 1}, {}]}),
        ('a = "\\e[\\x41 \\\\e"', {"a": "\x1b[A \\e"}),
        ("a = '\\e'", {"a": "\\e"}),
    ],
)
def test_toml_1_1_is_converted(text: str, values: dict[str, object]) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text if "'\\e'" not in text else "=")
    assert tomllib.loads(to_toml_1_0(text)) == values


def test_open_string_is_rejected() -> None:
    with pytest.raises(TomlTextError):
        to_toml_1_0("a = '")
