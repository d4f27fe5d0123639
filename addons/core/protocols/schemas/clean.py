"""What a server gets of the schemas of a tool and of a structured answer: cleaned, and with property names that it takes.

Equal schemas are cleaned, and searched for names, once.

Invariant: pure; callers do not change a result, because the next turn gets it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import orjson

from addons.core.json_values import JsonDict, JsonObject
from addons.core.protocols.canonical.argument_repair import ArgumentStream
from addons.core.protocols.canonical.conversation import Call, Conversation, Tool
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.schemas.cleaning import Cleaner
from addons.core.protocols.schemas.key_names import NO_NAMES, KeyNames, RestoringStream, sent_name
from addons.core.protocols.schemas.levels import LEVELS, STRICT, SUBSET, WORDS, Level
from addons.core.upstream.profile import SchemaCleaning

Schema = Mapping[str, object]

MAX_BYTES = 100_000
"""Moonshot refuses a schema of more than 120,000 bytes. A longer one is cleaned at the next level."""
MAX_CACHED_BYTES = 1 << 18
MAX_SCANNED = 50_000
"""How many values of a schema are looked at for names."""
ROOT_REFUSED = frozenset({"oneOf", "anyOf", "allOf", "enum", "not", "const", "$ref"})


def clean_schema(schema: Schema, cleaning: SchemaCleaning) -> JsonDict:
    """Return the schema of a tool. Its properties have the names of `key_names`."""
    if cleaning == "none" and _is_plain_object(schema):
        return {**schema, "type": "object", "properties": schema.get("properties", {})}
    return _result(schema, cleaning, "tool") or {"type": "object", "properties": {}}


def _is_plain_object(schema: Schema) -> bool:
    is_object = schema.get("type", "object") == "object"
    return (
        is_object
        and not ROOT_REFUSED & schema.keys()
        and isinstance(schema.get("properties", {}), dict)
    )


def clean_answer(schema: Schema, cleaning: SchemaCleaning) -> JsonDict:
    """Return the schema of a structured answer. Its properties keep their names."""
    return dict(schema) if cleaning == "none" else _result(schema, cleaning, "answer") or {}


def strict_schema(schema: Schema, *, all_required: bool = True) -> JsonDict | None:
    """Return the schema of a tool or an answer for grammar-based decoding; None if a grammar cannot express it.

    With `all_required`, as OpenAI demands, an object with an optional property is one of those.
    """
    return _result(schema, "strict", "all required" if all_required else "strict")


def _result(schema: Schema, level: str, use: str) -> JsonDict | None:
    try:
        data = orjson.dumps(schema, default=dict)
    except (TypeError, ValueError):
        return _cleaned(schema, level, use)
    if len(data) > MAX_CACHED_BYTES:
        return _cleaned(schema, level, use)
    return _cached(data, level, use)


@lru_cache(maxsize=4096)
def _cached(data: bytes, level: str, use: str) -> JsonDict | None:
    return _cleaned(orjson.loads(data), level, use)


def _cleaned(schema: Schema, level: str, use: str) -> JsonDict | None:
    if level == "strict":
        return _strict(schema, all_required=use == "all required")
    result: JsonDict = {}
    names = key_names(schema) if use == "tool" else NO_NAMES
    for one in _ladder(level):
        cleaner = Cleaner(schema, one, names)
        result = cleaner.tool() if use == "tool" else cleaner.answer()
        if _size(result) <= MAX_BYTES:
            break
    return result


def _ladder(level: str) -> tuple[Level, ...]:
    return (LEVELS.get(level, LEVELS["basic"]), SUBSET, WORDS)


def _size(schema: JsonDict) -> int:
    try:
        return len(orjson.dumps(schema))
    except (TypeError, ValueError):
        return MAX_BYTES + 1


def _strict(schema: Schema, *, all_required: bool) -> JsonDict | None:
    cleaner = Cleaner(schema, STRICT)
    result = cleaner.answer()
    if cleaner.is_lossy or key_names(schema) or _size(result) > MAX_BYTES:
        return None
    if all_required and not (result.get("type") == "object" and _requires_all(result)):
        return None
    return result


def _requires_all(schema: object) -> bool:
    if isinstance(schema, list):
        return all(_requires_all(one) for one in schema)
    if not isinstance(schema, Mapping):
        return True
    properties = schema.get("properties")
    names = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required", [])
    if not isinstance(required, list) or set(names) - set(required):
        return False
    return all(map(_requires_all, (*names.values(), schema.get("items"), schema.get("anyOf"))))


def key_names(schema: JsonObject) -> KeyNames:
    """Return the names that differ upstream."""
    try:
        data = orjson.dumps(schema, default=dict)
    except (TypeError, ValueError):
        return _names_in(schema)
    if len(data) > MAX_CACHED_BYTES:
        return _names_in(schema)
    return _cached_names(data)


@lru_cache(maxsize=4096)
def _cached_names(data: bytes) -> KeyNames:
    return _names_in(orjson.loads(data))


def _names_in(schema: JsonObject) -> KeyNames:
    found: dict[str, str] = {}
    waiting: list[object] = [schema]
    for _ in range(MAX_SCANNED):
        if not waiting:
            break
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, Mapping):
            properties = value.get("properties")
            if isinstance(properties, Mapping):
                changed = ((name, sent_name(name)) for name in properties if isinstance(name, str))
                found |= {name: new for name, new in changed if new != name}
            waiting.extend(one for one in value.values() if isinstance(one, dict | list))
    return KeyNames(found) if found else NO_NAMES


def argument_stream(tool: Tool | None) -> ArgumentStream:
    """Return what passes on the arguments of a call of this function."""
    names = key_names(tool.schema) if tool else NO_NAMES
    return RestoringStream(names) if names.sent else ArgumentStream()


def with_sent_names(conversation: Conversation) -> Conversation:
    """Return the conversation with the names upstream in its earlier calls; the same object if none differs."""
    renamed = {
        tool.upstream_name: names
        for tool in conversation.tools
        if tool.kind is CallKind.FUNCTION and (names := key_names(tool.schema)).sent
    }
    if not renamed:
        return conversation
    items = tuple(
        replace(item, arguments=renamed[item.upstream_name].to_sent(item.arguments))
        if isinstance(item, Call) and item.upstream_name in renamed
        else item
        for item in conversation.items
    )
    return replace(conversation, items=items)
