"""Compaction: how a summary is asked for, and the item that stands for the turns it sums up.

Source: the item `{"type": "compaction", "encrypted_content"}` as Codex 0.169 takes it; OpenAI API reference, "Compact a
response", for the unary answer of `/responses/compact`. The content is a replay blob bound to no upstream. Invariant:
what we wrote, any later model is given as plain text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson

from addons.core.translate.conversation import Conversation, Json, Text, ToolChoice, User
from addons.core.translate.replay import seal, unseal
from addons.core.usage import Usage

LINEAGE = "compaction"
ITEM_TYPES = frozenset({"compaction", "compaction_summary", "context_compaction"})
UNKNOWN_USAGE = Usage(0, 0, 0, 0, 0)
"""The answer's type has no place for counts that the upstream did not give."""
SUMMARY_PREFIX = "The earlier part of this conversation was replaced by the following summary. Rely on it and go on from there.\n\n"
REQUEST = (
    "The conversation is about to be replaced by a summary that you write now. Call no tools; answer with the summary"
    " alone. It must let another model go on without asking: what the user wants, in their words where they matter;"
    " instructions and constraints still in force; what was done, with file names, commands and results; decisions and"
    " their reasons; what failed; the state of the work now; the next steps in order."
)


def ask_for_summary(conversation: Conversation) -> Conversation:
    """The same conversation, ending in the request for a summary. All before it stays, for the prompt cache."""
    return replace(
        conversation,
        items=(*conversation.items, User((Text(REQUEST),))),
        choice=ToolChoice("none"),
        text_format=None,
        wants_compaction=True,
    )


def compaction_item(summary: str, item_id: str) -> dict[str, object]:
    """The one item that answers a request for compaction."""
    blob = seal(LINEAGE, {"summary": summary})
    return {"type": "compaction", "id": item_id, "encrypted_content": blob}


def compact_body(
    response_id: str, created_at: int, item: Mapping[str, object], usage: Usage | None
) -> bytes:
    """The whole answer of `/responses/compact`: one compaction, whose item stands for all that was sent."""
    return orjson.dumps(
        {
            "id": response_id,
            "object": "response.compaction",
            "created_at": created_at,
            "output": [item],
            "usage": (usage or UNKNOWN_USAGE).wire(),
        }
    )


def read_compaction(item: Mapping[str, object]) -> str | None:
    """The text that stands for a compaction item of ours; None when another service encrypted it."""
    content = item.get("encrypted_content")
    data: Json | None = unseal(content, LINEAGE) if isinstance(content, str) else None
    summary = data.get("summary") if data else None
    return SUMMARY_PREFIX + summary if isinstance(summary, str) and summary else None
