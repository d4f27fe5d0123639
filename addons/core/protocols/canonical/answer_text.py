"""The text of one answer as it streams: text, the reasoning between tags at its start, and leaked tool calls.

`leaked_calls` knows the forms of calls, `text_markers` the tags and all other tokens; this module decides which
text is passed on and which is held back. Text streams at once; only from a possible marker on it is held, at most
`MAX_HELD` characters, until it is a call, the end of the answer, or text again. Nothing inside a code fence or between
backticks is a marker; nothing in the middle of a line of prose is a call. Invariant: what is held becomes calls or is
passed on unchanged; nothing is lost but markers, and the whitespace around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum, auto

from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.canonical.events import ReasoningDelta, TextDelta, TextDone
from addons.core.protocols.canonical.leaked_calls import (
    MAX_HEAD,
    Found,
    LeakedCall,
    LeakedCallParser,
    Pending,
)
from addons.core.protocols.canonical.text_markers import (
    BOX,
    CLOSERS,
    END_OF_BOX,
    ENDINGS,
    HARMONY_HEADS,
    HEADS,
    INVISIBLE,
    MINIMAX,
    OPENERS,
    TEMPLATE_CLOSER,
    TEMPLATE_CLOSERS,
    TEMPLATE_OPENERS,
    TextContext,
    ThinkTags,
    any_of,
    beginnings,
    behind_markers,
    without_endings,
)
from addons.core.upstream.patterns import before_turns

MAX_HELD = 256 * 1024
MAX_TRIES = 64
"""How often a held text is read before the answer ends: each time reads all of it."""
MAX_ENDING = 4096
"""How many characters of end tokens are held; some models repeat them up to their output limit."""

_MARKERS = (*OPENERS, *HEADS)
_WATCHED = before_turns(
    r"(?=[<\[\]])(?:"
    rf"(?P<closer>(?i:{any_of(TEMPLATE_CLOSERS)}))(?P<end>[ \t]*\Z)?"
    rf"|(?P<opener>(?i:{any_of(TEMPLATE_OPENERS)}))|(?P<ending>{any_of(ENDINGS)})"
    rf"|(?P<box>{any_of((BOX, END_OF_BOX))})(?P<prose>[ \t'\"])?|{any_of(_MARKERS)})"
)
_ENDED = before_turns(rf"(?:[\s{INVISIBLE}]|{any_of(ENDINGS)})*")
_BEHIND_CALL = before_turns(rf"(?:\s|{any_of((*CLOSERS, *ENDINGS, MINIMAX))})*(?:[,;]\s*(?=\{{))?")
_BEHIND_CALL_ON_LINE = before_turns(rf"(?:\s*(?:{any_of((*CLOSERS, *ENDINGS))}))*[ \t]*")
_SEPARATORS = frozenset({",", ";"})
_BEFORE_MARKER = beginnings(*_MARKERS)
_BEFORE_ENDING = beginnings(*ENDINGS, BOX, END_OF_BOX) | {BOX}
_BEFORE_TAG = beginnings(*TEMPLATE_OPENERS, *TEMPLATE_CLOSERS)
_AFTER_CALL = beginnings(*CLOSERS, *ENDINGS, *_MARKERS)
_AFTER_ENDING = beginnings(*ENDINGS, *HARMONY_HEADS, *_MARKERS)
_START = re.compile(r"[<\[]")
_LONGEST = max(map(len, (*CLOSERS, *ENDINGS, *_MARKERS, *TEMPLATE_CLOSERS, BOX)))

Part = TextDelta | ReasoningDelta | TextDone | LeakedCall


class _State(Enum):
    TEXT = auto()
    CALL = auto()
    """The held text begins with a marker."""
    ENDING = auto()
    """The held text is end tokens and whitespace, or may be another marker."""
    AFTER_CALL = auto()
    """The held text is whitespace, or may be another marker."""
    DOCUMENT = auto()
    """The held text may be the JSON of calls and nothing else."""


class AnswerText:
    """Separates the parts of the text of one answer."""

    __slots__ = (
        "_boxed", "_context", "_held", "_in_line", "_parser", "_passed", "_size", "_state",
        "_tags", "_takes_documents", "_todo", "_tries", "_watches_closer",
    )  # fmt: skip

    def __init__(self, conversation: Conversation) -> None:
        takes_calls = bool(conversation.tools) and conversation.choice.mode != "none"
        takes_calls = takes_calls and not conversation.wants_compaction
        self._parser = LeakedCallParser(conversation) if takes_calls else None
        self._takes_documents = takes_calls and conversation.text_format is None
        self._tags = ThinkTags()
        self._state = _State.TEXT
        self._todo = ""
        """Text of which a step has yet to decide."""
        self._boxed = False
        self._held: list[str] = []
        self._size = 0
        self._tries = 0
        self._in_line = False
        """Whether text precedes the held call on its line."""
        self._watches_closer = True
        self._passed: list[str] = []
        """Text that was passed on and is not part of the context yet."""
        self._context = TextContext()

    @property
    def plain(self) -> bool:
        """Whether nothing is held back, and no tag is open."""
        is_ready = self._tags.done or self._tags.idle
        return is_ready and self._state is _State.TEXT and not self._held

    def passes(self, text: str) -> bool:
        """Return whether text that follows other text can hold no marker. It then counts as passed on."""
        if "<" in text or "[" in text:
            return False
        self._passed.append(text)
        return True

    def note_reasoning(self) -> None:
        """Note that the upstream itself separates reasoning: a closing tag in the text is text."""
        self._watches_closer = False

    def feed(self, text: str) -> Iterable[Part]:
        """Return the parts that more text completes."""
        if self._tags.begin(text):
            self._begin(text)
        if self._tags.done and self._state is _State.TEXT and not self._held and self.passes(text):
            # nearly every text
            return (TextDelta(text),) if text else ()
        return self._feed(text)

    def _feed(self, text: str) -> Iterator[Part]:
        if not self._tags.done or self._state is _State.DOCUMENT:
            yield from self._run(text)
        elif self._state is not _State.CALL:
            yield from self._run(self._take() + text)
        else:
            self._hold(text)
            if self._is_worth_reading(text):
                yield from self._run(self._take())
        if self._size > MAX_HELD:
            self._parser = None
            self._state = _State.TEXT
            yield from self._run(self._take())

    def finish(self, *, takes_calls: bool = True) -> Iterator[Part]:
        """Return what is held: the answer ends, or something else than text follows. A truncated call is text."""
        for part in self._tags.finish():
            if isinstance(part, TextDelta):
                self._begin(part.text)
                yield from self._run(part.text)
            else:
                yield part
        while text := self._take():
            state, self._state = self._state, _State.TEXT
            parser = self._parser if takes_calls else None
            reading = parser.read(text, final=True) if parser and state is _State.CALL else None
            if isinstance(reading, Found):
                yield from reading.calls
                self._state = _State.AFTER_CALL
                yield from self._run(text[reading.end :])
            elif parser and state is _State.DOCUMENT:
                yield from self._finish_document(text, parser)
            elif not self._is_markup(text, state):
                yield TextDelta(without_endings(text) if state is _State.CALL else text)
        self._state = _State.TEXT

    def _finish_document(self, text: str, parser: LeakedCallParser) -> Iterator[Part]:
        calls = parser.read_document(without_endings(text))
        yield from calls or self._run(text)

    def _is_markup(self, text: str, state: _State) -> bool:
        if state is _State.ENDING:
            return _ENDED.fullmatch(text) is not None
        if state is _State.CALL:
            return not self._in_line and not behind_markers(text)
        return state is _State.AFTER_CALL and not text.strip()

    def _run(self, text: str) -> Iterator[Part]:
        """Take steps until nothing is left that can be decided."""
        self._todo = text
        while self._todo:
            todo, self._todo = self._todo, ""
            yield from self._step(todo)

    def _step(self, text: str) -> Iterator[Part]:
        if not self._tags.done:
            return self._read_tags(text)
        if self._state is _State.TEXT:
            return self._read_text(text)
        if self._state is _State.CALL:
            return self._read_call(text)
        if self._state is _State.ENDING:
            return self._read_ending(text)
        if self._state is _State.AFTER_CALL:
            return self._read_after_call(text)
        return self._read_document(text)

    def _read_tags(self, text: str) -> Iterator[Part]:
        """Read what comes before the first text of the answer."""
        for part in self._tags.feed(text):
            if isinstance(part, TextDelta):
                self._begin(part.text)
                self._todo = part.text
            else:
                yield part

    def _begin(self, text: str) -> None:
        """Note the first text of the answer."""
        self._watches_closer = self._watches_closer and not self._tags.found
        if self._takes_documents and self._state is _State.TEXT and text.lstrip()[:1] in {"{", "["}:
            self._state = _State.DOCUMENT

    def _read_text(self, text: str) -> Iterator[Part]:
        """Pass on text up to a marker, or up to what may be the beginning of one."""
        self._context.add("".join(self._passed))
        self._passed.clear()
        start = seen = 0
        for found in _WATCHED.finditer(text):
            self._context.add(text[seen : found.start()])
            seen = found.start()
            if found["closer"]:
                if found["end"] is None and self._ends_reasoning(text, seen):
                    yield from self._close(text[start:seen], text[found.end() :])
                    return
            elif found["opener"]:
                self._watches_closer = False
            elif found["box"] and self._is_mark(found):
                if start < seen:
                    yield TextDelta(text[start:seen])
                start = seen = found.end("box")
            elif state := self._state_at(found):
                if start < seen:
                    yield TextDelta(text[start:seen])
                self._state, self._tries = state, 0
                self._in_line = self._context.in_line
                self._todo = text[seen:]
                return
        end = max(seen, self._end_of_text(text))
        self._context.add(text[seen:end])
        if start < end:
            yield TextDelta(text[start:end])
        self._hold(text[end:])

    def _is_mark(self, box: re.Match[str]) -> bool:
        """Return whether a mark of a box is to be left out: not one that the text speaks of."""
        if self._context.in_code:
            return False
        if box["box"] == END_OF_BOX:
            was_open, self._boxed = self._boxed, False
            return was_open
        if box["prose"] or box.end() == len(box.string):
            return False
        self._boxed = True
        return True

    def _state_at(self, marker: re.Match[str]) -> _State | None:
        """Return the state that a marker begins; None where it is text."""
        if self._context.in_code or marker["box"]:
            return None
        if marker["ending"]:
            return None if self._context.belongs_to_text(marker[0]) else _State.ENDING
        return _State.CALL if self._parser else None

    def _ends_reasoning(self, text: str, place: int) -> bool:
        """Return whether a closing tag ends reasoning that was passed on as text."""
        can_end = self._watches_closer and not self._context.in_code
        return can_end and TEMPLATE_CLOSER.match(text, place) is not None

    def _close(self, before: str, rest: str) -> Iterator[Part]:
        """End the message at a closing tag: what came before it was reasoning, what follows is the answer."""
        if before := before.rstrip():
            yield TextDelta(before)
        self._watches_closer = False
        yield from self._resume(rest)

    def _resume(self, rest: str) -> Iterator[Part]:
        """End the message; reasoning or another message follows."""
        yield TextDone()
        self._context = TextContext()
        self._state = _State.TEXT
        self._tags.resume()
        self._todo = rest

    def _end_of_text(self, text: str) -> int:
        """Return the place of what may be the beginning of a marker at the end."""
        for start in _START.finditer(text, max(0, len(text) - _LONGEST)):
            if self._may_grow(text[start.start() :]):
                return start.start()
        return len(text)

    def _may_grow(self, tail: str) -> bool:
        if tail in _BEFORE_ENDING or (self._parser and tail in _BEFORE_MARKER):
            return True
        # What follows a closing tag tells whether it is prose.
        lowered = tail.lower()
        is_tag = lowered.rstrip(" \t") in TEMPLATE_CLOSERS or lowered in _BEFORE_TAG
        return self._watches_closer and is_tag

    def _read_call(self, text: str) -> Iterator[Part]:
        """Read a text that begins with a marker."""
        self._tries += 1
        reading = self._parser.read(text, final=False) if self._parser else Pending.TEXT
        if isinstance(reading, Found) and self._in_line:
            reading = self._outside_prose(text, reading)
        if isinstance(reading, Found):
            self._state = _State.AFTER_CALL
            self._todo = text[reading.end :]
            yield from reading.calls
        elif reading is Pending.MORE:
            self._hold(text)
        else:
            # Its first character makes it text; another marker may follow.
            self._state = _State.TEXT
            self._context.add(text[:1])
            self._todo = text[1:]
            yield TextDelta(text[:1])

    def _outside_prose(self, text: str, found: Found) -> Found | Pending:
        """Return the calls unless text follows them on a line that they did not begin."""
        behind = _BEHIND_CALL_ON_LINE.match(text, found.end)
        end = behind.end() if behind else found.end
        rest = text[end:]
        if not rest.strip() or rest.lstrip() in _AFTER_CALL:
            return Pending.MORE
        return found if rest.startswith(("\n", "\r", *_MARKERS)) else Pending.TEXT

    def _read_after_call(self, text: str) -> Iterator[Part]:
        """Drop whitespace and closing markers behind a call, up to another call or to text."""
        behind = _BEHIND_CALL.match(text)
        rest = text[behind.end() :] if behind else text
        if not rest or rest in _AFTER_CALL or rest.rstrip() in _SEPARATORS:
            self._hold(rest)
            return
        self._context = TextContext()
        # Several calls may stand behind one marker.
        is_json = rest[0] == "{" and self._parser is not None
        self._state, self._tries = (_State.CALL if is_json else _State.TEXT), 0
        self._in_line = False
        self._todo = rest
        yield from ()

    def _read_ending(self, text: str) -> Iterator[Part]:
        """Hold end tokens: at the end of the answer and before a call they are left out, before text they are text."""
        behind = _ENDED.match(text)
        end = behind.end() if behind else 0
        rest = text[end:]
        if not rest or rest in _AFTER_ENDING:
            self._hold(text if len(text) <= MAX_ENDING else rest or text[-1:])
        elif self._parser and rest.startswith(_MARKERS):
            self._context = TextContext()
            self._state = _State.TEXT
            self._todo = rest
        elif rest.startswith(HARMONY_HEADS):
            yield from self._resume(rest)
        else:
            self._state = _State.TEXT
            self._context.add(text[:end])
            self._todo = rest
            yield TextDelta(text[:end])

    def _read_document(self, text: str) -> Iterator[Part]:
        """Hold what may be the JSON of calls."""
        self._hold(text)
        may_be = self._size >= MAX_HEAD or (
            self._parser and self._parser.may_be_document("".join(self._held))
        )
        if not may_be:
            self._state = _State.TEXT
            self._todo = self._take()
        yield from ()

    def _is_worth_reading(self, text: str) -> bool:
        """Return whether the held text may be a whole call now, or can be none any more."""
        ends = ">" in text or "}" in text or "]" in text or self._in_line
        return self._size < MAX_HEAD or (ends and self._tries < MAX_TRIES)

    def _hold(self, text: str) -> None:
        if text:
            self._held.append(text)
            self._size += len(text)

    def _take(self) -> str:
        text = "".join(self._held)
        self._held.clear()
        self._size = 0
        return text
