from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim_cli.state.models_text import EditError, listed_rows, with_row, without_row

ROW = {"model": "new", "provider": "ollama"}
MULTILINE = """\
{
  "demo": false,
  "models": [
    {
      "model": "a",
      "extra_headers": {"x": "]}"}
    },
    "b"
  ],
  "aliases": {"models": "a"}
}
"""
ONE_LINE = '{"models": [\n  {"model": "a"},\n\n  {"model": "b\\"]"}\n]}\n'


def test_new_file_has_one_row() -> None:
    assert with_row("", ROW) == (
        '{\n  "models": [\n    {\n      "model": "new",\n      "provider": "ollama"\n    }\n  ]\n}\n'
    )


def test_row_is_added_in_the_layout_of_the_last_one() -> None:
    assert with_row(ONE_LINE, ROW) == (
        '{"models": [\n  {"model": "a"},\n\n  {"model": "b\\"]"},\n'
        '  {"model": "new", "provider": "ollama"}\n]}\n'
    )


def test_row_after_rows_of_several_lines() -> None:
    text = MULTILINE.replace(',\n    "b"', "")

    assert with_row(text, ROW) == text.replace(
        '"]}"}\n    }\n',
        '"]}"}\n    },\n    {\n      "model": "new",\n      "provider": "ollama"\n    }\n',
    )


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"models": []}', '{"models":[{"model":"a"}]}', '{"demo": true}', '["a", "b"]',
     MULTILINE.replace("\n", "\r\n")],
)  # fmt: skip
def test_every_shape_keeps_its_other_values(text: str) -> None:
    new = with_row(text, ROW)

    assert listed_rows(new) == [*listed_rows(text), ROW]
    assert ("\r\n" in new) == ("\r\n" in text)


def test_removed_row_leaves_every_other_byte() -> None:
    assert without_row(MULTILINE, 1) == MULTILINE.replace(',\n    "b"', "")
    assert without_row(ONE_LINE, 0) == ONE_LINE.replace('{"model": "a"},\n\n  ', "")
    assert listed_rows(without_row('{"models": [ "a" ]}', 0)) == []


@pytest.mark.parametrize(
    "text", ["{", "3", '"models"', '{"models": {}}', '{"models": "x", "customModels": []}']
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(EditError):
        with_row(text, ROW)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FILES = st.fixed_dictionaries(
    {"before": VALUES, "models": st.lists(VALUES, max_size=4), "after": VALUES}
)


@given(FILES, st.sampled_from([None, 0, 2, 4]), st.booleans())
def test_added_row_can_be_removed_again(
    content: dict[str, list[object]], indent: int | None, is_list: bool
) -> None:
    value = content["models"] if is_list else content
    text = json.dumps(value, indent=indent)

    added = with_row(text, ROW)

    assert listed_rows(added) == [*content["models"], ROW]
    removed = without_row(added, len(content["models"]))
    assert json.loads(removed) == value


def test_byte_order_mark_is_kept() -> None:
    text = '\ufeff{"models": [{"model": "a"}]}'
    added = with_row(text, {"model": "b"})
    assert added == '\ufeff{"models": [{"model": "a"}, {"model": "b"}]}'
    assert without_row(added, 1) == text
