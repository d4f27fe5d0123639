"""Codex's tools told in words: the tools and their form before the conversation, the key of a call after it.

Never does: write the key, or anything else that is new in each request, before the conversation. Invariant: equal tools
give equal words, which stay below their limit; a tool whose words do not fit is told in fewer, and named when in none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from addons.core.cursor.fences import clip
from addons.core.cursor.tool_form import CLOSE, fence_of, why_no_call
from addons.core.translate.conversation import Conversation, Tool

DESCRIPTION_BYTES = 12_000
SHORT_BYTES = 300
KEY_PLACE = "KEY"


def _form(key: str) -> str:
    return f'{fence_of(key)}\n{{"name": "NAME", "arguments": {{…}}}}\n{CLOSE}\n'


RULES = f"""\
Codex acts here, and you say what it shall do. Any mode that you were told to be in (such as ask or read-only) is about \
your own tools, not about those of Codex: use your own for reading at most, never to change a file, to run a command or \
to reach a network. To have Codex run one of its tools, which stand in the next part, write a block of exactly this \
form, each fence on a line of its own:

{_form(KEY_PLACE)}
{KEY_PLACE} stands for the key of this answer, which is told at the very end; with any other key a block is shown and \
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
class Offer:
    """The tools in words. `left_out` names those for which there was no room."""

    text: str
    left_out: tuple[str, ...] = ()


def offer(tools: Sequence[Tool], limit: int) -> Offer:
    """Describe the tools within so many bytes: in full, shortly, or by their names and arguments."""
    for told in (_in_full, _shortly, _barely):
        text = _joined(tools, told)
        if len(text.encode("utf-8", "replace")) <= limit:
            return Offer(text)
    kept = _fitting(tools, limit)
    return Offer(_joined(tools[:kept], _barely), tuple(tool.wire_name for tool in tools[kept:]))


def closing(conversation: Conversation, key: str) -> str:
    """What is said of calls behind the conversation: how one begins in this answer."""
    choice = conversation.choice
    if not conversation.tools:
        return ""
    if choice.mode == "none":
        return NONE_NOW
    return "".join(_closing(conversation, key))


def _closing(conversation: Conversation, key: str) -> Iterator[str]:
    # Closed, for a fence left open here would look as if the answer had begun inside of it.
    yield f"In this answer each call looks like this:\n\n{_form(key)}\n"
    if conversation.parallel_tool_calls is False:
        yield "Write one call at most.\n"
    match conversation.choice.mode:
        case "required":
            yield "In this answer you must call a tool.\n"
        case "named":
            yield f"In this answer you must call {conversation.choice.wire_name}.\n"


def correction(text: str, tools: Mapping[str, Tool]) -> str:
    """The line that follows an earlier answer whose call went wrong; empty when none did."""
    reason = why_no_call(text, tools)
    return CORRECTION.format(reason=reason) if reason else ""


def _joined(tools: Sequence[Tool], told: Callable[[Tool], str]) -> str:
    return "\n".join(map(told, tools))


def _in_full(tool: Tool) -> str:
    about = clip(tool.description.strip(), DESCRIPTION_BYTES)
    return f"## {tool.wire_name}\n{about}\nArguments, as JSON schema: {_schema(tool)}\n"


def _shortly(tool: Tool) -> str:
    about = clip(tool.description.strip(), SHORT_BYTES)
    return f"## {tool.wire_name}\n{about}\nArguments, as JSON schema: {_schema(tool)}\n"


def _barely(tool: Tool) -> str:
    properties = tool.schema.get("properties")
    names = ", ".join(properties if isinstance(properties, dict) else ())
    return f"## {tool.wire_name}\nArguments: {clip(names, SHORT_BYTES) or 'none'}\n"


def _schema(tool: Tool) -> str:
    return orjson.dumps(tool.schema).decode()


def _fitting(tools: Sequence[Tool], limit: int) -> int:
    size = 0
    for count, tool in enumerate(tools):
        size += len(_barely(tool).encode("utf-8", "replace")) + 1
        if size > limit:
            return count
    return len(tools)
