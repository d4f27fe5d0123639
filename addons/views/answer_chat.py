"""A chat completions stream, or a whole completion, as what was said. Total."""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.values import obj, string
from addons.core.wire.chat_shapes import error_in, parts, reasoning_of, text_of, usage_in
from addons.views.page import Block
from addons.views.reading import Json
from addons.views.said import Said

TITLES = {"text": "TEXT", "reasoning": "REASONING", "refusal": "REFUSAL"}


class ChatReader:
    """Reads `chat.completion.chunk` objects."""

    def __init__(self) -> None:
        self.said = Said()

    def event(self, event: Json, name: str) -> None:
        """Take note of one chunk."""
        self.said.events["chunk"] += 1
        for key in ("id", "model", "provider"):
            if value := string(event.get(key)):
                self.said.facts[key] = value
        if (error := error_in(event, name)) is not None:
            self.said.error = error
        choices = event.get("choices")
        shown = choices if isinstance(choices, list) and choices else [{}]
        for choice in map(obj, shown):
            self.said.usage = usage_in(event, choice) or self.said.usage
            self._choice(choice)

    def _choice(self, choice: Json) -> None:
        self._delta(
            obj(choice.get("delta")) or obj(choice.get("message")),
            string(str(choice.get("index", 0))),
        )
        if reason := string(choice.get("finish_reason")):
            self.said.ended = f"finish_reason {reason}"

    def _delta(self, delta: Json, choice: str) -> None:
        self.said.more("REASONING", reasoning_of(delta))
        for kind, text in parts(delta.get("content")):
            self.said.more(TITLES[kind], text)
        self.said.more("REFUSAL", text_of(delta.get("refusal")))
        calls = delta.get("tool_calls")
        for place, call in enumerate(map(obj, calls if isinstance(calls, list) else [])):
            function = obj(call.get("function"))
            name, call_id = string(function.get("name")), string(call.get("id"))
            title = f"CALL {name} · {call_id}" if name or call_id else "CALL"
            arguments = function.get("arguments")
            index = call.get("index")
            key = (choice, index if isinstance(index, int) else call_id or place)
            self.said.call(key, title, arguments if isinstance(arguments, str) else "")

    def blocks(self) -> Iterator[Block]:
        """What was said."""
        return self.said.blocks()
