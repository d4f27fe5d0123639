"""Read a messages stream, or a whole message, for a view. Total."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.protocols.messages.reader import find_error, read_counts, usage_from_counts
from addons.views.answer import AnswerContent
from addons.views.items import content_text
from addons.views.page import Block

TEXTS = {"text": "TEXT", "thinking": "REASONING"}


class MessagesReader:
    """Reads the events from `message_start` to `message_stop`, and whole messages."""

    def __init__(self) -> None:
        self.content = AnswerContent()
        self._counts: dict[str, int] = {}
        self._stopped = ""

    def event(self, event: JsonObject, name: str) -> None:
        """Read one event."""
        kind = as_str(event.get("type")) or name
        self.content.events[kind] += 1
        if (error := find_error(event, kind)) is not None:
            self.content.error = error
        if kind == "message":
            self.message(event)
        elif kind == "message_start":
            self.message(as_object(event.get("message")))
        elif kind == "content_block_start":
            self._block(event.get("index"), as_object(event.get("content_block")))
        elif kind == "content_block_delta":
            self._delta(event.get("index"), as_object(event.get("delta")))
        elif kind == "message_delta":
            self._stop(as_object(event.get("delta")))
            self._count(as_object(event.get("usage")))
        elif kind == "message_stop":
            self.content.ended = f"message_stop{self._stopped}"

    def message(self, message: JsonObject) -> None:
        """Read a message object: the start of a stream, or a whole answer."""
        for key in ("id", "model"):
            if value := as_str(message.get(key)):
                self.content.facts[key] = value
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else []):
            self._block(index, as_object(block))
        self._stop(message)
        self._count(as_object(message.get("usage")))

    def _block(self, index: object, block: JsonObject) -> None:
        kind = as_str(block.get("type"))
        if kind.endswith("tool_use"):
            arguments = block.get("input")
            title = f"CALL {as_str(block.get('name'))} · {as_str(block.get('id'))}"
            self.content.add_call(
                _key(index), title, orjson.dumps(arguments).decode() if arguments else ""
            )
        elif kind in TEXTS:
            self.content.add_text(TEXTS[kind], as_str(block.get(kind)))
        elif kind:
            self.content.add_text(kind.upper(), content_text(block.get("content")) or f"[{kind}]")

    def _delta(self, index: object, delta: JsonObject) -> None:
        for kind, title in TEXTS.items():
            self.content.add_text(title, as_str(delta.get(kind)))
        if isinstance(part := delta.get("partial_json"), str):
            self.content.add_call(_key(index), "CALL", part)

    def _stop(self, holder: JsonObject) -> None:
        if reason := as_str(holder.get("stop_reason")):
            self._stopped = f", stop_reason {reason}"
            self.content.ended = f"stop_reason {reason}"

    def _count(self, usage: JsonObject) -> None:
        self._counts.update({key: count for key, count in read_counts(usage).items() if count})
        self.content.usage = usage_from_counts(self._counts) or self.content.usage

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of the answer."""
        return self.content.blocks()


def _key(index: object) -> object:
    return index if isinstance(index, int | str) else ""
