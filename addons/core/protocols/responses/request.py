"""Reads a Responses request body into a `Conversation`.

Source: OpenAI API reference, "Create a response"; what Codex sends beyond it. Knows nothing of the upstream except the
reasoning scope. Invariant: total (any JSON object gives a `Conversation` or a `Problem`); the items of a history are a
prefix of the items of its extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from addons.core.errors import Problem
from addons.core.json_values import JsonObject, as_object
from addons.core.protocols.canonical.conversation import (
    Conversation,
    Item,
    Sampling,
    System,
    TextFormat,
)
from addons.core.protocols.canonical.tools import (
    DeclaredTools,
    UpstreamNames,
    allowed_tools,
    read_tool_choice,
    read_tools,
)
from addons.core.protocols.responses.compaction import request_summary
from addons.core.protocols.responses.request_items import (
    STATELESS,
    TOOL_CARRIERS,
    ItemReader,
    UnreadableInputError,
)

SERVER_STATE = ("previous_response_id", "conversation", "prompt")
"""Fields that refer to state on OpenAI's servers."""


def read_request(payload: Mapping[str, object], reasoning_scope: str) -> Conversation | Problem:
    """Read a request body. `reasoning_scope` is `Target.reasoning_scope`."""
    try:
        return _read(payload, reasoning_scope)
    except UnreadableInputError as error:
        return error.problem()


def _read(payload: JsonObject, reasoning_scope: str) -> Conversation | Problem:
    for key in SERVER_STATE:
        if payload.get(key):
            raise UnreadableInputError(where=key, why=STATELESS)
    raw_items = _raw_items(payload.get("input"))
    declared = _declared(payload.get("tools"), raw_items)
    choice = read_tool_choice(payload.get("tool_choice"), declared.tools)
    if isinstance(choice, Problem):
        return choice
    items, dropped = _items(
        payload, raw_items, ItemReader(reasoning_scope, UpstreamNames(declared.tools))
    )
    text = as_object(payload.get("text"))
    conversation = Conversation(
        items=items,
        tools=allowed_tools(payload.get("tool_choice"), declared.tools),
        choice=choice,
        parallel_tool_calls=_boolean(payload.get("parallel_tool_calls")),
        effort=_string(as_object(payload.get("reasoning")).get("effort")),
        text_format=_text_format(text.get("format")),
        verbosity=_string(text.get("verbosity")),
        sampling=_sampling(payload),
        cache_key=_string(payload.get("prompt_cache_key")),
        stream=payload.get("stream") is True,
        dropped=declared.dropped + dropped,
        echo=payload,
    )
    return request_summary(conversation) if _wants_compaction(raw_items) else conversation


def _raw_items(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list):
        raise UnreadableInputError(where="input", why="is neither a string nor a list of items.")
    return value


def _declared(tools: object, raw_items: list[object]) -> DeclaredTools:
    """Read the request's own tools first, so that tools of later items change no earlier name."""
    if tools is not None and not isinstance(tools, list):
        raise UnreadableInputError(where="tools", why="is not a list.")
    listed: list[object] = list(tools or ())
    notes: list[str] = []
    for index, item in enumerate(raw_items):
        if not isinstance(item, dict) or item.get("type") not in TOOL_CARRIERS:
            continue
        carried = item.get("tools", [])
        if isinstance(carried, list):
            listed.extend(carried)
        else:
            notes.append(f"input[{index}].tools: not a list")
    declared = read_tools(listed)
    return replace(declared, dropped=(*notes, *declared.dropped)) if notes else declared


def _items(
    payload: JsonObject, raw_items: list[object], reader: ItemReader
) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    instructions = payload.get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise UnreadableInputError(where="instructions", why="is not a string.")
    if instructions:
        reader.items.append(System(instructions))
    for index, item in enumerate(raw_items):
        reader.read(item, f"input[{index}]")
    if not reader.items:
        raise UnreadableInputError(where="input", why="is empty. Send at least one message.")
    return tuple(reader.items), tuple(reader.dropped)


def _wants_compaction(raw_items: list[object]) -> bool:
    last = raw_items[-1] if raw_items else None
    return isinstance(last, dict) and last.get("type") == "compaction_trigger"


def _text_format(value: object) -> TextFormat | None:
    if value is None:
        return None
    text_format = as_object(value)
    kind = text_format.get("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return TextFormat("json_object")
    # Some clients nest the schema as the chat completions API does.
    body = as_object(text_format.get("json_schema")) or text_format
    if kind != "json_schema" or not isinstance(body.get("schema"), dict):
        raise UnreadableInputError(
            where="text.format", why="is neither text, json_object nor a json_schema with a schema."
        )
    return TextFormat(
        "json_schema",
        _string(body.get("name")) or "output",
        as_object(body.get("schema")),
        _boolean(body.get("strict")),
        _string(body.get("description")) or "",
    )


def _sampling(payload: JsonObject) -> Sampling:
    limit = payload.get("max_output_tokens")
    return Sampling(
        limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else None,
        _number(payload, "temperature"),
        _number(payload, "top_p"),
    )


def _number(payload: JsonObject, key: Literal["temperature", "top_p"]) -> float | None:
    value = payload.get(key)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
