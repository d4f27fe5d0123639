"""The names of the events of the Responses API that are known, to Codex or to its upstreams.

Source: the API's streaming reference, and what Codex 0.133 to 0.171 reads (2026-11). Invariant: each name stands once.
"""

from __future__ import annotations

PROBED_EVENTS = (
    "codex.rate_limits",
    "error",
    "keepalive",
    "response.audio.delta",
    "response.audio.transcript.delta",
    "response.code_interpreter_call.completed",
    "response.code_interpreter_call_code.delta",
    "response.content_part.added",
    "response.content_part.done",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.file_search_call.searching",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.image_generation_call.partial_image",
    "response.in_progress",
    "response.mcp_call.in_progress",
    "response.mcp_call_arguments.delta",
    "response.metadata",
    "response.output_text.annotation.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.queued",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "response.refusal.delta",
    "response.refusal.done",
    "response.tool_call_input.delta",
    "response.web_search_call.searching",
)
"""Events that a client may read or ignore. Source: the API's streaming reference, and Codex' own, 2026-11."""
NEEDED_EVENTS = (
    "response.completed",
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
)
"""Events of every answer."""  # fmt: skip
ENDS = ("error", "response.failed", "response.incomplete")
"""Events that end an answer without completing it."""
KNOWN_EVENTS = frozenset(name.encode() for name in (*PROBED_EVENTS, *NEEDED_EVENTS, *ENDS))
