"""The catalog entries of Cursor's models, and a sentence that describes what Cursor may do on this machine.

Invariant: the sentence matches the flags that `command.turn_command` passes.
"""

from __future__ import annotations

from addons.core.codex.catalog import Entry
from addons.core.cursor.settings import CursorSettings

SLUG, FAST_SLUG = "composer-2-5", "composer-2-5-fast"
NAMES = {SLUG: "Composer 2.5", FAST_SLUG: "Composer 2.5 Fast"}
ALIASES = {"composer-2.5": SLUG, "composer-2.5-fast": FAST_SLUG}
CONTEXT_TOKENS = 200_000
COMPACT_TOKENS = 160_000
PRIORITY = 15
"""After the account's own models and before the rows of models.json."""


def describe_policy(settings: CursorSettings) -> str:
    """Return one sentence that says what a turn may do."""
    if settings.tools == "codex":
        return "Codex's tools act, under Codex's sandbox and approvals; Cursor only reads and answers (ask mode)."
    if settings.mode != "agent":
        return f"Cursor only reads and answers ({settings.mode} mode)."
    shell = (
        "runs every shell command that Cursor does not deny"
        if settings.force
        else "runs only the shell commands that you have allowed in Cursor"
    )
    return f"Cursor's own tools act, outside Codex's sandbox and approvals: Cursor reads and edits files, and {shell}."


def cursor_entry(slug: str, settings: CursorSettings) -> Entry:
    """Return the catalog entry of one model."""
    uses_codex_tools = settings.tools == "codex"
    return {
        "slug": slug,
        "display_name": NAMES[slug],
        "description": f"Cursor's model through your own cursor-agent login. {describe_policy(settings)}",
        "default_reasoning_level": None,
        "supported_reasoning_levels": [],
        "shell_type": "shell_command" if uses_codex_tools else "disabled",
        "visibility": "list",
        "supported_in_api": True,
        "priority": PRIORITY + list(NAMES).index(slug),
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": f"You are {NAMES[slug]}, a coding agent that the user talks to through Codex. Keep to what was asked, and check your work before you say that it is done.",
        "supports_reasoning_summaries": True,
        "default_reasoning_summary": "auto",
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": "freeform" if uses_codex_tools else None,
        "web_search_tool_type": "text",
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
        "supports_parallel_tool_calls": uses_codex_tools,
        "supports_image_detail_original": False,
        "context_window": CONTEXT_TOKENS,
        "max_context_window": CONTEXT_TOKENS,
        "auto_compact_token_limit": COMPACT_TOKENS,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": ["text"],
        "tool_mode": "direct",
        "supports_search_tool": False,
    }
