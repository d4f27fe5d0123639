"""The schema that two schemas together describe: `allOf`, and the siblings of `$ref` or `anyOf`.

Source: Moonshot, "walle validation rules", sections 3 and 4, whose rules keep the stricter of two constraints. Both
schemas are of the form that `drafts.modern` returns. Invariant: total; where only one of two constraints can stay, the
other one is added to `NOTES`.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.core.json_values import JsonDict

NOTES = "\x00notes"
"""A private keyword: the constraints that were taken out of a schema."""
LARGER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})  # fmt: skip
SMALLER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})  # fmt: skip
FIRST_WINS = frozenset({"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"})  # fmt: skip
SCHEMAS = frozenset({"items", "propertyNames", "contains"})
SCHEMA_MAPS = frozenset({"properties", "patternProperties"})


def merged(first: JsonDict, second: JsonDict) -> JsonDict:
    """Return the constraints of both. Annotations of the first one win."""
    result = dict(first)
    for key, value in second.items():
        if key not in result:
            result[key] = value
        elif result[key] != value and key not in FIRST_WINS:
            _add(result, key, value)
    return result


def _add(result: JsonDict, key: str, value: object) -> None:
    known = result[key]
    if key in LARGER | SMALLER:
        if isinstance(known, int | float) and isinstance(value, int | float):
            result[key] = max(known, value) if key in LARGER else min(known, value)
    elif key in SCHEMA_MAPS and isinstance(known, Mapping) and isinstance(value, Mapping):
        result[key] = _both_maps(known, value)
    elif key in SCHEMAS:
        result[key] = {"allOf": [known, value]}
    elif key == "additionalProperties":
        result[key] = _both_open(known, value)
    elif isinstance(known, list) and isinstance(value, list):
        _add_list(result, key, known, value)
    else:
        _add_note(result, {key: value})


def _both_maps(known: Mapping[str, object], value: Mapping[str, object]) -> JsonDict:
    both: JsonDict = dict(known)
    for name, one in value.items():
        both[name] = {"allOf": [both[name], one]} if name in both and both[name] != one else one
    return both


def _both_open(known: object, value: object) -> object:
    if known is False or value is False:
        return False
    if known is True or value is True:
        return value if known is True else known
    return {"allOf": [known, value]}


def _add_list(result: JsonDict, key: str, known: list[object], value: list[object]) -> None:
    if key in {"required", NOTES, "allOf"}:
        result[key] = [*known, *(one for one in value if one not in known)]
        return
    if key == "type":
        common = [one for one in known if one in value or (one == "integer" and "number" in value)]
        common += [
            one for one in value if one == "integer" and "number" in known and one not in common
        ]
    else:
        common = [one for one in known if one in value] if key == "enum" else []
    if common:
        result[key] = common
    else:
        _add_note(result, {key: value})


def _add_note(result: JsonDict, keywords: JsonDict) -> None:
    notes = result.get(NOTES)
    result[NOTES] = [*(notes if isinstance(notes, list) else ()), keywords]
