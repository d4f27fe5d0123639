"""Puts a line of the shim in front of an answer, as the summary of a reasoning item, which Codex shows.

Source: OpenAI API reference, "Responses: streaming events"; Codex 0.171 shows a summary of a title and a text. The item
is marked: no upstream gets it back. Never parses an event, drops one, holds more than `event_bytes` of it, or changes an
answer without `response.created`. Invariant: numbers and positions of all later events are raised, so that they stay in
order.
"""

from __future__ import annotations

import re
import sys
from typing import cast

import orjson

from addons.core.errors import Problem, sse_event
from addons.core.json_values import JsonDict, as_object
from addons.core.protocols.canonical.opaque_reasoning import NOTICE, REASONING_ID_PREFIX
from addons.core.protocols.output_rewriter import OutputRewriter
from addons.core.protocols.request_body import decode
from addons.core.protocols.sse import BlockReader
from addons.core.turn import (
    ClientRequest,
    QuotesUpstream,
    Translator,
)

_OPENING = re.compile(rb'"type"\s*:\s*"(?:response\.(created|in_progress|queued)|codex\.[a-z_.]+)"')
_ENDING = re.compile(rb'"type"\s*:\s*"(?:response\.(?:failed|incomplete|completed)|error)"')
_RESPONSE_ID = re.compile(rb'"id"\s*:\s*"([\w-]{1,80})"')
# A name inside a string has a backslash before its closing quote.
_NUMBER = re.compile(rb'("sequence_number"\s*:\s*)(\d{1,15})')
_INDEX = re.compile(rb'("output_index"\s*:\s*)(\d{1,9})')
_MAX_BORDER = 3
_BORDER = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


class NoticeTranslator(OutputRewriter):
    """Writes the notice into the output of another translator."""

    def __init__(self, inner: Translator, text: str, event_bytes: int) -> None:
        super().__init__(inner)
        self._text = text
        self._event_bytes = event_bytes
        self._blocks = BlockReader(sys.maxsize)
        self._tail: bytes | None = None
        """The last bytes of an event that is too large to be held, while it is passed on; else None."""
        self._response_id: str | None = None
        self._held = 0
        """Bytes of the event that has not ended."""
        self._added = 0
        """Events that were added."""
        self._is_over = False
        """Whether the answer began without a place for the notice."""
        self._number = -1
        """The number of the last event."""

    def rewrite(self, output: bytes) -> bytes:
        """Return output of the inner translator with the notice in it."""
        if self._is_over:
            return output
        if self._tail is not None:
            return self._passed_on(self._tail, output)
        blocks = self._blocks.feed(output)
        out = [self._block(block) for block in blocks]
        self._held = len(self._blocks.pending) if blocks else self._held + len(output)
        return b"".join((*out, self._rest(output)))

    def _rest(self, output: bytes) -> bytes:
        """Return the begin of an event that is not held."""
        is_large = self._held > self._event_bytes
        self._is_over = self._is_over or (is_large and not self._added)
        if not (is_large or self._is_over):
            return b""
        begin = self._blocks.pending
        if output.endswith(b"\r"):
            # the LF of this line end may come with the next read
            begin = begin[:-1] + b"\r"
        if self._is_over:
            return begin
        self._tail = begin[-_MAX_BORDER:]
        return self._moved(begin)

    def _passed_on(self, tail: bytes, output: bytes) -> bytes:
        """Return the rest of a large event as it is, and what follows as always."""
        border = _BORDER.search(tail + output)
        if border is None:
            self._tail = (tail + output)[-_MAX_BORDER:]
            return output
        self._tail, self._held = None, 0
        self._blocks = BlockReader(sys.maxsize)
        end = border.end() - len(tail)
        return output[:end] + self.rewrite(output[end:])

    def _closed(self, output: bytes) -> bytes:
        if self._tail is not None:
            return output
        if output.strip(b"\n"):
            # A whole event: the one before it was cut, and the client has not seen its beginning.
            self._blocks = BlockReader(sys.maxsize)
        return self.rewrite(output)

    def _block(self, block: bytes) -> bytes:
        event = block + b"\n\n"
        if self._added:
            return self._moved(event)
        if self._is_over:
            return event
        if (opening := _OPENING.search(block)) or b"data:" not in block:
            self._note(block, opening[1] if opening else None)
            return event
        if self._response_id is None or _ENDING.search(block):
            self._is_over = True
            return event
        return self._notice() + self._moved(event)

    def _note(self, block: bytes, kind: bytes | None) -> None:
        if number := _NUMBER.search(block):
            self._number = int(number[2])
        if kind == b"created" and (found := _RESPONSE_ID.search(block)):
            self._response_id = found[1].decode().removeprefix("resp_")

    def _moved(self, event: bytes) -> bytes:
        added = self._added
        event = _NUMBER.sub(lambda found: b"%b%d" % (found[1], int(found[2]) + added), event, 1)
        return _INDEX.sub(lambda found: b"%b%d" % (found[1], int(found[2]) + 1), event, 1)

    def _notice(self) -> bytes:
        item_id = f"{REASONING_ID_PREFIX}_notice_{self._response_id}"
        position = {"item_id": item_id, "output_index": 0, "summary_index": 0}
        part: JsonDict = {"type": "summary_text", "text": self._text}
        events: tuple[tuple[str, JsonDict], ...] = (
            ("output_item.added", {"output_index": 0, "item": _item(item_id, [])}),
            (
                "reasoning_summary_part.added",
                {**position, "part": {"type": "summary_text", "text": ""}},
            ),
            ("reasoning_summary_text.delta", {**position, "delta": self._text}),
            ("reasoning_summary_text.done", {**position, "text": self._text}),
            ("reasoning_summary_part.done", {**position, "part": part}),
            ("output_item.done", {"output_index": 0, "item": _item(item_id, [part])}),
        )
        self._added = len(events)
        return b"".join(
            sse_event(
                f"response.{name}",
                {"type": f"response.{name}", "sequence_number": number, **fields},
            )
            for number, (name, fields) in enumerate(events, self._number + 1)
        )


class QuotingNoticeTranslator(NoticeTranslator):
    """Writes the notice into the output of a translator that knows what it quotes. The notice quotes no upstream."""

    def take_quotes(self) -> str:
        """Return what was quoted since the last call."""
        return cast("QuotesUpstream", self._inner).take_quotes()


def with_notice(inner: Translator, text: str, event_bytes: int) -> NoticeTranslator:
    """Return a translator that puts the text in front of the answer."""
    quotes = hasattr(type(inner), "take_quotes")
    return (QuotingNoticeTranslator if quotes else NoticeTranslator)(inner, text, event_bytes)


def begins_with_user(request: ClientRequest, cap: int) -> bool:
    """Return whether the last item of the input is a message of the user: later requests of a turn end with outputs."""
    body = decode(request.body, request.header(b"content-encoding"), cap)
    if isinstance(body, Problem):
        return False
    try:
        items = as_object(orjson.loads(body)).get("input")
    except orjson.JSONDecodeError:
        return False
    last = items[-1] if isinstance(items, list) and items else items
    return isinstance(last, str) or as_object(last).get("role") == "user"


def _item(item_id: str, summary: list[JsonDict]) -> JsonDict:
    return {
        "id": item_id,
        "type": "reasoning",
        "summary": summary,
        "encrypted_content": NOTICE if summary else None,
    }
