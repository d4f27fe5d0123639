"""Validation of a model catalog as Codex does it: one rule per field, and the required fields of each version.

Never does: repair an entry. Invariant: Codex starts with a catalog that has no problem; a single invalid entry
keeps it from starting. Measured field by field with the Codex binaries 0.133 and 0.169
(`codex debug models -c model_catalog_json=…`). Two rules are stricter than Codex: a slug is not empty, and it is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from addons.core.codex.reasoning_levels import OLD_LEVELS


@dataclass(frozen=True, slots=True)
class CatalogProblem:
    """One reason why Codex would reject the catalog. `path` is like `models["gpt-5.5"].priority`."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


Check = Callable[[object, str], Iterator[CatalogProblem]]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one version of Codex: required fields, and a check for each known field."""

    required: frozenset[str]
    fields: Mapping[str, Check]


def catalog_problems(catalog: object, rules: Rules | None = None) -> list[CatalogProblem]:
    """Return every problem of a catalog (parsed JSON) in reading order; empty when Codex would accept it.

    `rules` default to `CURRENT`, because the backend makes entries for the current version.
    """
    if not isinstance(catalog, dict):
        return [CatalogProblem("catalog", f"must be an object, not {_kind(catalog)}")]
    entries = catalog.get("models")
    if not isinstance(entries, list):
        return [CatalogProblem("models", "must be a list of models")]
    if not entries:
        return [CatalogProblem("models", "must contain at least one model")]
    return [*_entries(entries, rules or CURRENT), *_repeated_slugs(entries)]


def _entries(entries: list[object], rules: Rules) -> Iterator[CatalogProblem]:
    for index, entry in enumerate(entries):
        yield from _entry(entry, _path_of(entry, index), rules)


def _entry(entry: object, path: str, rules: Rules) -> Iterator[CatalogProblem]:
    yield from _record(entry, path, rules)
    if isinstance(entry, dict) and not _has_instructions(entry):
        reason = "is missing, and there is no model_messages.instructions_template"
        yield CatalogProblem(f"{path}.base_instructions", reason)


def _record(value: object, path: str, rules: Rules) -> Iterator[CatalogProblem]:
    if not isinstance(value, dict):
        yield CatalogProblem(path, f"must be an object, not {_kind(value)}")
        return
    for name in sorted(rules.required - value.keys()):
        yield CatalogProblem(f"{path}.{name}", "is missing")
    for name, part in value.items():
        check = rules.fields.get(name)
        if check:
            yield from check(part, f"{path}.{name}")


def _has_instructions(entry: Mapping[str, object]) -> bool:
    messages = entry.get("model_messages")
    template = messages.get("instructions_template") if isinstance(messages, dict) else None
    return entry.get("base_instructions") is not None or template is not None


def _repeated_slugs(entries: list[object]) -> Iterator[CatalogProblem]:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        slug = entry.get("slug") if isinstance(entry, dict) else None
        if isinstance(slug, str) and slug in seen:
            yield CatalogProblem(f"models[{index}].slug", f'"{slug}" is used twice')
        elif isinstance(slug, str):
            seen.add(slug)


def _path_of(entry: object, index: int) -> str:
    slug = entry.get("slug") if isinstance(entry, dict) else None
    return f'models["{slug}"]' if isinstance(slug, str) and slug else f"models[{index}]"


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


def _text(value: object, path: str) -> Iterator[CatalogProblem]:
    if not isinstance(value, str):
        yield CatalogProblem(path, f"must be text, not {_kind(value)}")


def _non_empty_text(value: object, path: str) -> Iterator[CatalogProblem]:
    yield from _text(value, path)
    if value == "":
        yield CatalogProblem(path, "must not be empty")


def _boolean(value: object, path: str) -> Iterator[CatalogProblem]:
    if not isinstance(value, bool):
        yield CatalogProblem(path, f"must be true or false, not {_kind(value)}")


def _integer(bits: int) -> Check:
    bound = 1 << (bits - 1)

    def check(value: object, path: str) -> Iterator[CatalogProblem]:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not -bound <= value < bound:  # type: ignore[operator]
            yield CatalogProblem(path, f"must be a whole number of {bits} bits")

    return check


def _one_of(*values: str) -> Check:
    def check(value: object, path: str) -> Iterator[CatalogProblem]:
        if value not in values:
            yield CatalogProblem(path, f"must be one of {', '.join(values)}")

    return check


def _list_of(item: Check) -> Check:
    def check(value: object, path: str) -> Iterator[CatalogProblem]:
        if not isinstance(value, list):
            yield CatalogProblem(path, f"must be a list, not {_kind(value)}")
            return
        for index, each in enumerate(value):
            yield from item(each, f"{path}[{index}]")

    return check


def _with(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    rules = Rules(frozenset(required), {**required, **(optional or {})})

    def check(value: object, path: str) -> Iterator[CatalogProblem]:
        yield from _record(value, path, rules)

    return check


def _or_null(check: Check) -> Check:
    def nullable(value: object, path: str) -> Iterator[CatalogProblem]:
        if value is not None:
            yield from check(value, path)

    return nullable


_TIER = _with({"id": _text, "name": _text, "description": _text})
_OLD_EFFORT = _one_of(*OLD_LEVELS)

_FIELDS: Mapping[str, Check] = {
    "slug": _non_empty_text,
    "display_name": _text,
    "description": _or_null(_text),
    "default_reasoning_level": _or_null(_non_empty_text),
    "supported_reasoning_levels": _list_of(
        _with({"effort": _non_empty_text, "description": _text})
    ),
    "shell_type": _one_of("default", "local", "shell_command", "unified_exec", "disabled"),
    "visibility": _one_of("list", "hide", "none"),
    "supported_in_api": _boolean,
    "priority": _integer(32),
    "additional_speed_tiers": _list_of(_text),
    "service_tiers": _list_of(_TIER),
    "default_service_tier": _or_null(_text),
    "availability_nux": _or_null(_with({"message": _text})),
    "upgrade": _or_null(_with({"model": _text, "migration_markdown": _text})),
    "base_instructions": _or_null(_text),
    "model_messages": _or_null(_with({}, {"instructions_template": _or_null(_text)})),
    "include_skills_usage_instructions": _boolean,
    "include_plugin_usage_instructions": _boolean,
    "include_apps_usage_instructions": _boolean,
    "default_reasoning_summary": _one_of("auto", "concise", "detailed", "none"),
    "support_verbosity": _boolean,
    "default_verbosity": _or_null(_one_of("low", "medium", "high")),
    "apply_patch_tool_type": _or_null(_one_of("freeform")),
    "web_search_tool_type": _one_of("text", "text_and_image"),
    "truncation_policy": _with({"mode": _one_of("bytes", "tokens"), "limit": _integer(64)}),
    "supports_image_detail_original": _boolean,
    "context_window": _or_null(_integer(64)),
    "max_context_window": _or_null(_integer(64)),
    "auto_compact_token_limit": _or_null(_integer(64)),
    "effective_context_window_percent": _integer(64),
    "experimental_supported_tools": _list_of(_text),
    "input_modalities": _list_of(_one_of("text", "image", "audio")),
    "supports_search_tool": _boolean,
    "supports_experimental_context": _boolean,
    "use_responses_lite": _boolean,
    "supports_reasoning_effort_updates": _boolean,
    "node_repl_auto_review_required": _boolean,
    "node_repl_disabled": _boolean,
    "tool_mode": _or_null(_text),
    "multi_agent_version": _or_null(_text),
    "multi_agent_reasoning_effort": _or_null(_non_empty_text),
    "auto_review_model_override": _or_null(_text),
    "model_specialty": _or_null(_text),
    "comp_hash": _or_null(_text),
}

CURRENT = Rules(
    frozenset(
        {
            "slug", "display_name", "supported_reasoning_levels", "shell_type", "visibility", "supported_in_api",
            "priority", "support_verbosity", "truncation_policy", "experimental_supported_tools",
        }
    ),
    _FIELDS,
)  # fmt: skip
"""Codex 0.169."""

EVERY_VERSION = Rules(
    CURRENT.required
    | {"base_instructions", "supports_reasoning_summaries", "supports_parallel_tool_calls"},
    {
        **_FIELDS,
        "base_instructions": _text,
        "supports_reasoning_summaries": _boolean,
        "supports_parallel_tool_calls": _boolean,
        "default_reasoning_level": _or_null(_OLD_EFFORT),
        "supported_reasoning_levels": _list_of(
            _with({"effort": _OLD_EFFORT, "description": _text})
        ),
        "input_modalities": _list_of(_one_of("text", "image")),
    },
)
"""Rules that satisfy both Codex 0.133 and 0.169; entries that the shim makes for an unknown version follow them."""
