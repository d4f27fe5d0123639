from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.toml_text import Kind, TomlTextError, in_version_1_0, statements
from tests.core.configs import configs


@given(configs())
def test_the_statements_are_the_text_and_each_value_has_the_path_that_the_parser_sees(
    text: str,
) -> None:
    body = text.removeprefix("\ufeff")
    parts = statements(body)
    assert "".join(part.text for part in parts) == body
    values: Any = tomllib.loads(body)
    for part in parts:
        if part.kind is not Kind.VALUE:
            continue
        found = values
        for key in part.path:
            found = found[-1] if isinstance(found, list) else found
            found = found[key]
        assert found is not None


@given(st.text(alphabet="ab=[]{}\"'#\\\n\r .,x", max_size=60))
def test_any_text_is_cut_whole_or_is_not_valid_either(text: str) -> None:
    try:
        tomllib.loads(text)
        is_valid = True
    except tomllib.TOMLDecodeError:
        is_valid = False
    try:
        parts = statements(text)
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
def test_paths(text: str, paths: list[tuple[str, ...]]) -> None:
    assert [part.path for part in statements(text) if part.kind is not Kind.TRIVIA] == paths


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb", 2), ("=1", 1), ("a = '", 1), ("\n\na = [\n1", 3), ("a.=1", 1)]
)
def test_what_is_no_toml_is_refused_by_its_line(text: str, line: int) -> None:
    with pytest.raises(TomlTextError, match=f"line {line} "):
        statements(text)


@given(configs())
def test_what_is_version_1_0_says_the_same_in_version_1_0(text: str) -> None:
    body = text.removeprefix("\ufeff")
    assert tomllib.loads(in_version_1_0(body)) == tomllib.loads(body)


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
def test_version_1_1_is_read(text: str, values: dict[str, object]) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text if "'\\e'" not in text else "=")
    assert tomllib.loads(in_version_1_0(text)) == values


def test_an_open_string_has_no_version() -> None:
    with pytest.raises(TomlTextError):
        in_version_1_0("a = '")
