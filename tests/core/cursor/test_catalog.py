"""Catalog entries of Cursor's models: accepted by Codex, and true about the policy."""

from __future__ import annotations

import pytest

from addons.core.codex.catalog import CURRENT, EVERY_VERSION, catalog_problems, codex_shape
from addons.core.cursor.catalog import NAMES, cursor_entry, describe_policy
from addons.core.cursor.settings import CursorSettings


@pytest.mark.parametrize(
    "settings", [CursorSettings(), CursorSettings(tools="codex"), CursorSettings(mode="ask")]
)
def test_entries_are_valid_and_describe_the_policy(settings: CursorSettings) -> None:
    entries = [cursor_entry(slug, settings) for slug in NAMES]
    for rules in (CURRENT, EVERY_VERSION):
        assert catalog_problems(codex_shape(entries), rules) == []
    assert all(describe_policy(settings) in str(entry["description"]) for entry in entries)


def test_entry_states_what_the_model_supports() -> None:
    entry = cursor_entry("composer-2-5", CursorSettings())
    facts = {
        "display_name": "Composer 2.5", "visibility": "list", "supported_in_api": True, "input_modalities": ["text"],
        "tool_mode": "direct", "shell_type": "disabled", "apply_patch_tool_type": None,
        "supports_parallel_tool_calls": False, "support_verbosity": False, "supports_search_tool": False,
        "supports_image_detail_original": False, "supports_reasoning_summaries": True, "default_reasoning_summary": "auto",
        "supported_reasoning_levels": [], "experimental_supported_tools": [],
    }  # fmt: skip
    assert {name: entry[name] for name in facts} == facts
    windows = ("auto_compact_token_limit", "context_window", "max_context_window")
    assert [entry[name] for name in windows] == [160_000, 200_000, 200_000]
    acting = cursor_entry("composer-2-5-fast", CursorSettings(tools="codex"))
    assert (acting["shell_type"], acting["apply_patch_tool_type"]) == ("shell_command", "freeform")
    assert acting["supports_parallel_tool_calls"] is True
    assert acting["priority"] == entry["priority"] + 1  # type: ignore[operator]
