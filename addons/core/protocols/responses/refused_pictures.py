"""A native Responses request without what its upstream refused: pictures and files as notes, items of unknown types as messages, shorter call ids.

Never touches another part. Invariants: a body without such items is returned as the same object; a call and its output
keep the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from addons.core.json_values import JsonObject
from addons.core.protocols.canonical.refused_items import WHOLE_DESCRIPTION, shortened
from addons.core.protocols.canonical.turns import openai_call_id
from addons.core.protocols.responses.unknown_items import as_messages
from addons.core.upstream.repair_items import (
    file_digest,
    is_hosted,
    picture_digest,
    step_digest,
)
from addons.core.upstream.repair_own_items import is_own_item
from addons.core.upstream.target import Target

PICTURE_NOTE = "[a picture was left out: {model} refused it]"
FILE_NOTE = "[a file was left out, {name}: {model} refused it]"


def is_changed(target: Target, refused: Collection[str]) -> bool:
    """Return whether `accepted_payload` may change a request."""
    takes_all = target.images and target.files and target.hosted_tools and target.own_items
    profile = target.profile
    return (
        bool(refused)
        or not takes_all
        or profile.call_ids == "openai"
        or bool(profile.max_tool_description)
    )


def accepted_payload(payload: JsonObject, target: Target, refused: Collection[str]) -> JsonObject:
    """Return the request as this upstream accepts it."""
    if not is_changed(target, refused):
        return payload
    changed = _with_accepted_items(payload, target, frozenset(refused))
    if not target.hosted_tools:
        changed = _without_hosted_tools(changed)
    limit = target.profile.max_tool_description
    return _with_short_descriptions(changed, limit) if limit else changed


def _with_accepted_items(
    payload: JsonObject, target: Target, refused: Collection[str]
) -> JsonObject:
    items = payload.get("input")
    if not isinstance(items, list):
        return payload

    def noted(part: object) -> object:
        return _noted(part, target, refused) if isinstance(part, Mapping) else part

    kept = [item for item in items if not _is_refused_step(item, refused)]
    known = kept if target.own_items else [one for item in kept for one in _documented(item)]
    changed = [_with_parts(item, noted) for item in known]
    if target.profile.call_ids == "openai":
        changed = [_with_short_id(item) for item in changed]
    return payload if changed == items else {**payload, "input": changed}


def _noted(part: Mapping[str, object], target: Target, refused: Collection[str]) -> object:
    kind, url = part.get("type"), part.get("image_url")
    if kind == "input_image":
        is_refused = isinstance(url, str) and refused and picture_digest(url) in refused
        note = PICTURE_NOTE.format(model=target.model)
        return _text(note) if is_refused or not target.images else part
    if kind == "input_file" and (not target.files or (refused and file_digest(part) in refused)):
        name = part.get("filename") or "without a name"
        return _text(FILE_NOTE.format(model=target.model, name=name))
    return part


def _text(text: str) -> JsonObject:
    return {"type": "input_text", "text": text}


def _documented(item: object) -> list[object]:
    """Return an item in the form of items that the API documents."""
    return [*as_messages(item)] if isinstance(item, dict) and is_own_item(item) else [item]


def _is_refused_step(item: object, refused: Collection[str]) -> bool:
    if not refused or not isinstance(item, Mapping):
        return False
    digest = step_digest(item)
    return bool(digest) and digest in refused


def _without_hosted_tools(payload: JsonObject) -> JsonObject:
    tools = payload.get("tools")
    if not isinstance(tools, list):
        return payload
    kept = [tool for tool in tools if not (isinstance(tool, Mapping) and is_hosted(tool))]
    return payload if len(kept) == len(tools) else {**payload, "tools": kept}


def _with_parts(item: object, noted: Callable[[object], object]) -> object:
    if not isinstance(item, Mapping):
        return item
    for key in ("content", "output"):
        if isinstance(parts := item.get(key), list):
            item = {**item, key: [noted(part) for part in parts]}
    return item


def _with_short_id(item: object) -> object:
    call_id = item.get("call_id") if isinstance(item, Mapping) else None
    if not isinstance(item, Mapping) or not isinstance(call_id, str):
        return item
    return {**item, "call_id": openai_call_id(call_id)}


def _with_short_descriptions(payload: JsonObject, limit: int) -> JsonObject:
    """Return the request with shorter descriptions of its functions, and the whole ones behind the instructions."""
    tools = payload.get("tools")
    if not isinstance(tools, list):
        return payload
    short = [_with_short_description(tool, limit) for tool in tools]
    whole = [
        WHOLE_DESCRIPTION.format(name=tool.get("name"), text=tool["description"])
        for tool, other in zip(tools, short, strict=True)
        if tool is not other
    ]
    if not whole:
        return payload
    given = payload.get("instructions")
    first = [given] if isinstance(given, str) and given else []
    return {**payload, "tools": short, "instructions": "\n\n".join([*first, *whole])}


def _with_short_description(tool: object, limit: int) -> object:
    described = tool.get("description") if isinstance(tool, Mapping) else None
    if not isinstance(tool, Mapping) or not isinstance(described, str):
        return tool
    short = shortened(described, limit)
    return tool if short == described else {**tool, "description": short}
