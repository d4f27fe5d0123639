"""A conversation without what its upstream refused: pictures become notes, signed reasoning is left out, names change.

Never parses or hashes anything unless something was refused. Invariant: an item changes by its own content alone, so the
conversation of a history stays a prefix of the conversation of its extension.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import takewhile

from addons.core.protocols.canonical.conversation import (
    Call,
    Conversation,
    Image,
    Item,
    Output,
    Part,
    Reasoning,
    System,
    Text,
    User,
)
from addons.core.protocols.canonical.opaque_reasoning import unwrap
from addons.core.upstream.repair_items import picture_digest, reasoning_digest
from addons.core.upstream.target import Target

PICTURE_NOTE = "[a picture was left out: {model} refused it]"
WHOLE_DESCRIPTION = "The whole description of the tool {name}:\n{text}"
SHORTENED = "… (the whole description is in the instructions)"
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def accepted_conversation(
    conversation: Conversation, target: Target, refused: Collection[str]
) -> Conversation:
    """Return the conversation as this upstream accepts it; the same object if nothing was refused."""
    if refused:
        items = tuple(_accepted_items(conversation.items, target, frozenset(refused)))
        conversation = replace(conversation, items=items)
    if target.profile.tool_names == "word":
        conversation = _with_word_names(conversation)
    if target.profile.max_tool_description:
        conversation = _with_short_descriptions(conversation, target.profile.max_tool_description)
    return conversation


def _accepted_items(
    items: Collection[Item], target: Target, refused: Collection[str]
) -> Iterator[Item]:
    note = Text(PICTURE_NOTE.format(model=target.model))
    for item in items:
        if isinstance(item, User | Output):
            parts = tuple(_accepted_part(part, note, refused) for part in item.parts)
            yield item if parts == item.parts else replace(item, parts=parts)
        elif not (isinstance(item, Reasoning) and _is_refused(item, target, refused)):
            yield item


def _accepted_part(part: Part, note: Text, refused: Collection[str]) -> Part:
    return note if isinstance(part, Image) and picture_digest(part.url) in refused else part


def _is_refused(item: Reasoning, target: Target, refused: Collection[str]) -> bool:
    data = unwrap(item.opaque, target.reasoning_scope) if item.opaque else None
    return data is not None and reasoning_digest(data) in refused


def _with_short_descriptions(conversation: Conversation, limit: int) -> Conversation:
    """Return the conversation with descriptions of tools of at most `limit` bytes, and the whole ones behind the instructions."""
    long = [tool for tool in conversation.tools if len(_utf8(tool.description)) > limit]
    if not long:
        return conversation
    whole = (WHOLE_DESCRIPTION.format(name=one.upstream_name, text=one.description) for one in long)
    note = System("\n\n".join(whole))
    leading = len(tuple(takewhile(lambda item: isinstance(item, System), conversation.items)))
    items = (*conversation.items[:leading], note, *conversation.items[leading:])
    tools = tuple(
        replace(tool, description=shortened(tool.description, limit)) for tool in conversation.tools
    )
    return replace(conversation, items=items, tools=tools)


def shortened(text: str, limit: int) -> str:
    """Return a text of at most `limit` bytes. Servers count bytes or characters, which are fewer."""
    if len(_utf8(text)) <= limit:
        return text
    kept = _utf8(text)[: max(0, limit - len(_utf8(SHORTENED)))].decode("utf-8", "ignore")
    return (kept + SHORTENED) if len(_utf8(SHORTENED)) < limit else kept


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _with_word_names(conversation: Conversation) -> Conversation:
    """Return the conversation with names of tools that are words. `Conversation.tool` finds each by its new name."""
    names: dict[str, str] = {}
    tools = tuple(
        replace(tool, upstream_name=_word_name(tool.upstream_name, names))
        for tool in conversation.tools
    )
    items = tuple(
        replace(item, upstream_name=_word_name(item.upstream_name, names))
        if isinstance(item, Call)
        else item
        for item in conversation.items
    )
    choice = conversation.choice
    if choice.upstream_name:
        choice = replace(choice, upstream_name=_word_name(choice.upstream_name, names))
    return replace(conversation, items=items, tools=tools, choice=choice)


def _word_name(name: str, names: dict[str, str]) -> str:
    """Return a name of letters, digits and underscores, unique among `names`."""
    if name in names:
        return names[name]
    word = name if _WORD.match(name) else f"t_{re.sub('[^A-Za-z0-9_]', '_', name)}"[:60]
    unique, number = word, 1
    while unique in names.values():
        number += 1
        unique = f"{word}_{number}"
    names[name] = unique
    return unique
