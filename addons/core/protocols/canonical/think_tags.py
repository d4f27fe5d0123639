"""Reasoning that a model writes between tags at the start of its answer, found as the text streams.

Source: the chat templates of the models that write such tags, and public reports of servers that do not separate them.
Only what stands at the very start, after whitespace, is reasoning; several blocks may follow each other. A closing tag
without an opening one ends reasoning that the template opened; its text is reasoning if none of it was passed on yet.
Invariant: however the text is split, the joined reasoning and the joined text are the same (unless the opening tag is
missing), and no other character is lost than the tags and the whitespace around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto

from addons.core.protocols.canonical.call_markers import beginnings
from addons.core.protocols.canonical.events import ReasoningDelta, TextDelta

BLOCKS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<thoughts>": "</thoughts>",
    "<reasoning>": "</reasoning>",
    "<reason>": "</reason>",
    "<reflection>": "</reflection>",
    "<inner_monologue>": "</inner_monologue>",
    "<seed:think>": "</seed:think>",
    "<mm:think>": "</mm:think>",
    "<|think|>": "<|/think|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|channel|>analysis<|message|>": "<|end|>",
    "<|start|>assistant<|channel|>analysis<|message|>": "<|end|>",
    "<|open|>think<|sep|>": "<|close|>think<|sep|>",
    "<|channel>thought\n": "<channel|>",
    "\u25c1think\u25b7": "\u25c1/think\u25b7",
    "[think]": "[/think]",
}
"""Opening tag → closing tag, in lower case."""
TEMPLATE_OPENERS = ("<think>", "<thinking>", "<seed:think>", "[think]")
TEMPLATE_CLOSERS = (
    *("</think>", "</thinking>", "</seed:think>", "[/think]"),
    "<|close|>think<|sep|>",
)
"""Closing tags whose opening tag some chat templates put into the prompt."""
ANSWER_MARKS = (
    "<|begin_of_solution|>",
    "<|start_response|>",
    "<|start|>assistant<|channel|>final<|message|>",
    "<|channel|>final<|message|>",
    "<|start|>assistant<|channel|>commentary<|message|>",
    "<|channel|>commentary<|message|>",
    "<|open|>response<|sep|>",
    "<|im_start|>assistant\n",
    "<|start_header_id|>assistant<|end_header_id|>",
    "<start_of_turn>model\n",
    "<|turn>model\n",
)
"""What some models write before their answer, or between it and their reasoning."""
MAX_LEADING_SPACE = 4096


def _any_of(literals: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, literals)), re.IGNORECASE)


_OPENING = _any_of(tuple(BLOCKS))
_CLOSING = {closing: _any_of((closing,)) for closing in BLOCKS.values()}
_SKIPPED = _any_of((*sorted(set(BLOCKS.values())), *ANSWER_MARKS))
_HEADS = (*BLOCKS, *BLOCKS.values(), *ANSWER_MARKS)
_BEGINNINGS = beginnings(*_HEADS)
_FIRST_CHARACTER = re.compile(f"[{re.escape(''.join(sorted({head[0] for head in _HEADS})))}]")
"""What every tag and every mark begins with."""
_LONGEST = max(map(len, _HEADS))
TEMPLATE_CLOSER = re.compile(
    r"(?<![`'\"])(?:" + "|".join(map(re.escape, TEMPLATE_CLOSERS)) + r")(?![`'\"]|[ \t]+\S)",
    re.IGNORECASE,
)
"""A closing tag that stands in no quotes and inside no line of prose."""


def _first_closer(text: str) -> re.Match[str] | None:
    """Return the first closing tag, unless an opening one precedes it: then the text speaks of tags."""
    closer = TEMPLATE_CLOSER.search(text)
    return closer if closer and not _OPENING.search(text, 0, closer.start()) else None


class _State(Enum):
    START = auto()
    THINKING = auto()
    AFTER = auto()
    """Behind a block, before the first character of the answer."""
    TEXT = auto()


Part = ReasoningDelta | TextDelta


class ThinkTags:
    """Separates the reasoning at the start of one answer from its text."""

    __slots__ = ("_closing", "_held", "_state", "_thought", "found")

    def __init__(self) -> None:
        self._state = _State.START
        self._held = ""
        self._closing = "</think>"
        self._thought = False
        """Whether the open block has any reasoning."""
        self.found = False
        """Whether a tag was found."""

    @property
    def done(self) -> bool:
        """Whether the text of the answer has begun: everything from here on is text."""
        return self._state is _State.TEXT

    @property
    def idle(self) -> bool:
        """Whether nothing of the answer was read yet."""
        return self._state is _State.START and not self._held

    def feed(self, text: str) -> Iterator[Part]:
        """Return the parts that more text completes."""
        if self.idle and text.strip() and not _FIRST_CHARACTER.search(text):
            # nearly every answer
            self._state = _State.TEXT
            yield TextDelta(text)
            return
        rest, self._held = self._held + text, ""
        while rest and not self.done:
            if self._state is _State.THINKING:
                parts, rest = self._think(rest)
                yield from parts
            else:
                rest = self._begin(rest)
                if self.done and not self.found and (closer := _first_closer(rest)):
                    if not rest[closer.end() :].strip(" \t"):
                        # What follows a closing tag tells whether it is prose.
                        self._state, self._held = _State.START, rest
                        return
                    yield from self._reasoning(rest[: closer.start()].strip())
                    rest = rest[closer.end() :]
                    self.resume()
        if rest:
            yield TextDelta(rest)

    def resume(self) -> None:
        """Read what follows like what follows a block: the text just ended in a closing tag."""
        self._state, self.found = _State.AFTER, True

    def finish(self) -> Iterator[Part]:
        """Return what was held back: the answer ends, or something else than text follows."""
        held, self._held = self._held, ""
        closer = _first_closer(held) if self._state is _State.START else None
        if self._state is _State.THINKING:
            if held.strip():
                yield ReasoningDelta(held.rstrip())
        elif closer:
            yield from self._reasoning(held[: closer.start()].strip())
            self.resume()
        elif held:
            self._state = _State.TEXT
            yield TextDelta(held)

    def _begin(self, rest: str) -> str:
        """Read whitespace and one tag before the answer; return what is not read."""
        text = rest.lstrip()
        if self._state is _State.AFTER:
            rest = text
        if opening := _OPENING.match(text):
            self._state, self.found, self._thought = _State.THINKING, True, False
            self._closing = BLOCKS[opening[0].lower()]
            return text[opening.end() :]
        if skipped := _SKIPPED.match(text):
            self._state, self.found = _State.AFTER, True
            return text[skipped.end() :]
        if not text and len(rest) < MAX_LEADING_SPACE:
            self._held = rest
            return ""
        head = text[:_LONGEST].lower()
        if head in _BEGINNINGS:
            self._held = rest
            return ""
        self._state = _State.TEXT
        return rest

    def _think(self, rest: str) -> tuple[list[Part], str]:
        """Return the reasoning in the text, and what follows the closing tag."""
        if not self._thought:
            rest = rest.lstrip()
        if closing := _CLOSING[self._closing].search(rest):
            self._state = _State.AFTER
            thought = rest[: closing.start()].rstrip()
            return self._reasoning(thought), rest[closing.end() :]
        end = self._end_of_reasoning(rest)
        self._held = rest[end:]
        if len(self._held) > MAX_LEADING_SPACE:
            end, self._held = len(rest), ""
        return self._reasoning(rest[:end]), ""

    def _reasoning(self, thought: str) -> list[Part]:
        self._thought = self._thought or bool(thought)
        return [ReasoningDelta(thought)] if thought else []

    def _end_of_reasoning(self, rest: str) -> int:
        """Return the place before whitespace, or before a beginning of the closing tag, at the end."""
        tag = self._closing
        tail = rest[-len(tag) :].lower()
        overlap = next((n for n in range(len(tail), 0, -1) if tag.startswith(tail[-n:])), 0)
        return len(rest[: len(rest) - overlap].rstrip())
