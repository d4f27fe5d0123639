"""The tools of a Responses request as functions that every upstream accepts, and the mapping of their names.

Source: OpenAI API reference, "Create a response", `tools` and `tool_choice`; namespaces, custom tools and local shell
as Codex sends them. Knows no upstream. Invariant: an upstream name is a pure function of (namespace, name), even for a
tool that is no longer declared; only when two declared tools collide does the later one get a different name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.frozen import turn_value
from addons.core.json_values import JsonObject, as_str
from addons.core.protocols.canonical.conversation import Tool, ToolChoice
from addons.core.protocols.canonical.events import CallKind

MAX_NAME_LENGTH = 64
DIGEST_LENGTH = 10
ILLEGAL_CHARACTER = re.compile(r"[^A-Za-z0-9_-]")
HOSTED_TOOLS = frozenset(
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
HOSTED_PREFIXES = ("web_search_", "computer_use_")
"""Types that may end in a date: `web_search_preview_2025_03_11`."""
NO_ARGUMENTS: JsonObject = {"type": "object", "properties": {}}
LOCAL_SHELL_SCHEMA: JsonObject = {
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


AUTO = ToolChoice()
"""The choice of a request that makes none."""


@turn_value(frozen=True, slots=True)
class DeclaredTools:
    """The tools that can be declared to an upstream, and descriptions of those that cannot."""

    tools: tuple[Tool, ...] = ()
    dropped: tuple[str, ...] = ()


def upstream_name(name: str, namespace: str | None = None) -> str:
    """Return a legal name for a tool. A legal name without a namespace is unchanged."""
    joined = f"{namespace}__{name}" if namespace else name
    if joined and len(joined) <= MAX_NAME_LENGTH and not ILLEGAL_CHARACTER.search(joined):
        return joined
    return _hashed_name(name, namespace)


class UpstreamNames:
    """The upstream names of the client's tools. `Conversation.tool` is the inverse."""

    __slots__ = ("_by_name",)

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._by_name = {(tool.namespace, tool.name): tool.upstream_name for tool in tools}

    def name_for(self, name: str, namespace: str | None = None) -> str:
        """Return the upstream name of a tool, declared or not."""
        return self._by_name.get((namespace, name)) or upstream_name(name, namespace)


def read_tools(declared: Sequence[object]) -> DeclaredTools:
    """Read the `tools` of a request, followed by those of its `additional_tools` items.

    Tools of a type or form that is unknown here are left out: a newer client declares them in every request.
    """
    reader = _ToolReader()
    for index, raw in enumerate(declared):
        reader.add(raw, f"tools[{index}]", None)
    return DeclaredTools(tuple(reader.tools.values()), tuple(reader.dropped))


def read_tool_choice(value: object, tools: Sequence[Tool]) -> ToolChoice | Problem:
    """Read `tool_choice` in any of its forms."""
    match value:
        case None:
            return AUTO
        case "auto" | "none" | "required" as mode:
            return ToolChoice(mode)
        case {"type": "function" | "custom"}:
            return _named_choice(value, tools)
        case {"type": "allowed_tools", "mode": "required"}:
            return ToolChoice("required")
        case {"type": str()}:
            return AUTO
    return _unreadable("tool_choice is neither auto, none, required nor an object with a type")


