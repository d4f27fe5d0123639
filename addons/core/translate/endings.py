"""How a turn ends: why the model stopped, and who reads, → completed, incomplete, or failed with what words.

Data only. Invariant: every reason has a row for every client; a test holds the table against both lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from addons.core.translate.events import StopReason


class Client(StrEnum):
    """Who reads the stream: Codex tries an incomplete response again and drops refusal parts, SDKs want both."""

    CODEX = "codex"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ends. `refused`: what the turn fails with instead when it holds no answer."""

    status: str = "completed"
    reason: str | None = None
    """`incomplete_details.reason`."""
    refused: tuple[str, str] | None = None


# What a turn fails with: its code, and what happened to the model, which is named before it.
NO_ROOM = (
    "invalid_prompt",
    "reached its output limit before it answered. Allow it more output tokens, or ask for less at once.",
)
FILTERED = (
    "invalid_prompt",
    "gave no answer: its provider's content filter withheld it. Rephrase the request and send it again.",
)
DECLINED = (
    "invalid_prompt",
    "declined without a word. Rephrase the request and send it again.",
)
HALF_CALL = (
    "tool_call_incomplete",
    "broke off inside a call of {tool}. The call was not run. Send the turn again.",
)
LONG_CALL = (
    "invalid_prompt",
    "reached its output limit inside a call of {tool}. The call was not run. Allow it more output tokens, or ask for smaller steps.",
)
STRAY_CALL = (
    "upstream_protocol",
    "sent arguments of a tool call that it had not begun. Send the turn again.",
)

OUTCOMES: dict[tuple[Client, StopReason], Outcome] = {
    (Client.CODEX, StopReason.END): Outcome(),
    (Client.CODEX, StopReason.TOOL_CALLS): Outcome(),
    (Client.CODEX, StopReason.LENGTH): Outcome(refused=NO_ROOM),
    (Client.CODEX, StopReason.CONTENT_FILTER): Outcome(refused=FILTERED),
    (Client.CODEX, StopReason.REFUSAL): Outcome(refused=DECLINED),
    (Client.OTHER, StopReason.END): Outcome(),
    (Client.OTHER, StopReason.TOOL_CALLS): Outcome(),
    (Client.OTHER, StopReason.LENGTH): Outcome("incomplete", "max_output_tokens"),
    (Client.OTHER, StopReason.CONTENT_FILTER): Outcome("incomplete", "content_filter"),
    (Client.OTHER, StopReason.REFUSAL): Outcome(refused=DECLINED),
}
