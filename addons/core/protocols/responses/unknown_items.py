"""Reads input items that have no meaning of their own here: what they say is passed on as text, the rest is noted.

Such items are messages between agents, items of newer clients, and items that lack a required field. Source: the items
that Codex 0.169 and 0.171 send with `multi_agent_v2`. Never fails: an item stays in the history of its thread, so a
refusal would end the thread. Invariant: an item becomes the same content in every later request.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.core.json_values import JsonObject
from addons.core.protocols.canonical.conversation import (
    Assistant,
    Image,
    Item,
    Part,
    System,
    Text,
    User,
)
from addons.core.protocols.responses.request_parts import read_parts, text_of, type_name
from addons.core.turn import printable

CONTENT_FIELDS = ("content", "text", "message", "output", "summary", "input", "arguments")
"""Where an unknown item may have its content. The first field with content counts."""
AGENT_LABEL = "[message from the agent {author} to {recipient}]\n"
LABEL = "[{kind}]\n"
MAX_NAME_LENGTH = 80
MESSAGE = "message"


def read_agent_message(item: JsonObject, where: str, dropped: list[str]) -> tuple[Item, ...]:
    """Read a message of another agent: text of the user that names both agents."""
    parts = read_parts(item.get("content"), f"{where}.content", dropped)
    if not parts:
        dropped.append(f"{where}: a message of an agent without content")
        return ()
    author, recipient = _name(item.get("author")), _name(item.get("recipient"))
    return _user(AGENT_LABEL.format(author=author, recipient=recipient), parts)


def read_unknown(item: JsonObject, where: str, dropped: list[str]) -> tuple[Item, ...]:
    """Read an item of an unknown type or form: its text, under the role that it names."""
    kind = type_name(item)
    parts = _content(item, where, dropped)
    if not parts:
        dropped.append(f"{where}: item of the type {kind}")
        return ()
    dropped.append(f"{where}: item of the type {kind}, except its text")
    label = "" if kind in {MESSAGE, "(none)"} else LABEL.format(kind=kind)
    text, images = text_of(parts), tuple(part for part in parts if isinstance(part, Image))
    below: tuple[Item, ...] = (User(images),) if images else ()
    match item.get("role"):
        case "system" | "developer" if text:
            return (System(label + text), *below)
        case "assistant" if text:
            return (Assistant(label + text), *below)
    if text and kind.endswith("_call"):
        return (Assistant(label + text), *below)
    return _user(label, parts)


def as_messages(item: JsonObject) -> list[JsonObject]:
    """Return an item of a client's own type as messages that every server of the Responses API knows."""
    notes: list[str] = []
    is_agent = item.get("type") == "agent_message"
    read = read_agent_message if is_agent else read_unknown
    return [_message(one) for one in read(item, "input", notes)]


def _message(item: Item) -> JsonObject:
    if isinstance(item, User):
        return {"type": MESSAGE, "role": "user", "content": [_part(part) for part in item.parts]}
    role, kind = ("assistant", "output_text")
    if isinstance(item, System):
        role, kind = ("developer", "input_text")
    text = item.text if isinstance(item, System | Assistant) else ""
    return {"type": MESSAGE, "role": role, "content": [{"type": kind, "text": text}]}


def _part(part: Part) -> JsonObject:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    return {"type": "input_image", "image_url": part.url, "detail": part.detail or "auto"}


def _content(item: Mapping[str, object], where: str, dropped: list[str]) -> tuple[Part, ...]:
    for name in CONTENT_FIELDS:
        if parts := read_parts(item.get(name), f"{where}.{name}", dropped):
            return parts
    return ()


def _user(label: str, parts: tuple[Part, ...]) -> tuple[Item, ...]:
    """Return a user message with one text, because servers join several in different ways."""
    text = label + text_of(parts)
    images = tuple(part for part in parts if isinstance(part, Image))
    return (User((*((Text(text),) if text else ()), *images)),)


def _name(value: object) -> str:
    return printable(value)[:MAX_NAME_LENGTH] if isinstance(value, str) and value else "(unnamed)"
