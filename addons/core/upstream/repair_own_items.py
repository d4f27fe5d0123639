"""Finds the items of a native request whose type the Responses API does not document, and the refusals that are about them.

Codex's agents send each other `agent_message` items, and newer versions may add types. A server that does not know one
refuses every later turn of the thread. Invariant: nothing is proposed for a request without such an item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from addons.core.json_values import as_object
from addons.core.upstream.refusal import Refusal
from addons.core.upstream.repair_items import named_paths, numbered
from addons.core.upstream.sent import Change, Sent

DOCUMENTED_ITEMS = frozenset(
    {
        "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output",
        "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output", "apply_patch_call",
        "apply_patch_call_output", "computer_call", "computer_call_output", "web_search_call", "file_search_call",
        "image_generation_call", "code_interpreter_call", "mcp_list_tools", "mcp_call", "mcp_approval_request",
        "mcp_approval_response", "item_reference", "compaction", "compaction_trigger", "tool_search_call",
        "tool_search_output", "additional_tools",
    }
)  # fmt: skip
"""Types of items of the Responses API, and `additional_tools`, which holds no content."""
NO_OWN_ITEMS = Change.of("items of Codex's own types sent as messages", own_items=False)
_UNKNOWN_ITEM = re.compile(
    r"(?:unknown|unsupported|invalid|unrecognized|unexpected)\W+(?:\w+ )?items?\b|cannot determine type of 'item'"
)


def own_items(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose to send items of undocumented types as messages, if the refusal is about one of them."""
    items = sent.body.get("input")
    if not isinstance(items, list):
        return
    own = [at for at, one in enumerate(items) if is_own_item(as_object(one))]
    numbers = {int(one[1]) for one in map(numbered, named_paths(refusal)) if one}
    names = {str(items[at]["type"]).lower() for at in own}
    is_named = numbers.intersection(own) or any(name in refusal.search_text for name in names)
    if own and (is_named or _UNKNOWN_ITEM.search(refusal.search_text)):
        yield NO_OWN_ITEMS


def is_own_item(item: Mapping[str, object]) -> bool:
    """Return whether an item has a type that the Responses API does not document."""
    kind = item.get("type")
    return isinstance(kind, str) and bool(kind) and kind not in DOCUMENTED_ITEMS
