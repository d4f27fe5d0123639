"""The stream side of the canonical vocabulary: the events of one answer, in any upstream protocol.

A reader (chat completions, Anthropic messages, cursor-agent) produces these events; only the emitter turns them into
`response.*` events. Values without state, a clock or an identity; `UnknownFields` remembers what it has reported.

Rules between a reader and the emitter:

- Text, refusal and reasoning have no start event and need no end event. A delta opens the item that it belongs to
  and closes the one that was open; `TextDone` and `ReasoningDone` close it earlier.
- Tool calls are identified by `index` and may interleave. A call that has not ended when the turn stops, or whose
  arguments are incomplete, is never delivered: the turn fails. Only a reader can say that malformed arguments are
  complete.
- A `Citation` belongs to the open text: it follows a text delta, before any other item is opened.
- `UsageSeen` may occur at any time before the end; the last one counts.
- `Stopped` or `Failed` ends the turn. A stream that ends without a stop reason was truncated: that is `Failed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from addons.core.errors import Problem
from addons.core.turn import printable
from addons.core.upstream.patterns import at_first_use
from addons.core.usage import Usage


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDone:
    """The message ends here: later text belongs to a new message."""


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """More of the text of a refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A web page that the open text cites."""

    url: str
    title: str
    start: int | None = None
    end: int | None = None
    """`start` and `end` are character offsets in that text, if they are known."""


@dataclass(frozen=True, slots=True)
class Omitted:
    """A part of the answer that cannot be translated."""

    what: str
    """A description for the turn's record, without text of the answer."""
    note: str = ""
    """A message that the user sees in the answer; empty for none."""


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the visible reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDone:
    """The block of reasoning ends here.

    `opaque` is data that the upstream expects back with the next request (an Anthropic signature, encrypted
    reasoning), wrapped by `canonical.opaque_reasoning`. Without a preceding delta the block has no visible text.
    """

    opaque: str | None = None


class CallKind(StrEnum):
    """How the client declared the tool. It decides the type of the call's output item."""

    FUNCTION = "function"
    CUSTOM = "custom"
    LOCAL_SHELL = "local_shell"
    """The arguments are the JSON of the item's `action`."""


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """A call begins. `name` and `namespace` are those that the client declared, not the upstream name."""

    index: int
    call_id: str
    name: str
    namespace: str | None = None
    kind: CallKind = CallKind.FUNCTION


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a call's arguments: JSON text of a function, free text of a custom tool."""

    index: int
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolCallEnd:
    """The upstream completed this call.

    In a protocol without an end marker, a call is complete when the turn stops, unless it stops at a length limit.
    """

    index: int
    malformed: bool = False
    """The arguments are no JSON object although they are complete: they are delivered as the upstream wrote them."""


@dataclass(frozen=True, slots=True)
class UsageSeen:
    """The token usage of the turn, counted as the Responses API does."""

    usage: Usage


class StopReason(StrEnum):
    """Why the model stopped, common to all protocols."""

    END = "end"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"


_FILTERED = at_first_use(
    r"content.?filter|safety|recitation|blocklist|prohibited|spii|sensitive|moderation|guardrail|model_armor|toxic"
)
_LIMITED = at_first_use(
    r"max.?(?:length|(?:new|completion)?.?tokens|output|predicted)|(?:token|length|context|output|error).?limit|context.?(?:length|window)|model.?length"
)
_INCOMPLETE = at_first_use(
    r"error|fail|abort|cancel|malform|interrupt|incomplete|timed?.?out|deadline|network|disconnect|overload|unload|shut.?down|stalled|"
    r"rate.?limit|insufficient|unexpected|too.?many|missing|user.?stop|repetition"
)


def stop_reason_of(word: str) -> StopReason | None:
    """Return what an upstream means by a stop reason that its protocol does not know; None if the answer is incomplete.

    Gateways pass on the words of the servers behind them: Gemini's, Cohere's, LM Studio's, or their own.
    """
    word = word.lower()
    if _FILTERED.search(word):
        return StopReason.CONTENT_FILTER
    if _LIMITED.search(word):
        return StopReason.LENGTH
    return None if _INCOMPLETE.search(word) else StopReason.END


@dataclass(frozen=True, slots=True)
class Stopped:
    """The upstream ended the turn and gave a reason."""

    reason: StopReason


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn cannot continue."""

    problem: Problem


Event = (
    TextDelta
    | TextDone
    | RefusalDelta
    | Citation
    | Omitted
    | ReasoningDelta
    | ReasoningDone
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | UsageSeen
    | Stopped
    | Failed
)


MAX_UNKNOWN_FIELDS = 8
MAX_KIND_LENGTH = 40


@dataclass(slots=True)
class UnknownFields:
    """The fields, parts or blocks of one answer that no reader understands, for the turn's record.

    Never repeats text of the answer. Invariant: reports each kind once, and at most `MAX_UNKNOWN_FIELDS` kinds.
    """

    _reported: set[str] = field(default_factory=set)

    def report(self, what: str, kind: str) -> Iterator[Omitted]:
        """Report one kind, unless it or too many others were reported."""
        description = f"{what} '{printable(kind[:MAX_KIND_LENGTH])}' in the answer"
        if description not in self._reported and len(self._reported) < MAX_UNKNOWN_FIELDS:
            self._reported.add(description)
            yield Omitted(description)
