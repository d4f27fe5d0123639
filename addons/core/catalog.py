"""What Codex's picker reads: the catalog's shapes, the account's entries in it, and the last resort.

Never does: change an entry of the account. Such an entry decides how Codex shapes the whole request, so it is passed
on verbatim or not at all. Invariant: everything here is total; input that cannot be used gives a reason in words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from addons.core.catalog_rules import CURRENT, EVERY_VERSION, CatalogProblem, Rules, problems_of

__all__ = [
    "CURRENT",
    "EVERY_VERSION",
    "AccountEntries",
    "CatalogProblem",
    "Entry",
    "Rules",
    "account_entries",
    "codex_shape",
    "etag_of",
    "fallback_entries",
    "openai_shape",
    "problems_of",
]

Entry = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AccountEntries:
    """The entries of a model list, in its order. With a `problem` there are none."""

    entries: tuple[Entry, ...] = ()
    skipped: int = 0
    """Entries without a slug of their own."""
    problem: str = ""


def codex_shape(entries: Iterable[Entry]) -> dict[str, object]:
    """`{"models": [ModelInfo, …]}`: the catalog file, and GET /v1/models as Codex asks for it."""
    return {"models": [dict(entry) for entry in entries]}


def openai_shape(rows: Iterable[tuple[str, str]], created: int = 0) -> dict[str, object]:
    """`{"object": "list", "data": […]}`: GET /v1/models as SDKs ask for it.

    A row is (slug, who owns it); `created` is in epoch seconds.
    """
    data = [
        {"id": slug, "object": "model", "created": created, "owned_by": owner}
        for slug, owner in rows
    ]
    return {"object": "list", "data": data}


def etag_of(catalog: bytes) -> str:
    """A strong ETag of a catalog's bytes, quotes included."""
    return f'"{hashlib.sha256(catalog).hexdigest()[:32]}"'


def account_entries(payload: bytes) -> AccountEntries:
    """Read a model list: the backend's answer, models_cache.json or `codex debug models`, all `{"models": […]}`.

    An entry without a slug, or with one that was there before, is skipped and counted.
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
    """The list to offer when nothing is known of the account: the model that has been there longest.

    Its fields hold for every version of Codex. The figures are those of Codex 0.169's own entry.
    """
    return (
        {
            "slug": "gpt-5.5",
            "display_name": "GPT-5.5",
            "description": "From your ChatGPT plan. The full list appears once codex-shim could ask for it.",
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
