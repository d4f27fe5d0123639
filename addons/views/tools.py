"""A request's tools as a table, in whichever dialect they are declared. Total."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from addons.core.values import obj, string
from addons.views.page import Page, one_line
from addons.views.reading import Json

NAME_WIDTH, KIND_WIDTH, FIELDS_WIDTH, WORDS = 44, 12, 60, 90
SHOWN_TOOLS = 300


class Row(NamedTuple):
    """One tool. A required parameter bears a star."""

    name: str
    kind: str
    parameters: str
    description: str


def write_tools(page: Page, tools: object) -> None:
    """Put the table on the page; nothing when there are no tools."""
    declared = tools if isinstance(tools, list) else []
    rows = [row for tool in declared[:SHOWN_TOOLS] for row in rows_of(tool)]
    if not rows:
        return
    page.title(f"TOOLS ({len(rows)})")
    name = min(NAME_WIDTH, max(len(row.name) for row in rows))
    kind = min(KIND_WIDTH, max(len(row.kind) for row in rows))
    fields = min(FIELDS_WIDTH, max(len(row.parameters) for row in rows))
    for row in rows:
        line = (
            f"{row.name:<{name}}  {row.kind:<{kind}}  {row.parameters:<{fields}}  {row.description}"
        )
        page.line(line.rstrip(), 1)


def rows_of(tool: object, prefix: str = "") -> Iterator[Row]:
    """The rows of one declaration: a namespace has one for each of its tools."""
    fields = obj(tool)
    kind = string(fields.get("type")) or "function"
    members = fields.get("tools")
    if kind == "namespace" and isinstance(members, list) and not prefix:
        for member in members[:SHOWN_TOOLS]:
            yield from rows_of(member, f"{string(fields.get('name'))}.")
        return
    inner = obj(fields.get("function")) or fields
    name = string(inner.get("name")) or kind
    schema = obj(inner.get("parameters") or inner.get("input_schema"))
    description = one_line(string(inner.get("description")), WORDS)
    yield Row(
        one_line(prefix + name, NAME_WIDTH),
        one_line(kind, KIND_WIDTH),
        _parameters(inner, schema),
        description,
    )


def _parameters(tool: Json, schema: Json) -> str:
    if not schema and "format" in tool:
        return f"({string(obj(tool['format']).get('type')) or 'text'})"
    required = schema.get("required")
    needed = (
        {each for each in required if isinstance(each, str)}
        if isinstance(required, list)
        else set()
    )
    known = sorted(obj(schema.get("properties")), key=lambda name: name not in needed)
    names = [f"{name}*" if name in needed else str(name) for name in known]
    return one_line(", ".join(names), FIELDS_WIDTH)
