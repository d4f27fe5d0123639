"""The catalog's shapes. What Codex accepts of an entry is tested in test_catalog_rules.py."""

from __future__ import annotations

import orjson
import pytest

from addons.core.byok_catalog import byok_entry
from addons.core.catalog import (
    EVERY_VERSION,
    Entry,
    account_entries,
    codex_shape,
    etag_of,
    fallback_entries,
    openai_shape,
    problems_of,
)
from addons.core.cursor.catalog import cursor_entry
from addons.core.cursor.settings import CursorSettings
from addons.core.model_row import ModelRow
from addons.core.providers.demo import demo_entry
from tests.core.wire.chat_streams import target

TARGET = target()


def test_the_last_resort_is_a_catalog_that_every_codex_takes() -> None:
    catalog = codex_shape(fallback_entries())

    assert problems_of(catalog, EVERY_VERSION) == []
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


OURS = [
    *fallback_entries(),
    demo_entry(),
    cursor_entry("composer-2-5", CursorSettings()),
    byok_entry(ModelRow("s", "S", "p", "m", TARGET), TARGET, 0),
]


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: str(entry["slug"]))
def test_our_own_entries_say_nothing_that_codex_does_not_know(entry: Entry) -> None:
    assert entry.keys() - EVERY_VERSION.fields.keys() == set()
    assert entry["effective_context_window_percent"] == 95
    assert entry["supported_in_api"] is True
    assert entry["availability_nux"] is None
    assert entry["upgrade"] is None


def test_account_entries_come_through_verbatim_and_in_order() -> None:
    models = [{"slug": "b", "x": {"y": [1, 2.5, None]}}, {"slug": "a", "priority": -3}]
    payload = orjson.dumps({"fetched_at": "…", "models": models, "etag": "e"})

    read = account_entries(payload)

    assert list(read.entries) == models
    assert (read.skipped, read.problem) == (0, "")


def test_an_entry_without_a_slug_of_its_own_is_skipped_and_counted() -> None:
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
def test_a_list_that_cannot_be_used_says_why(payload: bytes, problem: str) -> None:
    read = account_entries(payload)

    assert read.entries == ()
    assert read.problem == problem


def test_sdks_read_the_openai_shape() -> None:
    assert openai_shape([("glm", "deepseek")], created=17) == {
        "object": "list",
        "data": [{"id": "glm", "object": "model", "created": 17, "owned_by": "deepseek"}],
    }


def test_the_etag_is_quoted_and_follows_the_bytes() -> None:
    assert etag_of(b"a") == etag_of(b"a")
    assert etag_of(b"a") != etag_of(b"b")
    assert etag_of(b"a").strip('"').isalnum()
    assert etag_of(b"a").startswith('"')
