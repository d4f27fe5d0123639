"""The NDJSON of `cursor-agent --output-format stream-json` as what was said, with the time of each block. Total."""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.usage import Usage
from addons.core.values import obj, string
from addons.views.items import content_text
from addons.views.page import Block, compact
from addons.views.reading import Json
from addons.views.said import Said

TYPES = frozenset(
    {"system", "user", "assistant", "thinking", "tool_call", "result", "interaction_query"}
)
MILLISECONDS = 1000


class CursorReader:
    """Reads one object a line."""

    def __init__(self) -> None:
        self.said = Said()
        self._began: float | None = None

    def event(self, event: Json, name: str) -> None:
        """Take note of one line."""
        kind = string(event.get("type")) or name
        self.said.events[kind] += 1
        at = self._at(event)
        if kind == "system":
            self.said.facts["model"] = string(event.get("model"))
        elif kind == "thinking":
            self._more("REASONING", at, string(event.get("text")))
        elif kind == "assistant":
            self._assistant(event, at)
        elif kind == "tool_call":
            self._tool(event, at)
        elif kind == "result":
            self._result(event)

    def _at(self, event: Json) -> str:
        stamp = event.get("timestamp_ms")
        if not isinstance(stamp, int | float):
            return ""
        self._began = stamp if self._began is None else self._began
        return f" · at {(stamp - self._began) / MILLISECONDS:.1f} s"

    def _more(self, kind: str, at: str, text: str) -> None:
        """A passage bears the time at which it began."""
        last = self.said.passages[-1].title if self.said.passages else ""
        goes_on = last == kind or last.startswith(f"{kind} · ")
        self.said.more(last if goes_on else kind + at, text)

    def _assistant(self, event: Json, at: str) -> None:
        text = content_text(obj(event.get("message")).get("content"))
        # Whole segments repeat what the deltas said: a delta has a time and no id of a model call.
        is_delta = "timestamp_ms" in event and "model_call_id" not in event
        if is_delta or not self.said.events["delta"]:
            self.said.events["delta"] += int(is_delta)
            self._more("TEXT", at, text)

    def _tool(self, event: Json, at: str) -> None:
        state = string(event.get("subtype"))
        name, call = _named(obj(event.get("tool_call")))
        told = call.get("result") if state == "completed" else call.get("args")
        title = f"{'RESULT' if state == 'completed' else 'CURSOR RAN'} {name}{at}"
        self.said.more(title, compact(told, 2_000))

    def _result(self, event: Json) -> None:
        self.said.ended = f"result {string(event.get('subtype'))}"
        self.said.usage = _usage(obj(event.get("usage"))) or self.said.usage
        if event.get("is_error"):
            self.said.error = event.get("result") or dict(event)

    def blocks(self) -> Iterator[Block]:
        """What was said."""
        return self.said.blocks()


def _named(call: Json) -> tuple[str, Json]:
    """The tool's name, and what holds its arguments and result."""
    for key, value in call.items():
        if key.endswith("ToolCall"):
            return key.removesuffix("ToolCall"), obj(value)
    inner = obj(call.get("function")) or obj(call.get("tool"))
    return string(inner.get("name")) or string(inner.get("case")) or "tool", inner


def _usage(usage: Json) -> Usage | None:
    def count(key: str) -> int:
        value = usage.get(key)
        return value if isinstance(value, int) else 0

    read, said = count("cacheReadTokens"), count("outputTokens")
    asked = count("inputTokens") + read + count("cacheWriteTokens")
    return Usage(asked, read, said, 0, asked + said) if usage else None
