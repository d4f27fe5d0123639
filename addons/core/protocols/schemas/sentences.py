"""Keywords of a schema as sentences of its description, for servers that refuse the keywords.

Invariant: total and bounded; equal keywords give equal sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson

from addons.core.json_values import JsonDict, as_str

MAX_VALUE = 800
"""Characters of one value."""
MAX_ADDED = 3_000
"""Characters that are added to one description."""
SENTENCES: Mapping[str, str] = {
    "minimum": "At least {}.",
    "maximum": "At most {}.",
    "exclusiveMinimum": "Greater than {}.",
    "exclusiveMaximum": "Less than {}.",
    "multipleOf": "A multiple of {}.",
    "minLength": "At least {} characters.",
    "maxLength": "At most {} characters.",
    "pattern": "Matches the regular expression {}.",
    "format": "Format: {}.",
    "minItems": "At least {} items.",
    "maxItems": "At most {} items.",
    "minProperties": "At least {} properties.",
    "maxProperties": "At most {} properties.",
    "default": "Default: {}.",
    "examples": "Examples: {}.",
    "enum": "One of: {}.",
    "prefixItems": "The items in their order: {}.",
    "required": "Also required: {}.",
    "patternProperties": "Properties by the pattern of their name: {}.",
    "propertyNames": "The names of the properties: {}.",
    "dependentRequired": "Property and what it requires: {}.",
    "not": "Not: {}.",
    "contains": "Contains an item of: {}.",
}
FLAGS = {"uniqueItems": "No item twice.", "deprecated": "Deprecated.", "readOnly": "", "writeOnly": ""}  # fmt: skip
LISTS = frozenset({"enum", "examples", "required"})
SILENT = frozenset({"title", "$ref", "readOnly", "writeOnly", "contentEncoding", "contentMediaType"})  # fmt: skip


def sentence(key: str, value: object) -> str:
    """Return a keyword as a sentence; empty if it tells a model nothing."""
    if key in SILENT or key.startswith("x-"):
        return ""
    if key in FLAGS:
        return FLAGS[key] if value is True else ""
    if key == "additionalProperties":
        return _additional_properties(value)
    text = compact(value)
    if key in LISTS and isinstance(value, list):
        text = text.removeprefix("[").removesuffix("]")
    elif key == "format":
        text = as_str(value)
    template = SENTENCES.get(key)
    return template.format(text) if template else f"JSON schema: {compact({key: value})}."


def _additional_properties(value: object) -> str:
    if value is False:
        return "No other properties."
    return f"Other properties: {compact(value)}." if isinstance(value, Mapping) and value else ""


def compact(value: object) -> str:
    """Return a value as JSON, shortened."""
    try:
        text = orjson.dumps(value, default=dict).decode()
    except (TypeError, ValueError):
        return "a nested value"
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


def described(schema: JsonDict, sentences: Iterable[str]) -> JsonDict:
    """Return the schema with sentences added to its description."""
    known = as_str(schema.get("description"))
    added = [one for one in dict.fromkeys(sentences) if one and one not in known]
    if not added:
        return schema
    text = " ".join(added)
    text = text if len(text) <= MAX_ADDED else f"{text[:MAX_ADDED]}…"
    return {**schema, "description": f"{known} {text}" if known else text}
