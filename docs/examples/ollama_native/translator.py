"""Translator of Ollama's native chat protocol, one JSON object per line. The example of docs/add-a-provider.md.

Source: Ollama API reference, "Generate a chat completion". Never reads a clock, a file or a network. Invariant: the
same bytes give the same events however reads split them; an answer without `done` fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from addons.core.errors import Problem
from addons.core.json_values import JsonDict
from addons.core.protocols.canonical.conversation import (
    Call,
    Conversation,
    Image,
    Part,
    System,
    Text,
    Tool,
    User,
)
from addons.core.protocols.canonical.events import (
    CallKind,
    Event,
    Failed,
    ReasoningDelta,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageSeen,
)
from addons.core.protocols.canonical.turns import Exchange, Turn, group_turns
from addons.core.upstream.target import Target
from addons.core.usage import Usage

# --- request: conversation → body -----------------------------------------------------------------------


def write_request(conversation: Conversation, target: Target) -> bytes | Problem:
    """Return the body that asks for a streamed answer."""
    turns = group_turns(conversation.items)
    messages = [message for turn in turns for message in _messages(turn)]
    functions = [
        {"name": tool.upstream_name, "description": tool.description, "parameters": tool.schema}
        for tool in conversation.tools
    ]
    tools = [{"type": "function", "function": function} for function in functions]
    body = {"model": target.model, "messages": messages, "tools": tools, "stream": True}
    return orjson.dumps({**body, **target.extra_body}, default=dict)


def _messages(turn: Turn) -> Iterator[JsonDict]:
    if isinstance(turn, System):
        yield {"role": "system", "content": turn.text}
    elif isinstance(turn, User):
        yield {"role": "user", **_content(turn.parts)}
    else:
        yield from _exchange(turn)


def _exchange(exchange: Exchange) -> Iterator[JsonDict]:
    """Yield an answer and one tool message for each of its calls. `group_turns` guarantees an output for every call."""
    text = "".join(getattr(block, "text", "") for block in exchange.blocks)
    names = {call.call_id: call.upstream_name for call in exchange.calls}
    calls = [
        {"function": {"name": call.upstream_name, "arguments": _arguments(call)}}
        for call in exchange.calls
    ]
    yield {"role": "assistant", "content": text, "tool_calls": calls}
    for output in exchange.answers:
        yield {"role": "tool", "tool_name": names[output.call_id], **_content(output.parts)}


def _arguments(call: Call) -> object:
    """Return the arguments as the object that Ollama requires. Free text and malformed JSON are wrapped into one."""
    if call.kind is CallKind.CUSTOM:
        return {"input": call.arguments}
    try:
        value = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {"invalid_arguments": call.arguments}


def _content(parts: Sequence[Part]) -> JsonDict:
    text = "\n".join(part.text for part in parts if isinstance(part, Text))
    images = [part.url.partition(",")[2] for part in parts if isinstance(part, Image)]
    return {"content": text, **({"images": images} if images else {})}


# --- answer: bytes → canonical events -------------------------------------------------------------------


class LineReader:
    """Reads one answer."""

    awaits_end = False
    """Nothing follows the line that says `done`, so an answer is never complete before its body ends."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._rest = b""
        self._calls = 0
        self._over = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """Return the events of the lines that one network read completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for line in lines for event in self._line(line)]

    def finish(self) -> Sequence[Event]:
        """Return the last events. A body without `done` was cut, even if its last line is whole."""
        events = list(self._line(self._rest))
        return events if self._over else [*events, Failed(CUT)]

    def _line(self, line: bytes) -> Iterator[Event]:
        if self._over or not line.strip():
            return
        try:
            chunk = orjson.loads(line)
        except orjson.JSONDecodeError:
            chunk = None
        if not isinstance(chunk, dict) or "error" in chunk:
            self._over = True
            reason = (
                chunk["error"] if isinstance(chunk, dict) else "a line that is not a JSON object"
            )
            yield Failed(_invalid_problem(reason))
            return
        yield from self._message(chunk.get("message"))
        if chunk.get("done") is True:
            self._over = True
            yield UsageSeen(_usage(chunk))
            yield Stopped(self._stop_reason(chunk))

    def _message(self, message: object) -> Iterator[Event]:
        if not isinstance(message, dict):
            return
        if reasoning := message.get("thinking"):
            yield ReasoningDelta(str(reasoning))
        if text := message.get("content"):
            yield TextDelta(str(text))
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            yield from self._call(call)

    def _call(self, call: object) -> Iterator[Event]:
        """Yield the events of one call. It is always complete and has no id, so its position in the thread makes one."""
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            return
        name, index = str(function.get("name")), self._calls
        self._calls += 1
        tool = self._conversation.tool(name)
        call_id = f"call_{len(self._conversation.items)}_{index}"
        if tool is None:
            yield ToolCallStart(index, call_id, name)
        else:
            yield ToolCallStart(index, call_id, tool.name, tool.namespace, tool.kind)
        yield ToolCallDelta(index, _argument_text(function.get("arguments"), tool))
        yield ToolCallEnd(index)

    def _stop_reason(self, chunk: JsonDict) -> StopReason:
        if chunk.get("done_reason") == "length":
            return StopReason.LENGTH
        return StopReason.TOOL_CALLS if self._calls else StopReason.END


def _argument_text(arguments: object, tool: Tool | None) -> str:
    """Return JSON text for a function, and the unwrapped text for a custom tool."""
    if tool and tool.kind is CallKind.CUSTOM and isinstance(arguments, dict):
        return str(arguments.get("input", ""))
    return orjson.dumps(arguments or {}).decode()


def reader(conversation: Conversation, target: Target) -> LineReader:  # noqa: ARG001  part of the interface
    """Return a reader of the answer."""
    return LineReader(conversation)


def _usage(chunk: JsonDict) -> Usage:
    counts = [chunk.get("prompt_eval_count"), chunk.get("eval_count")]
    tokens = [count if isinstance(count, int) else 0 for count in counts]
    return Usage(tokens[0], 0, tokens[1], 0, sum(tokens))


CUT = Problem(502, "stream_interrupted", "Ollama's answer ended too early. Send the turn again.")


def _invalid_problem(reason: object) -> Problem:
    return Problem(502, "upstream_protocol", f"Ollama answered: {reason}. Send the turn again.")
