"""Read the NDJSON of `cursor-agent --output-format stream-json` for a view. Each title has its time. Total."""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.usage import Usage
from addons.views.answer import AnswerContent
from addons.views.items import content_text
from addons.views.page import Block, compact

EVENT_TYPES = frozenset(
    {"system", "user", "assistant", "thinking", "tool_call", "result", "interaction_query"}
)
MILLISECONDS = 1000


class CursorReader:
    """Reads the objects of the lines."""

    def __init__(self) -> None:
        self.content = AnswerContent()
        self._started: float | None = None

    def event(self, event: JsonObject, name: str) -> None:
        """Read one line."""
        kind = as_str(event.get("type")) or name
        self.content.events[kind] += 1
        at = self._at(event)
        if kind == "system":
            self.content.facts["model"] = as_str(event.get("model"))
        elif kind == "thinking":
            self._add("REASONING", at, as_str(event.get("text")))
        elif kind == "assistant":
            self._assistant(event, at)
        elif kind == "tool_call":
            self._tool(event, at)
        elif kind == "result":
            self._result(event)

    def _at(self, event: JsonObject) -> str:
        stamp = event.get("timestamp_ms")
        if not isinstance(stamp, int | float):
            return ""
        self._started = stamp if self._started is None else self._started
        return f" · at {(stamp - self._started) / MILLISECONDS:.1f} s"

    def _add(self, kind: str, at: str, text: str) -> None:
        """Extend the last block if it has this kind. A new block has its start time in its title."""
        blocks = self.content.open_blocks
        last = blocks[-1].title if blocks else ""
        continues = last == kind or last.startswith(f"{kind} · ")
        self.content.add_text(last if continues else kind + at, text)

    def _assistant(self, event: JsonObject, at: str) -> None:
        text = content_text(as_object(event.get("message")).get("content"))
        # A whole segment repeats its deltas. Only a delta has a timestamp and no model call id.
        is_delta = "timestamp_ms" in event and "model_call_id" not in event
        if is_delta or not self.content.events["delta"]:
            self.content.events["delta"] += int(is_delta)
            self._add("TEXT", at, text)

    def _tool(self, event: JsonObject, at: str) -> None:
        state = as_str(event.get("subtype"))
        name, call = _named(as_object(event.get("tool_call")))
        is_result = state == "completed"
        title = f"{'RESULT' if is_result else 'CURSOR RAN'} {name}{at}"
        self.content.add_text(title, compact(call.get("result" if is_result else "args"), 2_000))

    def _result(self, event: JsonObject) -> None:
        self.content.ended = f"result {as_str(event.get('subtype'))}"
        self.content.usage = _usage(as_object(event.get("usage"))) or self.content.usage
        if event.get("is_error"):
            self.content.error = event.get("result") or dict(event)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of the answer."""
        return self.content.blocks()


def _named(call: JsonObject) -> tuple[str, JsonObject]:
    """Return the tool's name, and the object with its arguments and result."""
    for key, value in call.items():
        if key.endswith("ToolCall"):
            return key.removesuffix("ToolCall"), as_object(value)
    inner = as_object(call.get("function")) or as_object(call.get("tool"))
    return as_str(inner.get("name")) or as_str(inner.get("case")) or "tool", inner


def _usage(usage: JsonObject) -> Usage | None:
    def count(key: str) -> int:
        value = usage.get(key)
        return value if isinstance(value, int) else 0

    cached, tokens_out = count("cacheReadTokens"), count("outputTokens")
    tokens_in = count("inputTokens") + cached + count("cacheWriteTokens")
    return Usage(tokens_in, cached, tokens_out, 0, tokens_in + tokens_out) if usage else None
