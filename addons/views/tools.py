"""Render the tools of a request as a table, for every protocol. Total."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from addons.core.json_values import JsonObject, as_object, as_str
from addons.views.page import Page, one_line

NAME_WIDTH, KIND_WIDTH, PARAMETERS_WIDTH, DESCRIPTION_WIDTH = 44, 12, 60, 90
SHOWN_TOOLS = 300


class Row(NamedTuple):
    """One tool. A required parameter has a star."""

    name: str
    kind: str
    parameters: str
    description: str


def write_tools(page: Page, tools: object) -> None:
    """Write the table to the page. Nothing is written without tools."""
    declared = tools if isinstance(tools, list) else []
    rows = [row for tool in declared[:SHOWN_TOOLS] for row in rows_of(tool)]
    if not rows:
        return
    page.title(f"TOOLS ({len(rows)})")
    name = min(NAME_WIDTH, max(len(row.name) for row in rows))
    kind = min(KIND_WIDTH, max(len(row.kind) for row in rows))
    fields = min(PARAMETERS_WIDTH, max(len(row.parameters) for row in rows))
    for row in rows:
        line = (
            f"{row.name:<{name}}  {row.kind:<{kind}}  {row.parameters:<{fields}}  {row.description}"
        )
        page.line(line.rstrip(), 1)


def rows_of(tool: object, prefix: str = "") -> Iterator[Row]:
    """Yield the rows of one declaration. A namespace has a row for each of its tools."""
    fields = as_object(tool)
    kind = as_str(fields.get("type")) or "function"
    members = fields.get("tools")
    if kind == "namespace" and isinstance(members, list) and not prefix:
        for member in members[:SHOWN_TOOLS]:
            yield from rows_of(member, f"{as_str(fields.get('name'))}.")
        return
    inner = as_object(fields.get("function")) or fields
    name = as_str(inner.get("name")) or kind
    schema = as_object(inner.get("parameters") or inner.get("input_schema"))
    description = one_line(as_str(inner.get("description")), DESCRIPTION_WIDTH)
    yield Row(
        one_line(prefix + name, NAME_WIDTH),
        one_line(kind, KIND_WIDTH),
        _parameters(inner, schema),
        description,
    )


def _parameters(tool: JsonObject, schema: JsonObject) -> str:
    if not schema and "format" in tool:
        return f"({as_str(as_object(tool['format']).get('type')) or 'text'})"
    required = schema.get("required")
    needed = (
        {each for each in required if isinstance(each, str)}
        if isinstance(required, list)
        else set()
    )
    known = sorted(as_object(schema.get("properties")), key=lambda name: name not in needed)
    names = [f"{name}*" if name in needed else str(name) for name in known]
    return one_line(", ".join(names), PARAMETERS_WIDTH)
