"""Compaction: the request for a summary, and the item that replaces the summarized turns.

Source: the item `{"type": "compaction", "encrypted_content"}` as Codex 0.169 accepts it; OpenAI API reference, "Compact
a response", for the unary answer of `/responses/compact`. The content is a blob of `canonical.opaque_reasoning` that is
bound to no upstream. Invariant: any later model receives a summary that the shim wrote as plain text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson

from addons.core.json_values import JsonObject
from addons.core.protocols.canonical.conversation import Conversation, Text, ToolChoice, User
from addons.core.protocols.canonical.opaque_reasoning import unwrap, wrap
from addons.core.usage import Usage

COMPACTION_SCOPE = "compaction"
COMPACTION_TYPES = frozenset({"compaction", "compaction_summary", "context_compaction"})
UNKNOWN_USAGE = Usage(0, 0, 0, 0, 0)
"""The unary answer requires counts, even if the upstream reported none."""
SUMMARY_PREFIX = "The earlier part of this conversation was replaced by the following summary. Rely on it and go on from there.\n\n"
REQUEST = (
    "The conversation is about to be replaced by a summary that you write now. Call no tools; answer with the summary"
    " alone. It must let another model go on without asking: what the user wants, in their words where they matter;"
    " instructions and constraints still in force; what was done, with file names, commands and results; decisions and"
    " their reasons; what failed; the state of the work now; the next steps in order."
)


def request_summary(conversation: Conversation) -> Conversation:
    """Return the conversation with a request for a summary at its end. Earlier items stay, for the prompt cache."""
    return replace(
        conversation,
        items=(*conversation.items, User((Text(REQUEST),))),
        choice=ToolChoice("none"),
        text_format=None,
        wants_compaction=True,
    )


def compaction_item(summary: str, item_id: str) -> dict[str, object]:
    """Return the item that answers a request for compaction."""
    blob = wrap(COMPACTION_SCOPE, {"summary": summary})
    return {"type": "compaction", "id": item_id, "encrypted_content": blob}


def compact_body(
    response_id: str, created_at: int, item: Mapping[str, object], usage: Usage | None
) -> bytes:
    """Return the answer of `/responses/compact`: the one item that replaces the input."""
    return orjson.dumps(
        {
            "id": response_id,
            "object": "response.compaction",
            "created_at": created_at,
            "output": [item],
            "usage": (usage or UNKNOWN_USAGE).to_response(),
        }
    )


def read_compaction(item: Mapping[str, object]) -> str | None:
    """Return the text of a compaction item that the shim wrote; None if another service encrypted it."""
    content = item.get("encrypted_content")
    data: JsonObject | None = (
        unwrap(content, COMPACTION_SCOPE) if isinstance(content, str) else None
    )
    summary = data.get("summary") if data else None
    return SUMMARY_PREFIX + summary if isinstance(summary, str) and summary else None
