"""The one vocabulary between protocols: what an upstream's stream says, whatever dialect it speaks.

A wire reader (chat completions, Anthropic messages, cursor-agent) makes these events; the emitter alone turns them
into `response.*` events. Values only: nothing here has behaviour, identity of its own, or a clock.

What a reader may rely on:

- Text, refusal and reasoning need no start and no end. A delta opens what it belongs to and ends what was open
  before it; `TextDone` and `ReasoningDone` end it sooner. So text after tools, or two messages, need no ceremony.
- Tool calls are open side by side, each under the `index` that its upstream uses, and may interleave. A call that
  has not ended when the turn stops, or whose arguments are not whole, is never delivered: the turn fails.
- A `Citation` belongs to the text that is open: after text was said, and before anything else is.
- `UsageSeen` may come at any time before the end; the last one counts.
- `Stopped` or `Failed` ends the turn. An upstream that ends without saying why was cut: that is `Failed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from addons.core.errors import Problem
from addons.core.usage import Usage


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDone:
    """The message ends here: text that follows belongs to another one."""


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """More of the text in which the model declines."""

    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A page that the text of the open message names. The places are characters of that text, where they are known."""

    url: str
    title: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of the answer that cannot be passed on. `note`, if any, tells the user so."""

    what: str
    """For the turn's record: no text of the answer."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of what the model lets us see of its thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDone:
    """The block of reasoning ends here.

    `opaque` is what the upstream wants back with the next request, wrapped by the reader that will unwrap it (an
    Anthropic signature, encrypted reasoning). Without a delta before it, it is a block of which nothing is shown.
    """

    opaque: str | None = None


class CallKind(StrEnum):
    """How the client declared the tool, and so the item in which it wants the call."""

    FUNCTION = "function"
    CUSTOM = "custom"
    LOCAL_SHELL = "local_shell"
    """`arguments` are the JSON of the action."""


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """The model begins a call. `name` and `namespace` are the client's, restored from what the upstream was sent."""

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
    """The upstream said that this call is whole.

    A dialect that marks no end of a call has ended it when it stops, but never when it stops for its length.
    """

    index: int


@dataclass(frozen=True, slots=True)
class UsageSeen:
    """What the turn has used, as Responses counts it."""

    usage: Usage


class StopReason(StrEnum):
    """Why the model stopped, in its upstream's own word."""

    END = "end"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Stopped:
    """The upstream said that the turn is over."""

    reason: StopReason


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn cannot go on."""

    problem: Problem


Event = (
    TextDelta
    | TextDone
    | RefusalDelta
    | Citation
    | LeftOut
    | ReasoningDelta
    | ReasoningDone
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | UsageSeen
    | Stopped
    | Failed
)