def allowed_tools(choice: object, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """Return the tools that an `allowed_tools` choice lists; all tools for any other choice."""
    match choice:
        case {"type": "allowed_tools", "tools": list(listed)}:
            names = {name for entry in listed if (name := _name_of(entry))}
            return tuple(tool for tool in tools if (tool.namespace, tool.name) in names)
    return tools


def _named_choice(value: object, tools: Sequence[Tool]) -> ToolChoice | Problem:
    named = _name_of(value)
    found = next((tool for tool in tools if (tool.namespace, tool.name) == named), None)
    if named and not found:
        # A name without its namespace refers to the tool inside it.
        found = next((tool for tool in tools if tool.name == named[1]), None)
    if not found:
        return _unreadable(
            f"tool_choice names {named[1] if named else 'nothing'!r}, which is not declared"
        )
    return ToolChoice("named", found.upstream_name)


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
class _ToolReader:
    """Collects the tools of one request by upstream name."""

    tools: dict[str, Tool] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    names: set[tuple[str | None, str]] = field(default_factory=set)

    def add(self, raw: object, where: str, namespace: str | None) -> None:
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
            self.dropped.append(f"{where}: not an object with a type")
            return
        kind = raw["type"]
        if kind == "namespace":
            self._add_namespace(raw, where, namespace)
        elif kind in HOSTED_TOOLS or kind.startswith(HOSTED_PREFIXES):
            self.dropped.append(f"hosted tool {kind}")
        elif tool := _tool(raw, namespace):
            self._declare(tool)
        else:
            self.dropped.append(f"{where}: tool of the type {kind[:MAX_NAME_LENGTH]}")

    def _add_namespace(self, raw: JsonObject, where: str, outer: str | None) -> None:
        name, inner = raw.get("name"), raw.get("tools")
        if outer or not isinstance(name, str) or not name or not isinstance(inner, list):
            self.dropped.append(
                f"{where}: a namespace that has no name or no tools, or that is inside another namespace"
            )
            return
        for index, child in enumerate(inner):
            self.add(child, f"{where}.tools[{index}]", name)

    def _declare(self, tool: Tool) -> None:
        named = (tool.namespace, tool.name)
        if named in self.names:
            self.dropped.append(f"second declaration of tool {tool.name}")
            return
        self.names.add(named)
        if tool.upstream_name in self.tools:
            tool = replace(tool, upstream_name=_hashed_name(tool.name, tool.namespace))
        self.tools[tool.upstream_name] = tool


def _tool(raw: JsonObject, namespace: str | None) -> Tool | None:
    kind = raw.get("type")
    if kind == "local_shell":
        shell = "local_shell"
        return Tool(
            shell, shell, None, CallKind.LOCAL_SHELL, LOCAL_SHELL_DESCRIPTION, LOCAL_SHELL_SCHEMA
        )
    # Some clients nest the definition as the chat completions API does.
    nested = raw.get("function")
    body: Mapping[str, object] = nested if isinstance(nested, dict) else raw
    name = body.get("name")
    if not isinstance(name, str) or not name:
        return None
    if kind == "function":
        return _function(name, namespace, body)
    return _custom(name, namespace, body) if kind == "custom" else None


def _function(name: str, namespace: str | None, body: JsonObject) -> Tool:
    schema, strict = body.get("parameters"), body.get("strict")
    return Tool(
        upstream_name(name, namespace),
        name,
        namespace,
        CallKind.FUNCTION,
        as_str(body.get("description")),
        schema if isinstance(schema, dict) and schema else NO_ARGUMENTS,
        strict if isinstance(strict, bool) else None,
    )


def _custom(name: str, namespace: str | None, body: JsonObject) -> Tool:
    form = body.get("format")
    grammar = form if isinstance(form, dict) and form.get("type") == "grammar" else {}
    syntax, definition = as_str(grammar.get("syntax")), as_str(grammar.get("definition"))
    is_patch = PATCH_START in definition or name == "apply_patch"
    hint = PATCH_HINT if is_patch else TEXT_HINT
    rule = f"`input` must match this {syntax} grammar:\n{definition}" if definition else ""
    description = "\n\n".join(filter(None, (as_str(body.get("description")), hint, rule)))
    about_input = {"type": "string", "description": hint.partition(". ")[0] + "."}
    schema = {
        "type": "object",
        "properties": {"input": about_input},
        "required": ["input"],
        "additionalProperties": False,
    }
    return Tool(
        upstream_name(name, namespace), name, namespace, CallKind.CUSTOM, description, schema
    )


def _hashed_name(name: str, namespace: str | None) -> str:
    joined = ILLEGAL_CHARACTER.sub("_", f"{namespace}__{name}" if namespace else name)
    # The length of the namespace distinguishes ("a", "b__c") from ("a__b", "c").
    exact = f"{len(namespace or '')}:{namespace or ''}:{name}".encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(exact).hexdigest()[:DIGEST_LENGTH]
    return f"{joined[: MAX_NAME_LENGTH - DIGEST_LENGTH - 1]}_{digest}"


def _unreadable(what: str) -> Problem:
    return Problem(
        400,
        INVALID_PROMPT,
        f"codex-shim cannot read the tools of this request: {what}. Correct or remove it.",
        "invalid_request_error",
    )
