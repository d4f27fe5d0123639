"""A thread that goes on at a native Responses upstream after turns that were translated: what must not go with it.

Source: "Item with id 'rs_…' not found" (farion1231/cc-switch#5825) and "invalid_encrypted_content" (openai/codex#17541),
which end a thread for good: reasoning that another model gave means nothing there and is refused. Never does: look
into a body that holds nothing of ours and nothing that was refused, change what others wrote. Invariant: such a body
comes back as the same object; a summary of ours goes on as plain text, for everything before it would be lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import orjson

from addons.core.errors import Problem
from addons.core.translate.compaction import ITEM_TYPES, read_compaction
from addons.core.translate.refused import digest, encrypted_in
from addons.core.translate.replay import MARK, REASONING_ID
from addons.core.turn import ClientRequest
from addons.core.wire.peek import decode, encode

OURS = (MARK.encode(), b'"%b_' % REASONING_ID.encode())
"""What a body holds when an item of it may be ours."""


def native_body(
    request: ClientRequest, body: bytes, cap: int, refused: Collection[bytes] = ()
) -> bytes | Problem:
    """Give a body without what only we can read, and without reasoning that was `refused` before.

    What is left out is noted in the turn's record.
    """
    encoding = request.header(b"content-encoding")
    decoded = decode(body, encoding, cap)
    if isinstance(decoded, Problem):
        return decoded
    if not refused and not any(mark in decoded for mark in OURS):
        return body
    try:
        payload = orjson.loads(decoded)
    except orjson.JSONDecodeError:
        return body
    given = payload.get("input") if isinstance(payload, dict) else None
    if not isinstance(given, list):
        return body
    kept = list(_kept(given, refused, request.record.dropped))
    return body if kept == given else encode(orjson.dumps({**payload, "input": kept}), encoding)


def _kept(items: list[object], refused: Collection[bytes], dropped: list[str]) -> Iterator[object]:
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            yield item
        elif _is_own_reasoning(item) or digest(encrypted_in(item)) in refused:
            dropped.append(f"input[{place}]: reasoning of another upstream")
        else:
            yield _told(item)


def _is_own_reasoning(item: Mapping[str, object]) -> bool:
    item_id, blob = item.get("id"), item.get("encrypted_content")
    return item.get("type") == "reasoning" and (
        (isinstance(item_id, str) and item_id.startswith(f"{REASONING_ID}_"))
        or (isinstance(blob, str) and blob.startswith(MARK))
    )


def _told(item: Mapping[str, object]) -> object:
    summary = read_compaction(item) if item.get("type") in ITEM_TYPES else None
    if summary is None:
        return item
    return {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": summary}],
    }
