"""Read a chat completions stream, or a whole completion, for a view. Total."""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.protocols.chat.chunk_fields import find_error, find_usage
from addons.core.protocols.chat.reader import content_parts, content_text, reasoning_text
from addons.views.answer import AnswerContent
from addons.views.page import Block

TITLES = {"text": "TEXT", "reasoning": "REASONING", "refusal": "REFUSAL"}


class ChatReader:
    """Reads `chat.completion.chunk` objects and whole completions."""

    def __init__(self) -> None:
        self.content = AnswerContent()

    def event(self, event: JsonObject, name: str) -> None:
        """Read one chunk."""
        self.content.events["chunk"] += 1
        for key in ("id", "model", "provider"):
            if value := as_str(event.get(key)):
                self.content.facts[key] = value
        if (error := find_error(event, name)) is not None:
            self.content.error = error
        choices = event.get("choices")
        for choice in map(as_object, choices if isinstance(choices, list) and choices else [{}]):
            self.content.usage = find_usage(event, choice) or self.content.usage
            self._choice(choice)

    def _choice(self, choice: JsonObject) -> None:
        self._delta(
            as_object(choice.get("delta")) or as_object(choice.get("message")),
            as_str(str(choice.get("index", 0))),
        )
        if reason := as_str(choice.get("finish_reason")):
            self.content.ended = f"finish_reason {reason}"

    def _delta(self, delta: JsonObject, choice: str) -> None:
        self.content.add_text("REASONING", reasoning_text(delta))
        for kind, text in content_parts(delta.get("content")):
            self.content.add_text(TITLES[kind], text)
        self.content.add_text("REFUSAL", content_text(delta.get("refusal")))
        calls = delta.get("tool_calls")
        for position, call in enumerate(map(as_object, calls if isinstance(calls, list) else [])):
            function = as_object(call.get("function"))
            name, call_id = as_str(function.get("name")), as_str(call.get("id"))
            title = f"CALL {name} · {call_id}" if name or call_id else "CALL"
            arguments = function.get("arguments")
            index = call.get("index")
            key = (choice, index if isinstance(index, int) else call_id or position)
            self.content.add_call(key, title, arguments if isinstance(arguments, str) else "")

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of the answer."""
        return self.content.blocks()
