"""Convert Responses items to blocks: messages, reasoning, calls and results of requests and answers. Total."""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.json_values import JsonObject, as_object, as_str
from addons.views.json_input import arguments_of
from addons.views.page import Block

FOLDED_ROLES = frozenset({"system", "developer"})


def block_of(item: object) -> Block:
    """Return the block of one item."""
    fields = as_object(item)
    kind = as_str(fields.get("type")) or ("message" if "role" in fields else "")
    if kind == "message":
        role = as_str(fields.get("role"))
        return Block(
            role.upper() or "MESSAGE",
            content_text(fields.get("content")),
            folded=role in FOLDED_ROLES,
        )
    if kind == "reasoning":
        return Block("REASONING", reasoning_text(fields))
    if kind.endswith("_output"):
        return Block(
            f"RESULT · {as_str(fields.get('call_id'))}", content_text(fields.get("output"))
        )
    if kind.endswith("_call"):
        return _call(fields, kind)
    rest = {key: value for key, value in fields.items() if key != "type"}
    return Block(kind.upper() or "ITEM", value=rest if fields else item)


def _call(item: JsonObject, kind: str) -> Block:
    name = ".".join(filter(None, (as_str(item.get("namespace")), as_str(item.get("name")))))
    title = f"CALL {name or kind} · {as_str(item.get('call_id')) or as_str(item.get('id'))}"
    text = as_str(item.get("input")) or as_str(item.get("arguments"))
    value = item.get("action") or arguments_of(text)
    return Block(title, text, value)


def reasoning_text(item: JsonObject) -> str:
    """Return the readable text of a reasoning item."""
    texts = [content_text(item.get("summary")), content_text(item.get("content"))]
    encrypted = as_str(item.get("encrypted_content"))
    if encrypted:
        texts.append(f"[encrypted: {len(encrypted):,} characters]")
    return "\n".join(text for text in texts if text)


def content_text(content: object) -> str:
    """Return the text of content, a string or parts. A part without text is named."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content] if content else []
    return "\n".join(_part_texts(parts))


def _part_texts(parts: list[object]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
            continue
        fields = as_object(part)
        text = fields.get("text") or fields.get("refusal")
        yield text if isinstance(text, str) else part_label(fields)


def part_label(part: JsonObject) -> str:
    """Return the kind and size of a part that is not text."""
    kind = as_str(part.get("type")) or "part"
    for key in ("image_url", "file_data", "file_id", "source", "data"):
        if key in part:
            return f"[{kind}: {_described(part[key])}]"
    return f"[{kind}]"


def _described(source: object) -> str:
    fields = as_object(source)
    url = as_str(fields.get("url")) or as_str(fields.get("data")) or as_str(source)
    media = as_str(fields.get("media_type")) or (
        url.partition(";")[0].removeprefix("data:") if url.startswith("data:") else ""
    )
    return " ".join(filter(None, (media[:60], f"{len(url):,} characters")))
