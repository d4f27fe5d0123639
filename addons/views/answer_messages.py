"""An Anthropic messages stream, or a whole message, as what was said. Total."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from addons.core.values import obj, string
from addons.core.wire.messages_shapes import counts_of, error_in, usage_of
from addons.views.items import content_text
from addons.views.page import Block
from addons.views.reading import Json
from addons.views.said import Said

TEXTS = {"text": "TEXT", "thinking": "REASONING"}


class MessagesReader:
    """Reads `message_start` up to `message_stop`."""

    def __init__(self) -> None:
        self.said = Said()
        self._counts: dict[str, int] = {}
        self._stopped = ""

    def event(self, event: Json, name: str) -> None:
        """Take note of one event."""
        kind = string(event.get("type")) or name
        self.said.events[kind] += 1
        if (error := error_in(event, kind)) is not None:
            self.said.error = error
        if kind == "message":
            self.message(event)
        elif kind == "message_start":
            self.message(obj(event.get("message")))
        elif kind == "content_block_start":
            self._block(event.get("index"), obj(event.get("content_block")))
        elif kind == "content_block_delta":
            self._delta(event.get("index"), obj(event.get("delta")))
        elif kind == "message_delta":
            self._stop(obj(event.get("delta")))
            self._count(obj(event.get("usage")))
        elif kind == "message_stop":
            self.said.ended = f"message_stop{self._stopped}"

    def message(self, message: Json) -> None:
        """Take note of a message object: the beginning of a stream, or a whole answer."""
        for key in ("id", "model"):
            if value := string(message.get(key)):
                self.said.facts[key] = value
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else []):
            self._block(index, obj(block))
        self._stop(message)
        self._count(obj(message.get("usage")))

    def _block(self, index: object, block: Json) -> None:
        kind = string(block.get("type"))
        if kind.endswith("tool_use"):
            given = block.get("input")
            title = f"CALL {string(block.get('name'))} · {string(block.get('id'))}"
            self.said.call(_key(index), title, orjson.dumps(given).decode() if given else "")
        elif kind in TEXTS:
            self.said.more(TEXTS[kind], string(block.get(kind)))
        elif kind:
            self.said.more(kind.upper(), content_text(block.get("content")) or f"[{kind}]")

    def _delta(self, index: object, delta: Json) -> None:
        for kind, title in TEXTS.items():
            self.said.more(title, string(delta.get(kind)))
        if isinstance(part := delta.get("partial_json"), str):
            self.said.call(_key(index), "CALL", part)

    def _stop(self, holder: Json) -> None:
        if reason := string(holder.get("stop_reason")):
            self._stopped = f", stop_reason {reason}"
            self.said.ended = f"stop_reason {reason}"

    def _count(self, usage: Json) -> None:
        told = {key: count for key, count in counts_of(usage).items() if count}
        self._counts.update(told)
        self.said.usage = usage_of(self._counts) or self.said.usage

    def blocks(self) -> Iterator[Block]:
        """What was said."""
        return self.said.blocks()


def _key(index: object) -> object:
    return index if isinstance(index, int | str) else ""
