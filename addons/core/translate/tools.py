"""The tools of a Responses request as functions that every upstream knows, and their names back again.

Source: OpenAI API reference, "Create a response", `tools` and `tool_choice`; namespaces, custom tools and local shell
as Codex sends them. Never looks at an upstream. Invariant: a wire name is a pure function of (namespace, name), also
for tools that are no longer declared; only where two declared tools would meet does the later one get another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from addons.core.errors import Problem
from addons.core.translate.conversation import Json, Tool, ToolChoice
from addons.core.translate.events import CallKind
from addons.core.values import string

LONGEST_NAME = 64
ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
HOSTED = frozenset(
    {
        "web_search",
        "tool_search",
        "image_generation",
        "file_search",
        "code_interpreter",
        "computer",
        "computer_use",
        "mcp",
        "shell",
        "apply_patch",
    }
)
HOSTED_DATED = ("web_search_", "computer_use_")
"""Names that end in a date: `web_search_preview_2025_03_11`."""
NO_ARGUMENTS: Json = {"type": "object", "properties": {}}
LOCAL_SHELL_SCHEMA: Json = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["exec"]},
        "command": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The program and its arguments.",
        },
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
        "timeout_ms": {"type": "integer"},
        "user": {"type": "string"},
        "working_directory": {"type": "string"},
    },
    "required": ["type", "command", "env"],
}
LOCAL_SHELL_DESCRIPTION = "Runs a command on the user's machine and returns its output."
PATCH_START = "*** Begin Patch"
PATCH_HINT = (
    "`input` is the raw patch and nothing else: it starts with the line `*** Begin Patch` and ends with the line "
    "`*** End Patch`. No JSON, no code fence, no shell command around it. Example of `input`:\n"
    "*** Begin Patch\n*** Update File: path/to/file.txt\n@@\n-old line\n+new line\n*** End Patch"
)
TEXT_HINT = "`input` is the raw text that the tool takes, with no JSON and no code fence around it."


@dataclass(frozen=True, slots=True)
class Declared:
    """The tools that an upstream can be given, and what was left out."""

    tools: tuple[Tool, ...] = ()
    dropped: tuple[str, ...] = ()


def wire_name(name: str, namespace: str | None = None) -> str:
    """A legal name for a tool. A name that is legal already and has no namespace stays as it is."""
    joined = f"{namespace}__{name}" if namespace else name
    if joined and len(joined) <= LONGEST_NAME and not ILLEGAL.search(joined):
        return joined
    return _hashed(name, namespace)


class WireNames:
    """The upstream's names for the client's tools. The way back is `Conversation.tool`."""

    __slots__ = ("_by_name",)

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._by_name = {(tool.namespace, tool.name): tool.wire_name for tool in tools}

    def wire(self, name: str, namespace: str | None = None) -> str:
        """What the upstream calls it, declared or not."""
        return self._by_name.get((namespace, name)) or wire_name(name, namespace)


def read_tools(declared: Sequence[object]) -> Declared | Problem:
    """Read the `tools` of a request, and those of its `additional_tools` items after them."""
    reading = _Reading()
    for place, raw in enumerate(declared):
        problem = reading.add(raw, f"tools[{place}]", None)
        if problem:
            return problem
    return Declared(tuple(reading.tools.values()), tuple(reading.dropped))


def read_choice(value: object, tools: Sequence[Tool]) -> ToolChoice | Problem:
    """Read `tool_choice` in each of its shapes."""
    match value:
        case None:
            return ToolChoice()
        case "auto" | "none" | "required" as mode:
            return ToolChoice(mode)
        case {"type": "function" | "custom"}:
            return _named_choice(value, tools)
        case {"type": "allowed_tools", "mode": "required"}:
            return ToolChoice("required")
        case {"type": str()}:
            return ToolChoice()
    return _bad("tool_choice is neither a known word nor an object with a type")


def allowed_tools(choice: object, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """Those tools that an `allowed_tools` choice leaves; all of them with any other choice."""
    match choice:
        case {"type": "allowed_tools", "tools": list(listed)}:
            names = {name for entry in listed if (name := _name_of(entry))}
            return tuple(tool for tool in tools if (tool.namespace, tool.name) in names)
    return tools


def _named_choice(value: object, tools: Sequence[Tool]) -> ToolChoice | Problem:
    named = _name_of(value)
    found = next((tool for tool in tools if (tool.namespace, tool.name) == named), None)
    if named and not found:
        # A bare name of a tool inside a namespace means that tool.
        found = next((tool for tool in tools if tool.name == named[1]), None)
    if not found:
        return _bad(
            f"tool_choice names {named[1] if named else 'nothing'!r}, which is not declared"
        )
    return ToolChoice("named", found.wire_name)


def _name_of(entry: object) -> tuple[str | None, str] | None:
    match entry:
        case {"function": {"name": str(name)}}:
            return None, name
        case {"name": str(name), "namespace": str(namespace)}:
            return namespace or None, name
        case {"name": str(name)}:
            return None, name
        case {"type": "local_shell"}:
            return None, "local_shell"
    return None


@dataclass(slots=True)
class _Reading:
    """The tools so far, by wire name."""

    tools: dict[str, Tool] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    names: set[tuple[str | None, str]] = field(default_factory=set)

    def add(self, raw: object, where: str, namespace: str | None) -> Problem | None:
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
            return _bad(f"{where} is not an object with a type")
        kind = raw["type"]
        if kind == "namespace":
            return self._add_namespace(raw, where, namespace)
        if kind in HOSTED or kind.startswith(HOSTED_DATED):
            self.dropped.append(f"hosted tool {kind}")
            return None
        tool = _tool(raw, namespace)
        if tool is None:
            return _bad(f"{where} has the unknown type {kind!r}, or no name")
        self._keep(tool)
        return None

    def _add_namespace(self, raw: Json, where: str, outer: str | None) -> Problem | None:
        name, inner = raw.get("name"), raw.get("tools")
        if outer or not isinstance(name, str) or not name or not isinstance(inner, list):
            return _bad(f"{where} is a namespace without a name and tools, or inside another")
        for place, child in enumerate(inner):
            problem = self.add(child, f"{where}.tools[{place}]", name)
            if problem:
                return problem
        return None

    def _keep(self, tool: Tool) -> None:
        named = (tool.namespace, tool.name)
        if named in self.names:
            self.dropped.append(f"second declaration of tool {tool.name}")
            return
        self.names.add(named)
        wire = tool.wire_name
        if wire in self.tools:
            wire = _hashed(tool.name, tool.namespace)
        self.tools[wire] = _renamed(tool, wire)


def _tool(raw: Json, namespace: str | None) -> Tool | None:
    kind = raw.get("type")
    if kind == "local_shell":
        shell = "local_shell"
        return Tool(
            shell, shell, None, CallKind.LOCAL_SHELL, LOCAL_SHELL_DESCRIPTION, LOCAL_SHELL_SCHEMA
        )
    # Some clients nest the definition as chat completions do.
    nested = raw.get("function")
    body: Mapping[str, object] = nested if isinstance(nested, dict) else raw
    name = body.get("name")
    if not isinstance(name, str) or not name:
        return None
    if kind == "function":
        return _function(name, namespace, body)
    return _custom(name, namespace, body) if kind == "custom" else None


def _function(name: str, namespace: str | None, body: Json) -> Tool:
    schema, strict = body.get("parameters"), body.get("strict")
    return Tool(
        wire_name(name, namespace),
        name,
        namespace,
        CallKind.FUNCTION,
        string(body.get("description")),
        schema if isinstance(schema, dict) and schema else NO_ARGUMENTS,
        strict if isinstance(strict, bool) else None,
    )


def _custom(name: str, namespace: str | None, body: Json) -> Tool:
    form = body.get("format")
    grammar = form if isinstance(form, dict) and form.get("type") == "grammar" else {}
    syntax, definition = string(grammar.get("syntax")), string(grammar.get("definition"))
    is_patch = PATCH_START in definition or name == "apply_patch"
    hint = PATCH_HINT if is_patch else TEXT_HINT
    rule = f"`input` must match this {syntax} grammar:\n{definition}" if definition else ""
    description = "\n\n".join(filter(None, (string(body.get("description")), hint, rule)))
    about_input = {"type": "string", "description": hint.partition(". ")[0] + "."}
    schema = {
        "type": "object",
        "properties": {"input": about_input},
        "required": ["input"],
        "additionalProperties": False,
    }
    wire = wire_name(name, namespace)
    return Tool(wire, name, namespace, CallKind.CUSTOM, description, schema)


def _renamed(tool: Tool, wire: str) -> Tool:
    return Tool(
        wire, tool.name, tool.namespace, tool.kind, tool.description, tool.schema, tool.strict
    )


def _hashed(name: str, namespace: str | None) -> str:
    joined = ILLEGAL.sub("_", f"{namespace}__{name}" if namespace else name)
    # The lengths keep ("a", "b__c") and ("a__b", "c") apart.
    exact = f"{len(namespace or '')}:{namespace or ''}:{name}".encode("utf-8", "surrogatepass")
    mark = hashlib.sha256(exact).hexdigest()[:10]
    return f"{joined[: LONGEST_NAME - 11]}_{mark}"


def _bad(what: str) -> Problem:
    return Problem(
        400,
        "invalid_prompt",
        f"codex-shim cannot read the tools of this request: {what}. Correct or remove it.",
        "invalid_request_error",
    )
