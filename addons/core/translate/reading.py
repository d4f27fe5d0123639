"""A Responses request body as a `Conversation`.

Source: OpenAI API reference, "Create a response"; what Codex sends beyond it. Knows no upstream but the lineage whose
reasoning may go back. Invariant: total (any JSON object gives a Conversation or a Problem), and the items of a history
are a prefix of the items of its extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from addons.core.errors import Problem
from addons.core.translate.compaction import ask_for_summary
from addons.core.translate.conversation import (
    Conversation,
    Item,
    Json,
    Sampling,
    System,
    TextFormat,
)
from addons.core.translate.reading_items import STATELESS, ItemReader, carries_tools
from addons.core.translate.reading_parts import Unreadable
from addons.core.translate.tools import (
    Declared,
    WireNames,
    allowed_tools,
    read_choice,
    read_tools,
)
from addons.core.values import obj

SERVER_STATE = ("previous_response_id", "conversation", "prompt")
"""Fields that name what only OpenAI's servers hold."""


def read_request(payload: Mapping[str, object], lineage: str) -> Conversation | Problem:
    """Read a whole body. `lineage` is that of the target (`Target.lineage`)."""
    try:
        return _read(payload, lineage)
    except Unreadable as unreadable:
        return unreadable.problem()


def _read(payload: Json, lineage: str) -> Conversation | Problem:
    for key in SERVER_STATE:
        if payload.get(key):
            raise Unreadable(where=key, why=STATELESS)
    raw_items = _raw_items(payload.get("input"))
    declared = _declared(payload.get("tools"), raw_items)
    if isinstance(declared, Problem):
        return declared
    choice = read_choice(payload.get("tool_choice"), declared.tools)
    if isinstance(choice, Problem):
        return choice
    items, dropped = _items(payload, raw_items, ItemReader(lineage, WireNames(declared.tools)))
    text = obj(payload.get("text"))
    conversation = Conversation(
        items=items,
        tools=allowed_tools(payload.get("tool_choice"), declared.tools),
        choice=choice,
        parallel_tool_calls=_boolean(payload.get("parallel_tool_calls")),
        effort=_string(obj(payload.get("reasoning")).get("effort")),
        text_format=_text_format(text.get("format")),
        verbosity=_string(text.get("verbosity")),
        sampling=_sampling(payload),
        cache_key=_string(payload.get("prompt_cache_key")),
        stream=payload.get("stream") is True,
        dropped=declared.dropped + dropped,
        echo=payload,
    )
    return ask_for_summary(conversation) if _wants_compaction(raw_items) else conversation


def _raw_items(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list):
        raise Unreadable(where="input", why="is neither a string nor a list of items.")
    return value


def _declared(tools: object, raw_items: list[object]) -> Declared | Problem:
    """The request's own tools first, so that tools which arrive later change no earlier one."""
    if tools is not None and not isinstance(tools, list):
        raise Unreadable(where="tools", why="is not a list.")
    listed: list[object] = list(tools or ())
    for place, item in enumerate(raw_items):
        if not isinstance(item, dict) or not carries_tools(item):
            continue
        carried = item.get("tools", [])
        if not isinstance(carried, list):
            raise Unreadable(where=f"input[{place}].tools", why="is not a list.")
        listed.extend(carried)
    return read_tools(listed)


def _items(
    payload: Json, raw_items: list[object], reader: ItemReader
) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    instructions = payload.get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise Unreadable(where="instructions", why="is not a string.")
    if instructions:
        reader.items.append(System(instructions))
    for place, item in enumerate(raw_items):
        reader.read(item, f"input[{place}]")
    if not reader.items:
        raise Unreadable(where="input", why="is empty. Send at least one message.")
    return tuple(reader.items), tuple(reader.dropped)


def _wants_compaction(raw_items: list[object]) -> bool:
    last = raw_items[-1] if raw_items else None
    return isinstance(last, dict) and last.get("type") == "compaction_trigger"


def _text_format(value: object) -> TextFormat | None:
    form = obj(value)
    kind = form.get("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return TextFormat("json_object")
    # Some clients nest the schema as chat completions do.
    body = obj(form.get("json_schema")) or form
    if kind != "json_schema" or not isinstance(body.get("schema"), dict):
        raise Unreadable(
            where="text.format", why="is neither text, json_object nor a json_schema with a schema."
        )
    return TextFormat(
        "json_schema",
        _string(body.get("name")) or "output",
        obj(body.get("schema")),
        _boolean(body.get("strict")),
        _string(body.get("description")) or "",
    )


def _sampling(payload: Json) -> Sampling:
    limit = payload.get("max_output_tokens")
    return Sampling(
        limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else None,
        _number(payload, "temperature"),
        _number(payload, "top_p"),
    )


def _number(payload: Json, key: Literal["temperature", "top_p"]) -> float | None:
    value = payload.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
