"""Markers in the text of an answer: those that chat templates write around calls, messages and reasoning, and those of code.

Sources: the chat templates of Hermes, Qwen, GLM, Kimi, DeepSeek, Mistral, Llama, MiniMax, Granite, Nemotron, Gemma, LFM,
Claude and gpt-oss; public reports of markers in answers, and of servers that do not separate reasoning.

Reasoning is only what stands between tags at the very start, after whitespace; several blocks may follow each other. A
closing tag without an opening one ends reasoning that the template opened; its text is reasoning if none of it was passed
on yet. `TextContext` knows what surrounds a place in the text: code, a line, a sentence.

Never decides what the marker of a call means, or keeps text that was passed on, but for a bounded part of its open line.
Invariant: however the text is split, the joined reasoning and the joined text are the same (unless the opening tag is
missing), and no other character is lost than the tags and the whitespace around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from functools import cache

from addons.core.protocols.canonical.events import ReasoningDelta, TextDelta
from addons.core.upstream.patterns import before_turns


class _Branches(dict[str, "_Branches"]):
    """What may follow a beginning that texts share. An empty key: a text may end here."""


def any_of(literals: Iterable[str]) -> str:
    """Return the pattern of any of these texts, the longest first. Common beginnings are compared only once."""
    root = _Branches()
    for literal in literals:
        branches = root
        for letter in literal:
            branches = branches.setdefault(letter, _Branches())
        branches[""] = _Branches()
    return _pattern(root)


def _pattern(branches: _Branches) -> str:
    stem = ""
    while len(branches) == 1 and "" not in branches:
        ((letter, branches),) = branches.items()
        stem += _escaped(letter)
    choices = [
        _escaped(letter) + _pattern(below) for letter, below in sorted(branches.items()) if letter
    ]
    if not choices:
        return stem
    return f"{stem}(?:{'|'.join(choices)})" + ("?" if "" in branches else "")


_escaped = cache(re.escape)


def beginnings(*literals: str) -> frozenset[str]:
    """Return every beginning of one of these texts that is not all of it."""
    return frozenset(text[:end] for text in literals for end in range(1, len(text)))


_BARS = ("\uff5c", "\uff5c\uff5c", "\u2016", "|", "||")
_DSML = (
    *(f"{bar}DSML{bar}" for bar in _BARS),
    *(f" {bar} DSML {bar} " for bar in _BARS),
    *("DSML\uff5c", "DSML|", " | DSML | | "),
)
"""DeepSeek's mark before the word of a tag; gateways replace its bars, and put spaces around them."""
PREFIXES = ("", "antml:", *_DSML)
_TAGS = (
    *("tool_call", "tool_calls", "toolcall", "TOOLCALL", "function_call", "minimax:tool_call"),
    *(f"{prefix}function_calls" for prefix in PREFIXES),
    *(f"{mark}{word}" for mark in _DSML for word in ("tool_calls", "toolcalls", "tool_use")),
)
_KIMI = ("tool_calls_section", "tool_call", "tool_calls")
_DEEPSEEK = ("tool\u2581calls", "tool\u2581call")
MINIMAX = "]<]minimax[>["
"""MiniMax M3 writes this before each of its tags."""
HARMONY_HEADS = ("<|start|>assistant", "<|channel|>")
"""What begins a further message of gpt-oss."""
OPENERS = (
    *(f"<{tag}>" for tag in _TAGS),
    *(f"<|{word}_begin|>" for word in _KIMI),
    *(f"<\uff5c{word}\u2581begin\uff5c>" for word in _DEEPSEEK),
    *("<|tool_calls|>", "<|tool_call|>", "<|tool_call>", "<|python_tag|>", "[TOOL_CALLS]"),
    *("<|tool_call_start|>", "<|python_start|>", "<start_function_call>", "<|open|>tools<|sep|>"),
    *(f"<|start|>assistant<|channel|>{channel} to=" for channel in ("commentary", "analysis")),
    *("<|channel|>commentary to=", "<|channel|>analysis to=", "<|start|>assistant to=", MINIMAX),
)
"""Markers before a call. Several may follow each other."""
KIMI_HEADS = ("<|open|>call tool=", "<|open|>toolscall tool=")
"""The beginning of a call of Kimi K3; the second where a server lost the tokens between two tags."""
HEADS = (
    "<function=",
    *(f"<{prefix}{word} name=" for prefix in PREFIXES for word in ("function", "invoke")),
    *KIMI_HEADS,
)
"""Markers that are the beginning of a call themselves."""
CLOSERS = (
    *(f"</{tag}>" for tag in _TAGS),
    *(f"< /{tag}>" for tag in _TAGS if tag.startswith(" ")),
    *(f"<|{word}_end|>" for word in _KIMI),
    *(f"<\uff5c{word}\u2581end\uff5c>" for word in _DEEPSEEK),
    *("<|/tool_calls|>", "<|/tool_call|>", "<tool_call|>", "[/TOOL_CALLS]", "<|call|>", "</s>"),
    *("<|eom_id|>", "<|eot_id|>", "<|im_end|>", "<|tool_call_end|>", "<|python_end|>"),
    *("<end_function_call>", "<|close|>tools<|sep|>", "<|close|>toolsmessage<|sep|>"),
)
"""Markers behind a call."""
ENDINGS = (
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|EOT|>", "<|eos|>", "</s>", "<eos>"),
    *(
        "<turn|>",
        "<end_of_turn>",
        "<|end_of_turn|>",
        "<|END_OF_TURN_TOKEN|>",
        "<|endoftext|>",
        "[e~[",
    ),
    *("<|end_of_text|>", "<|end|>", "<|return|>", "<|call|>", "<|user|>", "<|observation|>"),
    *("<\uff5cend\u2581of\u2581sentence\uff5c>", "<|end_of_msg|>", "<|close|>message<|sep|>"),
    *("<|close|>response<|sep|>", f"{MINIMAX}</tool_call>"),
)
"""Tokens that end an answer."""
BOX, END_OF_BOX = "<|begin_of_box|>", "<|end_of_box|>"
"""GLM's marks around the part of its answer that matters."""
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
"""Characters without width; `str.strip` leaves them."""
_BARE = before_turns(rf"(?:\s|{any_of((*OPENERS, *CLOSERS))})*")
_VISIBLE = re.compile(rf"[^\s{INVISIBLE}]")


