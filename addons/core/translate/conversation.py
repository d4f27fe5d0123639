"""The request side of the one vocabulary: what a Responses request asks for, whatever dialect will carry it.

`addons.core.translate.reading` makes a `Conversation` of a request body; each dialect writes its own body from it.
Values only. Invariant, because prompt caching is the user's money: items and tools stand in the order of the request,
and what an item becomes depends on that item and those before it, never on what follows, on a clock or on an id of
ours. So the conversation of a history is a prefix of the conversation of its extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from addons.core.translate.events import CallKind

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a message or of a tool's output. Never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: a `data:` URL or an https one."""

    url: str
    detail: str | None = None


Part = Text | Image


@dataclass(frozen=True, slots=True)
class System:
    """What the client says as the authority: `instructions`, system and developer messages, where they stand."""

    text: str


@dataclass(frozen=True, slots=True)
class User:
    """A user message."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Assistant:
    """Text that a model said: an earlier message, a refusal, a summary that stands for earlier turns."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A block of reasoning that a model gave with its answer."""

    summary: str
    opaque: str | None = None
    """The replay blob of `addons.core.translate.replay`, when it is one of ours; foreign ones are dropped."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of an earlier turn, under the name that the upstream knows (`Tool.wire_name`)."""

    call_id: str
    wire_name: str
    arguments: str
    """JSON text for a function, also when it is broken; the free text of a custom tool."""
    kind: CallKind = CallKind.FUNCTION


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool gave back. Its call may be missing, may stand far before it, and may have been answered before."""

    call_id: str
    parts: tuple[Part, ...]


Item = System | User | Assistant | Reasoning | Call | Output


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as the upstream sees it, and what it was before."""

    wire_name: str
    """Legal everywhere ([A-Za-z0-9_-], at most 64 characters) and unique in the request."""
    name: str
    namespace: str | None
    kind: CallKind
    description: str
    schema: Json
    """JSON schema of the arguments; for a custom tool an object with the one string `input`."""
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether and which tool the model must use."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    wire_name: str = ""
    """With mode `named`."""


@dataclass(frozen=True, slots=True)
class TextFormat:
    """Structured output that the client wants."""

    kind: Literal["json_object", "json_schema"]
    name: str = ""
    schema: Json = field(default_factory=dict)
    strict: bool | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Knobs that are passed on where the upstream has them. None: the client was silent."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything of one request that an upstream needs."""

    items: tuple[Item, ...]
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool | None = None
    effort: str | None = None
    """reasoning.effort as the client wrote it: none, minimal, low, medium, high, xhigh, max, …"""
    text_format: TextFormat | None = None
    verbosity: str | None = None
    sampling: Sampling = Sampling()
    cache_key: str | None = None
    """prompt_cache_key: one thread of the client."""
    stream: bool = True
    wants_compaction: bool = False
    """The request ends in a compaction_trigger, or came to /responses/compact: answer with one compaction item."""
    dropped: tuple[str, ...] = ()
    """What no upstream of ours can have (hosted tools, foreign encrypted content), for the log and views."""
    echo: Json = field(default_factory=dict)
    """The request body itself, read only: what the response object repeats."""

    def tool(self, wire_name: str) -> Tool | None:
        """Find a declared tool by the name that the upstream uses."""
        return next((tool for tool in self.tools if tool.wire_name == wire_name), None)


class Dialects(StrEnum):
    """The protocols that upstreams speak."""

    CHAT = "chat"
    MESSAGES = "messages"
    RESPONSES = "responses"
