"""The request side of the canonical vocabulary: what a Responses request asks for, in any upstream protocol.

`protocols.responses.request` reads a request body into a `Conversation`; each protocol writes its own body from it.
Values only: no behaviour, clock or id is made here. Invariant, because upstreams cache prompts by prefix: items and
tools keep the order of the request, and an item depends only on itself and the items before it. The conversation of
a history is therefore a prefix of the conversation of its extension.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from addons.core.frozen import turn_value
from addons.core.json_values import JsonObject
from addons.core.protocols.canonical.events import CallKind


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a message or of a tool output. Never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image, as a `data:` or https URL."""

    url: str
    detail: str | None = None


Part = Text | Image


@dataclass(frozen=True, slots=True)
class System:
    """An instruction to the model: `instructions`, or a system or developer message at its position."""

    text: str


@dataclass(frozen=True, slots=True)
class User:
    """A user message."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Assistant:
    """Text of an earlier answer: a message, a refusal, or the record of a step that a hosted tool took."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A block of reasoning from an earlier answer."""

    summary: str
    opaque: str | None = None
    """A blob that `canonical.opaque_reasoning` wrapped for this target; blobs of other services are dropped."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of an earlier answer, under the name that the upstream uses (`Tool.upstream_name`)."""

    call_id: str
    upstream_name: str
    arguments: str
    """JSON text of a function, even if it is malformed; the free text of a custom tool."""
    kind: CallKind = CallKind.FUNCTION


@dataclass(frozen=True, slots=True)
class Output:
    """A tool output. Its call may be missing, may come much earlier, and may already have another output."""

    call_id: str
    parts: tuple[Part, ...]


Item = System | User | Assistant | Reasoning | Call | Output


@turn_value(frozen=True, slots=True)
class Tool:
    """One tool as the upstream sees it, and as the client declared it."""

    upstream_name: str
    """Legal in every protocol ([A-Za-z0-9_-], at most 64 characters) and unique in the request."""
    name: str
    namespace: str | None
    kind: CallKind
    description: str
    schema: JsonObject
    """JSON schema of the arguments; for a custom tool, an object with one string `input`."""
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether the model must call a tool, and which one."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    upstream_name: str = ""
    """The tool of mode `named`."""


@turn_value(frozen=True, slots=True)
class TextFormat:
    """The structured output that the client requests."""

    kind: Literal["json_object", "json_schema"]
    name: str = ""
    schema: JsonObject = field(default_factory=dict)
    strict: bool | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Options that are passed on where the upstream supports them. None: the client did not set the option."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None


@turn_value(frozen=True, slots=True)
class Conversation:
    """The contents of a client request, in the vocabulary of all protocols."""

    items: tuple[Item, ...]
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool | None = None
    effort: str | None = None
    """`reasoning.effort` as the client wrote it: none, minimal, low, medium, high, xhigh, max, …"""
    text_format: TextFormat | None = None
    verbosity: str | None = None
    sampling: Sampling = Sampling()
    cache_key: str | None = None
    """`prompt_cache_key`: identifies one thread of the client."""
    stream: bool = True
    wants_compaction: bool = False
    """The request ends in a `compaction_trigger` or was sent to /responses/compact: the answer is one compaction item."""
    dropped: tuple[str, ...] = ()
    """Contents that cannot be translated (hosted tools, foreign encrypted content), for the log and the views."""
    echo: JsonObject = field(default_factory=dict)
    """The request body, read-only: the response object repeats some of its fields."""

    def tool(self, upstream_name: str) -> Tool | None:
        """Return the declared tool with this upstream name, or None."""
        return next((tool for tool in self.tools if tool.upstream_name == upstream_name), None)