def has_visible_text(text: str) -> bool:
    """Return whether a text has any visible character."""
    return _VISIBLE.search(text) is not None


def behind_markers(text: str) -> str:
    """Return what follows the markers around calls at the beginning of a text."""
    markers = _BARE.match(text)
    return text[markers.end() :] if markers else text


def without_endings(text: str) -> str:
    """Return the text without the end tokens behind it, and the whitespace around them."""
    bare = text.rstrip()
    while ending := next(filter(bare.endswith, ENDINGS), None):
        text = bare = bare.removesuffix(ending).rstrip()
    return text


MAX_LINE_HEAD = 40
_FENCE = re.compile(r"[ \t>]*(?:```|~~~)")


class TextContext:
    """Whether the text so far ends inside code, and in the middle of a line."""

    __slots__ = ("_fenced", "_head", "_last", "_struck", "_ticks")

    def __init__(self) -> None:
        self._fenced = False
        self._last = ""
        """The last two characters."""
        self._struck = False
        """Whether HTML's tag for text that is struck through was opened."""
        self._head = ""
        """The beginning of the open line."""
        self._ticks = 0

    def add(self, text: str) -> None:
        """Add text that was passed on."""
        if not text:
            return
        seen = self._last + text
        self._struck = self._struck or "<s>" in seen
        self._last = seen[-2:]
        *lines, last = text.split("\n")
        for line in lines:
            if _FENCE.match(self._head + line[:MAX_LINE_HEAD]):
                self._fenced = not self._fenced
            self._head, self._ticks = "", 0
        if len(self._head) < MAX_LINE_HEAD:
            self._head += last[:MAX_LINE_HEAD]
        self._ticks += last.count("`")

    @property
    def in_code(self) -> bool:
        """Whether a code fence is open, or a backtick on the open line."""
        return self._fenced or self._ticks % 2 == 1

    @property
    def in_line(self) -> bool:
        """Whether the open line has any text."""
        return bool(self._head.strip())

    def belongs_to_text(self, ending: str) -> bool:
        """Return whether an end token that comes next belongs to the text: to a sentence, or to a tag of HTML."""
        behind_word = self._last[:1].isalnum() and self._last[1:] in {" ", "\t"}
        return behind_word or (ending == "</s>" and self._struck)


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
    return before_turns("|".join(map(re.escape, literals)), re.IGNORECASE)


_OPENING = _any_of(tuple(BLOCKS))
_CLOSING = {closing: _any_of((closing,)) for closing in BLOCKS.values()}
_SKIPPED = _any_of((*sorted(set(BLOCKS.values())), *ANSWER_MARKS))
_HEADS = (*BLOCKS, *BLOCKS.values(), *ANSWER_MARKS)
_BEGINNINGS = beginnings(*_HEADS)
_FIRST_CHARACTER = re.compile(f"[{re.escape(''.join(sorted({head[0] for head in _HEADS})))}]")
"""What every tag and every mark begins with."""
_LONGEST = max(map(len, _HEADS))
TEMPLATE_CLOSER = before_turns(
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

    def begin(self, text: str) -> bool:
        """Return whether the answer begins with this text, as nearly every answer: it has no tag. It then counts as read."""
        is_first = self._state is _State.START and not self._held
        if is_first and text.strip() and not _FIRST_CHARACTER.search(text):
            self._state = _State.TEXT
            return True
        return False

    def feed(self, text: str) -> Iterator[Part]:
        """Return the parts that more text completes."""
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
