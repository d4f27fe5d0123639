"""An answer of any upstream as a page: finds out what it is from its bytes alone.

Never does: trust a content type. Invariant: total; what is no answer of a model is shown as the text or JSON that it
is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from addons.core.values import obj, string
from addons.views.answer_chat import ChatReader
from addons.views.answer_cursor import TYPES, CursorReader
from addons.views.answer_messages import MessagesReader
from addons.views.answer_responses import ResponsesReader
from addons.views.page import BLOCK_CHARACTERS, Block, Page
from addons.views.reading import Json, Reads, decoded, json_lines, json_of, sse_events
from addons.views.said import Reader, write_said
from addons.views.timeline import write_timeline

Events = Iterable[tuple[Json, str, float | None]]
"""What each says, its name, and when it came."""

MESSAGES_TYPES = frozenset(
    {"message", "message_start", "message_delta", "message_stop", "content_block_start", "content_block_delta", "content_block_stop"}
)  # fmt: skip
DONE = b"[DONE]"


def write_answer(page: Page, body: bytes, reads: Reads = ()) -> None:
    """Put an answer on the page. `reads`: when what of it came, if that is known."""
    if not body.strip():
        page.line("(no body)")
        return
    whole = json_of(body) if body.lstrip()[:1] in (b"{", b"[") else None
    if whole is not None:
        _write_whole(page, whole)
        return
    for events in (list(_sse(body, reads)), list(_lines(body))):
        if reader := reader_for(events):
            for event, name, _ in events:
                reader.event(event, name)
            write_said(page, reader)
            write_timeline(page, ((_kind(event, name), at) for event, name, at in events))
            return
    _write_text(page, body)


def reader_for(events: Events) -> Reader | None:
    """The reader of the dialect in which these events are; None for no dialect of a model."""
    for event, name, _ in events:
        if reader := _reader_of(event, name):
            return reader
    return None


def _reader_of(event: Json, name: str) -> Reader | None:
    kind = string(event.get("type")) or name
    if kind.startswith(("response.", "codex.")):
        return ResponsesReader()
    if kind in MESSAGES_TYPES:
        return MessagesReader()
    if "choices" in event or event.get("object") == "chat.completion.chunk":
        return ChatReader()
    if kind in TYPES:
        return CursorReader()
    if kind == "error" or "error" in event:
        return ResponsesReader() if "sequence_number" in event else ChatReader()
    return None


def _kind(event: Json, name: str) -> str:
    return string(event.get("type")) or name or "chunk"


def _sse(body: bytes, reads: Reads) -> Iterator[tuple[Json, str, float | None]]:
    for name, data, at in sse_events(body, reads):
        if data.strip() != DONE:
            value = json_of(data)
            # half an event at the end of a stream that was cut must not count as a whole one
            yield (value, name, at) if isinstance(value, dict) else ({}, "no JSON", at)


def _lines(body: bytes) -> Iterator[tuple[Json, str, float | None]]:
    for value in json_lines(body):
        yield (value, "", None) if isinstance(value, dict) else ({}, "no JSON", None)


def _write_whole(page: Page, value: object) -> None:
    answer = obj(value)
    if answer.get("object") == "response":
        reader = ResponsesReader()
        reader.response(answer)
        reader.said.ended = f"status {string(answer.get('status'))}"
        write_said(page, reader)
        return
    is_model = answer.get("type") == "message" or isinstance(answer.get("choices"), list)
    found = _reader_of(answer, "") if is_model else None
    if found is None:
        page.outline(value)
        return
    found.event(answer, "")
    write_said(page, found)


def _write_text(page: Page, body: bytes) -> None:
    text = decoded(body[: 4 * BLOCK_CHARACTERS])
    page.block(Block(f"TEXT ({len(body):,} bytes)", text))
