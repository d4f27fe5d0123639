"""A conversation as a request of the Anthropic messages API, and the reader of its answer: one `Dialect`.

Source: Anthropic API reference, "Messages", "Extended thinking", "Adaptive thinking", "Structured outputs". Never
looks at a model's name: what differs is in its profile. Invariant: without its cache markers and the stand-ins at its
end, the body of h is a prefix of the body of h+x.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

import orjson

from addons.core.errors import Problem
from addons.core.target import Target
from addons.core.translate.cache_marks import mark
from addons.core.translate.conversation import Conversation, System
from addons.core.translate.grouping import turns_of
from addons.core.translate.messages_blocks import Block, messages_of, text_block
from addons.core.translate.messages_knobs import format_tool, knobs, tools_of
from addons.core.wire.messages import MessagesReader

TOO_DEEP = "The request of {slug} holds JSON that is nested too deep or cannot be written ({why}). Start a new thread, or simplify the tools' schemas."


def write_request(conversation: Conversation, target: Target) -> bytes | Problem:
    """The body for a streamed answer."""
    body = _merged(_body(conversation, target), target.extra_body)
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        return Problem(400, "invalid_prompt", TOO_DEEP.format(slug=target.slug, why=error))


def reader(conversation: Conversation, target: Target) -> MessagesReader:
    """A reader of the streamed answer; also takes a whole JSON answer."""
    return MessagesReader(conversation, target, format_tool(conversation, target))


def _body(conversation: Conversation, target: Target) -> dict[str, Any]:
    leading = tuple(takewhile(lambda item: isinstance(item, System), conversation.items))
    written = messages_of(turns_of(conversation.items[len(leading) :]), target)
    asked = knobs(conversation, target, written.messages)
    tools, system, messages = mark(
        tools_of(conversation, target),
        [*_system(leading), *text_block(asked.instruction)],
        written.messages,
        written.passing,
    )
    return {
        "model": target.model,
        **({"tools": tools} if tools else {}),
        **({"system": system} if system else {}),
        "messages": messages,
        **asked.fields,
        "stream": True,
    }


def _system(leading: tuple[object, ...]) -> Iterator[Block]:
    for item in leading:
        if isinstance(item, System):
            yield from text_block(item.text)


def _merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the row's own fields laid over it, nested objects merged."""
    merged = dict(body)
    for key, value in extra.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(below, value)
        else:
            merged[key] = value
    return merged
