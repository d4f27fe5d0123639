"""The table of a request's tools."""

from __future__ import annotations

import pytest

from addons.views.page import Page
from addons.views.tools import NAME_WIDTH, SHOWN_TOOLS, Row, rows_of, write_tools
from tests.fakes.model_upstream import Json

SCHEMA = {"type": "object", "properties": {"tty": {}, "cmd": {}}, "required": ["cmd"]}


def table(tools: object) -> list[str]:
    page = Page()
    write_tools(page, tools)
    return page.text().splitlines()


@pytest.mark.parametrize(
    ("tool", "row"),
    [
        ({"type": "function", "name": "run", "description": "Runs\nit.", "parameters": SCHEMA}, Row("run", "function", "cmd*, tty", "Runs it.")),
        ({"type": "function", "function": {"name": "run", "parameters": SCHEMA}}, Row("run", "function", "cmd*, tty", "")),
        ({"name": "run", "input_schema": SCHEMA}, Row("run", "function", "cmd*, tty", "")),
        ({"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}}, Row("apply_patch", "custom", "(grammar)", "")),
        ({"type": "custom", "name": "note", "format": {}}, Row("note", "custom", "(text)", "")),
        ({"type": "web_search"}, Row("web_search", "web_search", "", "")),
        (None, Row("function", "function", "", "")),
    ],
)  # fmt: skip
def test_each_declaration_is_a_row(tool: Json | None, row: Row) -> None:
    assert list(rows_of(tool)) == [row]


def test_namespace_has_a_row_for_each_tool() -> None:
    inner = {"type": "namespace", "name": "deep", "tools": [{"name": "never"}]}
    namespace = {"type": "namespace", "name": "srv", "tools": [{"name": "a"}, {"name": "b"}, inner]}
    assert [row.name for row in rows_of(namespace)] == ["srv.a", "srv.b", "srv.deep"]


def test_columns_are_aligned_and_long_names_clipped() -> None:
    lines = table([{"name": "n" * 100, "input_schema": SCHEMA}, {"name": "b", "description": "B."}])
    assert lines[0] == "TOOLS (2)"
    assert lines[1] == f"  {'n' * (NAME_WIDTH - 1)}…  function  cmd*, tty"
    assert lines[2] == f"  {'b':<{NAME_WIDTH}}  function             B."


@pytest.mark.parametrize("tools", [None, [], {}, "tools"])
def test_no_tools_write_nothing(tools: object) -> None:
    assert table(tools) == []


def test_number_of_tools_is_limited() -> None:
    assert table([{"name": "a"}] * (SHOWN_TOOLS + 5))[0] == f"TOOLS ({SHOWN_TOOLS})"
