"""Calls of Codex's own tools inside the text of a model that only speaks: how they are asked for, and read as they come.

The form is one fenced block whose first line carries a key that is random and new for each request, so that a block
which the model only quotes, out of a file or of an earlier turn, is no call. Never gives half a call: a block that is
not closed, not JSON, or names no tool that was offered stays what it is, text. Invariant: however the text is cut,
the same events come out, and no character outside of a valid block is lost but blanks beside one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import orjson

from addons.core.translate.conversation import Tool, ToolChoice
from addons.core.translate.events import (
    CallKind,
    Event,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

FENCE = "```codex-call-"
CLOSE = "```"
LONGEST_BLOCK = 2 * 1024 * 1024
DESCRIPTION_CHARACTERS = 6_000

RULES = """\
You do not act yourself in this conversation: change no file and run no command with tools of your own. Codex acts for
you. To have Codex run one of the tools below, write a block of exactly this form, its two fences on lines of their own:

{fence}
{{"name": "NAME", "arguments": {{…}}}}
{close}

The block holds one JSON object and nothing else; `arguments` follows the tool's schema; line breaks inside strings are
written as \\n. Several blocks are several calls. After your last block stop: the results come with the next message.
Never write a result yourself. Without a block your text is the final answer, so call a tool while work is left to do.
"""
CORRECTION = (
    "The block above was no valid call, so nothing was run and it was shown as text. Write it again, exactly in the "
    "form described at the top, with the key of this request."
)


def fence_of(mark: str) -> str:
    """The first line of a block in a request with this mark."""
    return f"{FENCE}{mark[:12]}"


def offer(tools: Sequence[Tool], choice: ToolChoice, mark: str) -> str:
    """Describe the tools and the one form in which they are called; empty when none may be."""
    if not tools or choice.mode == "none":
        return ""
    lines = [RULES.format(fence=fence_of(mark), close=CLOSE), "The tools:"]
    lines += [_described(tool) for tool in tools]
    if choice.mode == "required":
        lines.append("\nIn this turn you must call at least one of them.")
    elif choice.mode == "named":
        lines.append(f"\nIn this turn you must call {choice.wire_name}.")
    return "\n".join(lines)


def _described(tool: Tool) -> str:
    about = tool.description.strip()
    if len(about) > DESCRIPTION_CHARACTERS:
        about = f"{about[:DESCRIPTION_CHARACTERS]} […]"
    schema = orjson.dumps(tool.schema).decode()
    return f"\n## {tool.wire_name}\n{about}\nArguments, as JSON schema: {schema}"


def holds_broken_call(text: str) -> bool:
    """Whether an earlier answer shows a block that was meant as a call: a valid one is no text."""
    return any(line.lstrip().startswith(FENCE) for line in text.splitlines())


class CallReader:
    """Text of one answer in, text and calls out. `seed` makes the calls' ids."""

    def __init__(self, tools: Sequence[Tool], mark: str, seed: str) -> None:
        self._tools = {tool.wire_name: tool for tool in tools}
        self._fence = fence_of(mark)
        self._seed = seed
        self._line = ""
        """The line under way, as long as it may still become a fence; inside a block, every line."""
        self._passes = False
        """The line under way is no fence: its text goes on as it comes."""
        self._block: list[str] | None = None
        self._size = 0
        self._blank = ""
        """Blanks at the start of a message: they are given when words follow."""
        self._said = False
        self.calls = 0
        """How many calls were given."""

    def feed(self, text: str) -> Iterator[Event]:
        """What more text means."""
        while text:
            line, found, text = text.partition("\n")
            if self._block is not None:
                yield from self._in_block(line, found)
            else:
                yield from self._outside(line, found)

    def finish(self) -> Iterator[Event]:
        """The text ends here, or a segment of it does."""
        line, self._line, self._passes = self._line, "", False
        if self._block is None:
            if line.strip() == self._fence:
                self._block = []
                yield from self._broken(f"{line}\n")
            else:
                yield from self._text(line)
        elif line.strip() == CLOSE:
            yield from self._closed(line)
        else:
            yield from self._broken("".join((self._fence, "\n", *self._block, line)))
        self._blank, self._said = "", False

    def _outside(self, piece: str, end: str) -> Iterator[Event]:
        if self._passes:
            self._passes = not end
            yield from self._text(piece + end)
            return
        self._line += piece
        if end and self._line.strip() == self._fence:
            self._block, self._size, self._line = [], 0, ""
        elif end or not self._may_be_fence():
            line, self._line = self._line, ""
            self._passes = not end
            yield from self._text(line + end)

    def _may_be_fence(self) -> bool:
        start = self._line.lstrip(" ")
        return self._fence.startswith(start) or start.rstrip() == self._fence

    def _in_block(self, piece: str, end: str) -> Iterator[Event]:
        assert self._block is not None  # noqa: S101  the caller looked
        self._line += piece
        self._size += len(piece) + len(end)
        if self._size > LONGEST_BLOCK:
            raw = "".join((self._fence, "\n", *self._block, self._line, end))
            self._line, self._passes = "", not end
            yield from self._broken(raw)
        elif end:
            line, self._line = self._line, ""
            if line.strip() == CLOSE:
                yield from self._closed(line + end)
            else:
                self._block.append(line + end)

    def _closed(self, last: str) -> Iterator[Event]:
        block, self._block = self._block or [], None
        call = self._call("".join(block))
        if call is None:
            yield from self._broken("".join((self._fence, "\n", *block, last)))
            return
        tool, arguments = call
        index, self.calls = self.calls, self.calls + 1
        self._blank, self._said = "", False
        yield ToolCallStart(
            index, f"call_{self._seed}_{index}", tool.name, tool.namespace, tool.kind
        )
        yield ToolCallDelta(index, arguments)
        yield ToolCallEnd(index)

    def _broken(self, raw: str) -> Iterator[Event]:
        self._block = None
        yield from self._text(raw)

    def _text(self, text: str) -> Iterator[Event]:
        if not self._said:
            self._blank += text
            if not self._blank.strip():
                return
            text, self._blank, self._said = self._blank.lstrip("\r\n"), "", True
        if text:
            yield TextDelta(text)

    def _call(self, body: str) -> tuple[Tool, str] | None:
        asked = _json(body)
        tool = self._tools.get(str(asked.get("name", "")).strip())
        if tool is None:
            return None
        arguments = asked.get("arguments", {})
        if tool.kind is CallKind.CUSTOM:
            given = arguments.get("input") if isinstance(arguments, dict) else arguments
            return (tool, given) if isinstance(given, str) and given else None
        if isinstance(arguments, str):
            arguments = _json(arguments) or None
        return (tool, orjson.dumps(arguments).decode()) if isinstance(arguments, dict) else None


def _json(text: str) -> Mapping[str, object]:
    """An object; empty for anything else. Line breaks inside strings, which models write, are taken as they are."""
    try:
        value = json.loads(text, strict=False)
        orjson.dumps(value)
    except (ValueError, RecursionError, TypeError):
        return {}
    return value if isinstance(value, dict) else {}
