"""The model catalog that Codex reads: its JSON shapes, the entries of the account, and the fallback entry.

Never does: change an entry of the account. An entry decides how Codex builds the whole request, so it is forwarded
verbatim or not at all. Invariant: every function is total; unusable input gives a reason that can be shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from addons.core.codex.catalog_rules import (
    CURRENT,
    EVERY_VERSION,
    CatalogProblem,
    Rules,
    catalog_problems,
)

__all__ = [
    "CURRENT",
    "EVERY_VERSION",
    "AccountEntries",
    "CatalogProblem",
    "Entry",
    "Rules",
    "account_entries",
    "catalog_problems",
    "codex_shape",
    "etag_for",
    "fallback_entries",
    "openai_shape",
]

Entry = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AccountEntries:
    """The entries of a model list, in its order; empty when there is a `problem`."""

    entries: tuple[Entry, ...] = ()
    skipped: int = 0
    """The number of entries without a slug, or with a repeated one."""
    problem: str = ""


def codex_shape(entries: Iterable[Entry], client_version: str = "") -> dict[str, object]:
    """Return `{"models": [ModelInfo, …]}`: the catalog file, and GET /v1/models for Codex.

    `client_version` is the Codex that a file is made for, as in Codex's own models_cache.json. Codex does not read it.
    """
    made_for = {"client_version": client_version} if client_version else {}
    return {"models": [dict(entry) for entry in entries], **made_for}


def openai_shape(rows: Iterable[tuple[str, str]], created: int = 0) -> dict[str, object]:
    """Return `{"object": "list", "data": […]}`: GET /v1/models for SDKs.

    A row is (slug, owner); `created` is in epoch seconds.
    """
    data = [
        {"id": slug, "object": "model", "created": created, "owned_by": owner}
        for slug, owner in rows
    ]
    return {"object": "list", "data": data}


def etag_for(catalog: bytes) -> str:
    """Return a strong ETag for a catalog's bytes, quotes included."""
    return f'"{hashlib.sha256(catalog).hexdigest()[:32]}"'


def account_entries(payload: bytes) -> AccountEntries:
    """Read a model list `{"models": […]}`: the backend's response, models_cache.json, or `codex debug models`.

    An entry without a slug, or with a repeated one, is skipped and counted.
    """
    try:
        parsed = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return AccountEntries(problem="it is not JSON")
    models = parsed.get("models") if isinstance(parsed, dict) else None
    if not isinstance(models, list):
        return AccountEntries(problem='it is not of the form {"models": […]}')
    by_slug: dict[str, Entry] = {}
    for entry in models:
        slug = entry.get("slug") if isinstance(entry, dict) else None
        if isinstance(slug, str) and slug:
            by_slug.setdefault(slug, entry)
    if not by_slug:
        return AccountEntries(skipped=len(models), problem="it names no model")
    return AccountEntries(tuple(by_slug.values()), len(models) - len(by_slug))


def fallback_entries() -> tuple[Entry, ...]:
    """Return the list to offer when the account's models are unknown: the longest-standing model.

    The fields are valid for every version of Codex. The figures come from the entry of Codex 0.169.
    """
    return (
        {
            "slug": "gpt-5.5",
            "display_name": "GPT-5.5",
            "description": "From your ChatGPT plan. The full list appears once codex-shim has fetched it.",
            "default_reasoning_level": "medium",
            "supported_reasoning_levels": [
                {"effort": "low", "description": "Quick answers with little reasoning"},
                {"effort": "medium", "description": "A balance for everyday work"},
                {"effort": "high", "description": "More reasoning for hard problems"},
                {"effort": "xhigh", "description": "The most reasoning, for the hardest problems"},
            ],
            "shell_type": "shell_command",
            "visibility": "list",
            "supported_in_api": True,
            "priority": 1,
            "availability_nux": None,
            "upgrade": None,
            "base_instructions": "You are Codex, a coding agent that works in the user's own workspace.",
            "supports_reasoning_summaries": True,
            "default_reasoning_summary": "auto",
            "support_verbosity": True,
            "default_verbosity": "medium",
            "apply_patch_tool_type": "freeform",
            "web_search_tool_type": "text_and_image",
            "truncation_policy": {"mode": "tokens", "limit": 10_000},
            "supports_parallel_tool_calls": True,
            "supports_image_detail_original": True,
            "context_window": 272_000,
            "max_context_window": 272_000,
            "effective_context_window_percent": 95,
            "experimental_supported_tools": [],
            "input_modalities": ["text", "image"],
            "supports_search_tool": True,
        },
    )
