"""Write an answer of any upstream to a page. The format is recognized by the bytes alone.

Three protocols and Cursor have a view of their own. Every other protocol of the registry is shown through its
translator, as the Responses events that Codex gets. Never does: trust a content type. Invariant: total; a body that is no
answer of a model is shown as JSON or text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.upstream.protocol import Protocol
from addons.views.answer import AnswerReader, write_content
from addons.views.answer_chat import ChatReader
from addons.views.answer_cursor import EVENT_TYPES, CursorReader
from addons.views.answer_messages import MessagesReader
from addons.views.answer_responses import ResponsesReader
from addons.views.json_input import MAX_READ_BYTES, Reads, decoded, json_lines, json_of, sse_events
from addons.views.page import BLOCK_CHARACTERS, Block, Page
from addons.views.timeline import write_timeline

Events = Sequence[tuple[JsonObject, str, float | None]]
"""Each event: its JSON, its name, and when it arrived."""

OWN_VIEWS = frozenset({Protocol.CHAT, Protocol.MESSAGES, Protocol.RESPONSES})
"""Protocols whose events `reader_for` recognizes."""

MESSAGES_TYPES = frozenset(
    {"message", "message_start", "message_delta", "message_stop", "content_block_start", "content_block_delta", "content_block_stop"}
)  # fmt: skip
DONE = b"[DONE]"


def write_answer(page: Page, body: bytes, reads: Reads = ()) -> None:
    """Write an answer to the page. `reads` are the arrival times of its parts, if known."""
    if not body.strip():
        page.line("(no body)")
        return
    whole = json_of(body) if body.lstrip()[:1] in (b"{", b"[") else None
    if whole is not None:
        _write_whole(page, whole)
        return
    streams = (list(_sse(body, reads)), list(_lines(body)))
    for events in chain(streams, _translations(body)):
        if reader := reader_for(events):
            _write_stream(page, reader, events)
            return
    for events in streams:
        if reader := _error_reader(events):
            _write_stream(page, reader, events)
            return
    _write_text(page, body)


def _write_stream(page: Page, reader: AnswerReader, events: Events) -> None:
    for event, name, _ in events:
        reader.event(event, name)
    write_content(page, reader)
    write_timeline(page, ((_kind(event, name), at) for event, name, at in events))


def reader_for(events: Events) -> AnswerReader | None:
    """Return the reader of the format that these events have; None for no known format."""
    readers = (_reader_of(event, name) for event, name, _ in events)
    return next((reader for reader in readers if reader), None)


def _reader_of(event: JsonObject, name: str) -> AnswerReader | None:
    kind = as_str(event.get("type")) or name
    if kind.startswith(("response.", "codex.")):
        return ResponsesReader()
    if kind in MESSAGES_TYPES:
        return MessagesReader()
    if "choices" in event or event.get("object") == "chat.completion.chunk":
        return ChatReader()
    return CursorReader() if kind in EVENT_TYPES else None


def _error_reader(events: Events) -> AnswerReader | None:
    """Return a reader for a stream in which only an error is recognized."""
    for event, name, _ in events:
        if _kind(event, name) == "error" or "error" in event:
            return ResponsesReader() if "sequence_number" in event else ChatReader()
    return None


def _translations(body: bytes) -> Iterator[Events]:
    """Yield the Responses events of each further protocol that can read something from the body."""
    for protocol in Protocol:
        if protocol not in OWN_VIEWS and protocol.spec.translator:
            from addons.views.answer_translated import translate_answer  # noqa: PLC0415  rarely needed

            yield list(_sse(translate_answer(body[:MAX_READ_BYTES], protocol), ()))


def _kind(event: JsonObject, name: str) -> str:
    return as_str(event.get("type")) or name or "chunk"


def _sse(body: bytes, reads: Reads) -> Iterator[tuple[JsonObject, str, float | None]]:
    for name, data, at in sse_events(body, reads):
        if data.strip() != DONE:
            value = json_of(data)
            # An event that was cut counts as no event of its type.
            yield (value, name, at) if isinstance(value, dict) else ({}, "no JSON", at)


def _lines(body: bytes) -> Iterator[tuple[JsonObject, str, float | None]]:
    for value in json_lines(body):
        yield (value, "", None) if isinstance(value, dict) else ({}, "no JSON", None)


def _write_whole(page: Page, value: object) -> None:
    answer = as_object(value)
    if answer.get("object") == "response":
        reader = ResponsesReader()
        reader.response(answer)
        reader.content.ended = f"status {as_str(answer.get('status'))}"
        write_content(page, reader)
        return
    is_model = answer.get("type") == "message" or isinstance(answer.get("choices"), list)
    whole_reader = _reader_of(answer, "") if is_model else None
    if whole_reader is None:
        page.outline(value)
        return
    whole_reader.event(answer, "")
    write_content(page, whole_reader)


def _write_text(page: Page, body: bytes) -> None:
    text = decoded(body[: 4 * BLOCK_CHARACTERS])
    page.block(Block(f"TEXT ({len(body):,} bytes)", text))
