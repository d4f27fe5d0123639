"""The worked example of `docs/add-a-provider.md`: Ollama's own chat protocol, one JSON object a line, in one file.

Source: Ollama API reference, "Generate a chat completion". Never reads a clock, a file or a network. Invariant: any
bytes, cut into any reads, give the same events; an answer that did not say `done` fails.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

import orjson

from addons.core.byok_catalog import byok_entry
from addons.core.errors import Problem
from addons.core.keys import KeySource
from addons.core.model_row import ModelRow
from addons.core.providers.byok import Byok
from addons.core.routes import Route
from addons.core.target import Target
from addons.core.translate.conversation import (
    Call,
    Conversation,
    Image,
    Part,
    System,
    Text,
    Tool,
    User,
)
from addons.core.translate.events import (
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
from addons.core.translate.grouping import Exchange, Turn, turns_of
from addons.core.translate.reading import read_request
from addons.core.usage import Usage

Json = dict[str, object]


# --- the request: a conversation → what the upstream reads ----------------------------------------------


def write_request(conversation: Conversation, target: Target) -> bytes | Problem:
    """The body for a streamed answer."""
    messages = [each for turn in turns_of(conversation.items) for each in _messages(turn)]
    functions = [
        {"name": tool.wire_name, "description": tool.description, "parameters": tool.schema}
        for tool in conversation.tools
    ]
    tools = [{"type": "function", "function": function} for function in functions]
    body = {"model": target.model, "messages": messages, "tools": tools, "stream": True}
    return orjson.dumps(body, default=dict)


def _messages(turn: Turn) -> Iterator[Json]:
    if isinstance(turn, System):
        yield {"role": "system", "content": turn.text}
    elif isinstance(turn, User):
        yield {"role": "user", **_content(turn.parts)}
    else:
        yield from _exchange(turn)


def _exchange(exchange: Exchange) -> Iterator[Json]:
    """An answer, and one tool message for each of its calls: `turns_of` has seen to it that none is missing."""
    said = "".join(getattr(block, "text", "") for block in exchange.blocks)
    names = {call.call_id: call.wire_name for call in exchange.calls}
    calls = [
        {"function": {"name": call.wire_name, "arguments": _arguments(call)}}
        for call in exchange.calls
    ]
    yield {"role": "assistant", "content": said, "tool_calls": calls}
    for output in exchange.answers:
        yield {"role": "tool", "tool_name": names[output.call_id], **_content(output.parts)}


def _arguments(call: Call) -> object:
    """Ollama wants an object. The free text of a custom tool, and what a model got wrong, is kept inside one."""
    if call.kind is CallKind.CUSTOM:
        return {"input": call.arguments}
    try:
        value = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {"invalid_arguments": call.arguments}


def _content(parts: Sequence[Part]) -> Json:
    text = "\n".join(part.text for part in parts if isinstance(part, Text))
    images = [part.url.partition(",")[2] for part in parts if isinstance(part, Image)]
    return {"content": text, **({"images": images} if images else {})}


# --- the answer: the upstream's bytes → canonical events -----------------------------------------------


class LineReader:
    """Reads one answer."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._rest = b""
        self._calls = 0
        self._over = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """What one network read means: a line may lie across two of them."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for line in lines for event in self._line(line)]

    def finish(self) -> Sequence[Event]:
        """The body is over. Without `done` it was cut, however whole it looks."""
        events = list(self._line(self._rest))
        return events if self._over else [*events, Failed(_cut())]

    def _line(self, line: bytes) -> Iterator[Event]:
        if self._over or not line.strip():
            return
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict) or "error" in said:
            self._over = True
            why = said["error"] if isinstance(said, dict) else "a line that is no JSON object"
            yield Failed(_broken(why))
            return
        yield from self._message(said.get("message"))
        if said.get("done") is True:
            self._over = True
            yield UsageSeen(_usage(said))
            yield Stopped(self._reason(said))

    def _message(self, message: object) -> Iterator[Event]:
        if not isinstance(message, dict):
            return
        if thought := message.get("thinking"):
            yield ReasoningDelta(str(thought))
        if text := message.get("content"):
            yield TextDelta(str(text))
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            yield from self._call(call)

    def _call(self, call: object) -> Iterator[Event]:
        """A call comes whole, without an id: its place in the thread makes one."""
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
        yield ToolCallDelta(index, _given(function.get("arguments"), tool))
        yield ToolCallEnd(index)

    def _reason(self, said: Json) -> StopReason:
        if said.get("done_reason") == "length":
            return StopReason.LENGTH
        return StopReason.TOOL_CALLS if self._calls else StopReason.END


def _given(arguments: object, tool: Tool | None) -> str:
    """JSON text for a function; of a custom tool the text that was wrapped into an object for the model."""
    if tool and tool.kind is CallKind.CUSTOM and isinstance(arguments, dict):
        return str(arguments.get("input", ""))
    return orjson.dumps(arguments or {}).decode()


def reader(conversation: Conversation, target: Target) -> LineReader:  # noqa: ARG001  one target like another
    """A reader of the answer."""
    return LineReader(conversation)


def _usage(said: Json) -> Usage:
    tokens_in, tokens_out = said.get("prompt_eval_count"), said.get("eval_count")
    given = [count if isinstance(count, int) else 0 for count in (tokens_in, tokens_out)]
    return Usage(given[0], 0, given[1], 0, sum(given))


def _cut() -> Problem:
    return Problem(502, "stream_interrupted", "Ollama's answer was cut. Send the turn again.")


def _broken(why: object) -> Problem:
    return Problem(502, "upstream_protocol", f"Ollama answered: {why}. Send the turn again.")


# --- the route: what the table needs to know -----------------------------------------------------------


def route(
    target: Target, key: KeySource, ids: Callable[[], str], clock: Callable[[], float]
) -> Route:
    """One model of this provider."""
    plans = Byok(
        target=target,
        key=key,
        dialect=sys.modules[__name__],  # a dialect is a module
        read=read_request,
        ids=ids,
        clock=clock,
    )
    row = ModelRow(target.slug, target.display_name, target.provider, target.model, target)
    entry = byok_entry(row, target, 0)
    return Route(target.slug, target.display_name, target.provider, target.model, entry, plans.plan)
