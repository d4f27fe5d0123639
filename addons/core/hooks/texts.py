"""The texts in items and events: finds each, and replaces it.

Names, ids, kinds and what only the upstream can read are no texts. The arguments of a function call are JSON in a string: the
strings inside are the texts. Never does: change a value in place. Invariant: what holds no changed text is returned as the
same object; the result for an item depends on that item alone, so that a longer history has the shorter one as its prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from addons.core.json_values import loads_exactly

MapText = Callable[[str], str]

NO_TEXTS = frozenset(
    {
        "annotations", "call_id", "content_index", "created_at", "detail", "encrypted_content", "execution",
        "file_data", "file_id", "id", "image_url", "index", "internal_chat_message_metadata_passthrough", "item_id",
        "logprobs", "model", "name", "namespace", "object", "obfuscation", "output_index", "phase",
        "previous_response_id", "prompt_cache_key", "response_id", "role", "sequence_number", "signature", "status",
        "summary_index", "tool_choice", "type", "usage",
    }
)  # fmt: skip
"""Members of items and events that are no texts, nor hold any."""
ARGUMENTS = "arguments"


def map_texts(value: object, change: MapText) -> object:
    """Return a parsed JSON value with every text changed; the same object if none is."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return _members(value, change)
    if isinstance(value, list):
        changed = [map_texts(each, change) for each in value]
        is_same = all(new is old for new, old in zip(changed, value, strict=True))
        return value if is_same else changed
    return value


def _members(value: Mapping[str, object], change: MapText) -> object:
    changed: dict[str, object] = {}
    for name, member in value.items():
        if name in NO_TEXTS:
            continue
        is_json = name == ARGUMENTS and isinstance(member, str)
        new = map_arguments(str(member), change) if is_json else map_texts(member, change)
        if new is not member and new != member:
            changed[name] = new
    return {**value, **changed} if changed else value


def map_arguments(text: str, change: MapText) -> str:
    """Return the arguments of a call with the strings inside changed; the same text if none is."""
    try:
        parsed = loads_exactly(text.encode("utf-8", "surrogatepass"))
    except orjson.JSONDecodeError:
        # the model wrote no JSON
        return change(text)
    changed = _all_strings(parsed, change)
    return text if changed == parsed else orjson.dumps(changed).decode()


def _all_strings(value: object, change: MapText) -> object:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _all_strings(member, change) for name, member in value.items()}
    if isinstance(value, list):
        return [_all_strings(each, change) for each in value]
    return value
