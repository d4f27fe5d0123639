"""The catalog's shapes. The rules for an entry are tested in test_catalog_rules.py."""

from __future__ import annotations

import orjson
import pytest

from addons.core.codex.catalog import (
    EVERY_VERSION,
    Entry,
    account_entries,
    catalog_problems,
    codex_shape,
    etag_for,
    fallback_entries,
    openai_shape,
)
from addons.core.codex.row_catalog import row_entry
from addons.core.cursor.catalog import cursor_entry
from addons.core.cursor.settings import CursorSettings
from addons.core.providers.demo import demo_entry
from addons.core.settings.row import ModelRow
from tests.core.protocols.chat.streams import target

TARGET = target()


def test_fallback_is_valid_for_every_codex() -> None:
    catalog = codex_shape(fallback_entries())

    assert catalog_problems(catalog, EVERY_VERSION) == []
    [entry] = fallback_entries()
    facts = {
        "slug": "gpt-5.5", "shell_type": "shell_command", "visibility": "list", "supported_in_api": True,
        "supports_reasoning_summaries": True, "support_verbosity": True, "default_verbosity": "medium",
        "apply_patch_tool_type": "freeform", "web_search_tool_type": "text_and_image", "supports_search_tool": True,
        "supports_parallel_tool_calls": True, "supports_image_detail_original": True, "input_modalities": ["text", "image"],
        "experimental_supported_tools": [],
    }  # fmt: skip
    assert {name: entry[name] for name in facts} == facts
    levels = entry["supported_reasoning_levels"]
    assert isinstance(levels, list)
    assert [level["effort"] for level in levels] == ["low", "medium", "high", "xhigh"]


OWN_ENTRIES = [
    *fallback_entries(),
    demo_entry(),
    cursor_entry("composer-2-5", CursorSettings()),
    row_entry(ModelRow("s", "S", "p", "m", TARGET), TARGET, 0),
]


@pytest.mark.parametrize("entry", OWN_ENTRIES, ids=lambda entry: str(entry["slug"]))
def test_own_entries_use_only_known_fields(entry: Entry) -> None:
    assert entry.keys() - EVERY_VERSION.fields.keys() == set()
    assert entry["effective_context_window_percent"] == 95
    assert entry["supported_in_api"] is True
    assert entry["availability_nux"] is None
    assert entry["upgrade"] is None


def test_account_entries_are_verbatim_and_in_order() -> None:
    models = [{"slug": "b", "x": {"y": [1, 2.5, None]}}, {"slug": "a", "priority": -3}]
    payload = orjson.dumps({"fetched_at": "…", "models": models, "etag": "e"})

    read = account_entries(payload)

    assert list(read.entries) == models
    assert (read.skipped, read.problem) == (0, "")


def test_entry_without_a_unique_slug_is_skipped_and_counted() -> None:
    models = [
        {"slug": "a", "n": 1},
        {},
        {"slug": ""},
        {"slug": 7},
        "a",
        None,
        {"slug": "a", "n": 2},
    ]

    read = account_entries(orjson.dumps({"models": models}))

    assert read.entries == ({"slug": "a", "n": 1},)
    assert read.skipped == 6


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"", "it is not JSON"),
        (b"<html>sign in</html>", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[]", 'it is not of the form {"models": […]}'),
        (b'{"data":[]}', 'it is not of the form {"models": […]}'),
        (b'{"models":{}}', 'it is not of the form {"models": […]}'),
        (b'{"models":[]}', "it names no model"),
        (b'{"models":[{"id":"a"}]}', "it names no model"),
    ],
)
def test_unusable_list_gives_a_reason(payload: bytes, problem: str) -> None:
    read = account_entries(payload)

    assert read.entries == ()
    assert read.problem == problem


def test_openai_shape() -> None:
    assert openai_shape([("glm", "deepseek")], created=17) == {
        "object": "list",
        "data": [{"id": "glm", "object": "model", "created": 17, "owned_by": "deepseek"}],
    }


def test_etag_is_quoted_and_depends_on_the_bytes() -> None:
    assert etag_for(b"a") == etag_for(b"a")
    assert etag_for(b"a") != etag_for(b"b")
    assert etag_for(b"a").strip('"').isalnum()
    assert etag_for(b"a").startswith('"')
