"""Maps a stop reason, for each kind of client, to the status of the response.

Data only. Invariant: every stop reason has a row for every kind of client.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from addons.core.errors import INVALID_PROMPT
from addons.core.protocols.canonical.events import StopReason


class Client(StrEnum):
    """The kind of client: Codex retries an incomplete response and drops refusal parts; SDKs expect both."""

    CODEX = "codex"
    OTHER = "other"


class Failure(NamedTuple):
    """A failure of a turn. The text follows the name of the model."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class StopMapping:
    """The end of a turn."""

    status: str = "completed"
    reason: str | None = None
    """`incomplete_details.reason`."""
    without_answer: Failure | None = None
    """The failure of a turn that holds neither a call nor text other than whitespace."""


OUTPUT_LIMIT = Failure(
    INVALID_PROMPT,
    "reached its output limit before it answered. Allow it more output tokens, or ask for less at once.",
)
FILTERED = Failure(
    INVALID_PROMPT,
    "gave no answer: its provider's content filter withheld it. Rephrase the request and send it again.",
)
REFUSED = Failure(
    INVALID_PROMPT,
    "refused to answer and gave no explanation. Rephrase the request and send it again.",
)
NO_ANSWER = Failure(
    "empty_answer",
    "ended its answer without text and without a tool call. Send the turn again.",
)
INCOMPLETE_CALL = Failure(
    "tool_call_incomplete",
    "stopped inside a call of {tool}. The call was not run. Send the turn again.",
)
TRUNCATED_CALL = Failure(
    INVALID_PROMPT,
    "reached its output limit inside a call of {tool}. The call was not run. Allow it more output tokens, or ask for smaller steps.",
)
UNKNOWN_CALL = Failure(
    "upstream_protocol",
    "sent arguments of a tool call that it had not started. Send the turn again.",
)

STOP_MAPPINGS: dict[tuple[Client, StopReason], StopMapping] = {
    (Client.CODEX, StopReason.END): StopMapping(without_answer=NO_ANSWER),
    (Client.CODEX, StopReason.TOOL_CALLS): StopMapping(without_answer=NO_ANSWER),
    (Client.CODEX, StopReason.LENGTH): StopMapping(without_answer=OUTPUT_LIMIT),
    (Client.CODEX, StopReason.CONTENT_FILTER): StopMapping(without_answer=FILTERED),
    (Client.CODEX, StopReason.REFUSAL): StopMapping(without_answer=REFUSED),
    (Client.OTHER, StopReason.END): StopMapping(without_answer=NO_ANSWER),
    (Client.OTHER, StopReason.TOOL_CALLS): StopMapping(without_answer=NO_ANSWER),
    (Client.OTHER, StopReason.LENGTH): StopMapping("incomplete", "max_output_tokens"),
    (Client.OTHER, StopReason.CONTENT_FILTER): StopMapping("incomplete", "content_filter"),
    (Client.OTHER, StopReason.REFUSAL): StopMapping(without_answer=REFUSED),
}
