"""The structure of a request of Codex: endpoint, headers, body keys, items and tools, without any value. Pure.

Never does: keep a text, an id or the name of a user's own tool. Invariant: total over every request.
Source: requests of Codex 0.133, 0.169 and 0.171 (2026-11).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import orjson

from addons.core.contract.contract import Names, Section
from addons.core.json_values import JsonObject, as_object, as_str

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{20,}|[a-z]{2,8}_(?=[A-Za-z]*\d)[0-9A-Za-z]{12,}|\d{4,}")
"""A part of a path that differs between two runs."""
_OWN_TOOLS = ("mcp__",)
"""What the namespace of a user's own tools begins with."""
_OWN_TOOL = "mcp__…"
"""Stands in place of the name of each."""
_DESCRIBED = re.compile(r"^### `(\w+)`", re.MULTILINE)
"""A tool that the description of `exec` describes, which runs it as a function of a script."""
_OPAQUE = frozenset({"input", "tools", "schema"})
"""Body keys whose content is no structure of the protocol, or has a section of its own."""
_MAX_DEPTH = 3
_METADATA_PARTS = 2
"""Of `client_metadata.NAME`, where NAME is also the name of a header."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request as the client sent it; over a WebSocket, one message with the method `WS`."""

    method: str
    path: str
    """Without the query and without the prefix of the base URL, for example `/responses`."""
    query: tuple[str, ...] = ()
    """The names of the query parameters."""
    headers: Mapping[str, str] | None = None
    """Names in lower case."""
    body: bytes = b""

    def with_body(self, body: bytes) -> SentRequest:
        """Return the request with another body, such as the decoded one."""
        return replace(self, body=body)

    @property
    def endpoint(self) -> str:
        """Return the name of the endpoint, for example `POST /responses`."""
        return f"{self.method} {_ID.sub('ID', self.path)}"


def structure_of(request: SentRequest) -> Mapping[Section, Names]:
    """Return every name that the request has."""
    endpoint = request.endpoint
    body = _body(request)
    headers = request.headers or {}
    return {
        "endpoint": {endpoint: frozenset(request.query)},
        "header": {endpoint: frozenset(_header_names(headers))} if headers else {},
        "body key": {endpoint: frozenset(_body_keys(body, headers))} if body else {},
        "item": _grouped(_item_names(_items(body))),
        "tool": _grouped(_tool_names(_tools(body))),
    }


def catalog_structure(catalog: bytes) -> Mapping[Section, Names]:
    """Return the keys of the entries of a catalog, `{"models": […]}`, and its slugs."""
    try:
        models = as_object(orjson.loads(catalog)).get("models")
    except orjson.JSONDecodeError:
        return {}
    entries = [as_object(entry) for entry in models] if isinstance(models, list) else []
    return {
        "catalog key": {key: frozenset() for entry in entries for key in entry},
        "model": {as_str(entry.get("slug")): frozenset() for entry in entries},
    }


def _body(request: SentRequest) -> JsonObject:
    try:
        return as_object(orjson.loads(request.body))
    except orjson.JSONDecodeError:
        return {}


def _header_names(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        yield name
        if value.startswith("{"):
            yield from _keys(_embedded(value), f"{name}.", 1)


def _body_keys(body: JsonObject, headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the keys of the body. What stands in a header as well is described there."""
    for key in _keys(body, "", 0):
        parts = key.split(".")
        if len(parts) <= _METADATA_PARTS or parts[1] not in headers:
            yield key


def _keys(value: JsonObject, prefix: str, depth: int) -> Iterator[str]:
    for key, inner in value.items():
        yield prefix + key
        if key in _OPAQUE or depth >= _MAX_DEPTH:
            continue
        yield from _keys(_embedded(inner), f"{prefix}{key}.", depth + 1)


def _embedded(value: object) -> JsonObject:
    """Return an object, also one that is written as JSON in a string, as the metadata of a turn is."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return as_object(orjson.loads(value))
        except orjson.JSONDecodeError:
            return {}
    return as_object(value)


def _items(body: JsonObject) -> list[JsonObject]:
    items = body.get("input")
    return [as_object(item) for item in items] if isinstance(items, list) else []


def _item_names(items: Iterable[JsonObject]) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield each item with its keys, and each content part of an item with its keys."""
    for item in items:
        kind = as_str(item.get("type")) or "message"
        role = as_str(item.get("role"))
        yield f"{kind} {role}".rstrip(), item
        for key in ("content", "output", "summary"):
            parts = item.get(key)
            for part in parts if isinstance(parts, list) else ():
                content = as_object(part)
                yield f"{kind}.{key} {as_str(content.get('type'))}", content


def _tools(body: JsonObject) -> list[JsonObject]:
    """Return the tools of the body, and those that a responses-lite model gets as an item."""
    lists = [body.get("tools"), *(item.get("tools") for item in _items(body))]
    return [as_object(tool) for tools in lists if isinstance(tools, list) for tool in tools]


def _tool_names(
    tools: Iterable[JsonObject], namespace: str = ""
) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield each tool with the tools that it describes, or its parameters, or else its keys."""
    for tool in tools:
        kind, name = as_str(tool.get("type")), as_str(tool.get("name"))
        if (namespace or name).startswith(_OWN_TOOLS):
            yield f"{kind} {_OWN_TOOL}", ()
            continue
        inner = tool.get("tools")
        if isinstance(inner, list):
            yield f"{kind} {name}", ()
            yield from _tool_names((as_object(entry) for entry in inner), f"{name}.")
            continue
        parameters = as_object(as_object(tool.get("parameters")).get("properties"))
        described = map(_shown, _DESCRIBED.findall(as_str(tool.get("description"))))
        yield f"{kind} {namespace}{name}".rstrip(), [*described] or parameters or tool


def _shown(name: str) -> str:
    return _OWN_TOOL if name.startswith(_OWN_TOOLS) else name


def _grouped(found: Iterable[tuple[str, Iterable[str]]]) -> dict[str, frozenset[str]]:
    names: defaultdict[str, set[str]] = defaultdict(set)
    for name, members in found:
        names[name].update(members)
    return {name: frozenset(members) for name, members in names.items()}
