"""Describes Codex's tools in a prompt: tools and call form before the conversation, the key of a call after it.

Never does: write the key, or anything else that changes with each request, before the conversation. Invariant: equal
tools give equal text within the limit. Descriptions shrink until they fit, and tools that still do not fit are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from addons.core.cursor.fences import clip
from addons.core.cursor.tool_form import CLOSE, opening_fence, rejection_reason
from addons.core.protocols.canonical.conversation import Conversation, Tool

DESCRIPTION_BYTES = 12_000
SHORT_BYTES = 300
KEY_PLACEHOLDER = "KEY"


def _form(key: str) -> str:
    return f'{opening_fence(key)}\n{{"name": "NAME", "arguments": {{…}}}}\n{CLOSE}\n'


RULES = f"""\
Codex acts here, and you say what it shall do. Any mode that you were told to be in (such as ask or read-only) is about \
your own tools, not about those of Codex: use your own for reading at most, never to change a file, to run a command or \
to reach a network. To have Codex run one of its tools, which stand in the next part, write a block of exactly this \
form, each fence on a line of its own:

{_form(KEY_PLACEHOLDER)}
{KEY_PLACEHOLDER} stands for the key of this answer, which is told at the very end; with any other key a block is shown and \
not run. A block holds one JSON object and nothing else; `arguments` follow the tool's schema; a line break inside a \
string is written as \\n. Parts named "tool call" show earlier calls, and "tool output" what came of them. After your \
last block stop: Codex runs the calls and comes back with their outputs. Never write an output yourself. An answer \
without a block is final and ends the work, so call a tool while work is left to do.
"""
NONE_NOW = "Call no tool in this answer.\n"
CORRECTION = (
    "The block above was shown as text and nothing was run, because {reason}. If it was meant as a call, write it "
    "again in the form described at the top, with the opening line that is told at the very end."
)


@dataclass(frozen=True, slots=True)
class ToolDescription:
    """The tools as prompt text. `omitted` names those for which there was no room."""

    text: str
    omitted: tuple[str, ...] = ()


def describe_tools(tools: Sequence[Tool], limit: int) -> ToolDescription:
    """Describe the tools within `limit` bytes: in full, in short, or by names and arguments only."""
    for render in (_in_full, _in_short, _signature):
        text = _joined(tools, render)
        if len(text.encode("utf-8", "replace")) <= limit:
            return ToolDescription(text)
    count = _fitting(tools, limit)
    omitted = tuple(tool.upstream_name for tool in tools[count:])
    return ToolDescription(_joined(tools[:count], _signature), omitted)


def closing(conversation: Conversation, key: str) -> str:
    """Return the instructions after the conversation: how a call begins in this answer, and which calls are required."""
    choice = conversation.choice
    if not conversation.tools:
        return ""
    if choice.mode == "none":
        return NONE_NOW
    return "".join(_closing(conversation, key))


def _closing(conversation: Conversation, key: str) -> Iterator[str]:
    # The block is closed, because an open fence would look as if the answer began inside it.
    yield f"In this answer each call looks like this:\n\n{_form(key)}\n"
    if conversation.parallel_tool_calls is False:
        yield "Write one call at most.\n"
    match conversation.choice.mode:
        case "required":
            yield "In this answer you must call a tool.\n"
        case "named":
            yield f"In this answer you must call {conversation.choice.upstream_name}.\n"


def correction(text: str, tools: Mapping[str, Tool]) -> str:
    """Return the note that follows an earlier answer with an invalid call; empty without one."""
    reason = rejection_reason(text, tools)
    return CORRECTION.format(reason=reason) if reason else ""


def _joined(tools: Sequence[Tool], render: Callable[[Tool], str]) -> str:
    return "\n".join(map(render, tools))


def _in_full(tool: Tool) -> str:
    about = clip(tool.description.strip(), DESCRIPTION_BYTES)
    return f"## {tool.upstream_name}\n{about}\nArguments, as JSON schema: {_schema(tool)}\n"


def _in_short(tool: Tool) -> str:
    about = clip(tool.description.strip(), SHORT_BYTES)
    return f"## {tool.upstream_name}\n{about}\nArguments, as JSON schema: {_schema(tool)}\n"


def _signature(tool: Tool) -> str:
    properties = tool.schema.get("properties")
    names = ", ".join(properties if isinstance(properties, dict) else ())
    return f"## {tool.upstream_name}\nArguments: {clip(names, SHORT_BYTES) or 'none'}\n"


def _schema(tool: Tool) -> str:
    return orjson.dumps(tool.schema).decode()


def _fitting(tools: Sequence[Tool], limit: int) -> int:
    size = 0
    for count, tool in enumerate(tools):
        size += len(_signature(tool).encode("utf-8", "replace")) + 1
        if size > limit:
            return count
    return len(tools)
