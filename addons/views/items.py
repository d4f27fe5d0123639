"""Responses items as blocks: messages, reasoning, calls, results, in requests and answers alike. Total."""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.values import obj, string
from addons.views.page import Block
from addons.views.reading import Json, arguments_of

FOLDED_ROLES = frozenset({"system", "developer"})


def block_of(item: object) -> Block:
    """One item."""
    fields = obj(item)
    kind = string(fields.get("type")) or ("message" if "role" in fields else "")
    if kind == "message":
        role = string(fields.get("role"))
        return Block(
            role.upper() or "MESSAGE",
            content_text(fields.get("content")),
            folded=role in FOLDED_ROLES,
        )
    if kind == "reasoning":
        return Block("REASONING", reasoning_text(fields))
    if kind.endswith("_output"):
        return Block(
            f"RESULT · {string(fields.get('call_id'))}", content_text(fields.get("output"))
        )
    if kind.endswith("_call"):
        return _call(fields, kind)
    rest = {key: value for key, value in fields.items() if key != "type"}
    return Block(kind.upper() or "ITEM", value=rest if fields else item)


def _call(item: Json, kind: str) -> Block:
    name = ".".join(filter(None, (string(item.get("namespace")), string(item.get("name")))))
    title = f"CALL {name or kind} · {string(item.get('call_id')) or string(item.get('id'))}"
    text = string(item.get("input")) or string(item.get("arguments"))
    value = item.get("action") or arguments_of(text)
    return Block(title, text, value)


def reasoning_text(item: Json) -> str:
    """What may be read of a reasoning item."""
    texts = [content_text(item.get("summary")), content_text(item.get("content"))]
    sealed = string(item.get("encrypted_content"))
    if sealed:
        texts.append(f"[encrypted: {len(sealed):,} characters]")
    return "\n".join(text for text in texts if text)


def content_text(content: object) -> str:
    """Content as it reads: a string, or parts; what is no text is named."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content] if content else []
    return "\n".join(_part_texts(parts))


def _part_texts(parts: list[object]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
            continue
        fields = obj(part)
        text = fields.get("text") or fields.get("refusal")
        yield text if isinstance(text, str) else other_part(fields)


def other_part(part: Json) -> str:
    """Names a part that is no text, and how large it is."""
    kind = string(part.get("type")) or "part"
    for key in ("image_url", "file_data", "file_id", "source", "data"):
        if key in part:
            return f"[{kind}: {_described(part[key])}]"
    return f"[{kind}]"


def _described(source: object) -> str:
    fields = obj(source)
    url = string(fields.get("url")) or string(fields.get("data")) or string(source)
    media = string(fields.get("media_type")) or (
        url.partition(";")[0].removeprefix("data:") if url.startswith("data:") else ""
    )
    return " ".join(filter(None, (media[:60], f"{len(url):,} characters")))
