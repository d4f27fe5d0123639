"""Definitions that no finite document fits, because their required properties lead back to themselves.

Source: Moonshot, "walle validation rules", sections 2.3 and 6, which refuses such a schema. Invariant: after
`loosened`, every definition has a finite value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from addons.core.json_values import JsonDict

PREFIX = "#/$defs/"


def loosened(definitions: Mapping[str, JsonDict]) -> dict[str, JsonDict]:
    """Return the definitions without the requirements that only an infinite document would meet."""
    finite: set[str] = set()
    while True:
        more = {
            name
            for name, one in definitions.items()
            if name not in finite and _has_finite_value(one, finite)
        }
        if not more:
            break
        finite |= more
    return {
        name: one if name in finite else _without_requirements(one, finite)
        for name, one in definitions.items()
    }


def _has_finite_value(schema: object, finite: Collection[str]) -> bool:
    """Return whether a finite value fits, if the definitions in `finite` have one."""
    if not isinstance(schema, Mapping):
        return True
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return reference.removeprefix(PREFIX) in finite
    options = schema.get("anyOf")
    if isinstance(options, list):
        return any(_has_finite_value(one, finite) for one in options)
    if schema.get("minItems") and not _has_finite_value(schema.get("items"), finite):
        return False
    return all(_has_finite_value(one, finite) for one in _required(schema))


def _required(schema: Mapping[str, object]) -> Iterator[object]:
    properties, names = schema.get("properties"), schema.get("required")
    if isinstance(properties, Mapping) and isinstance(names, list):
        yield from (properties.get(name) for name in names)


def _without_requirements(schema: JsonDict, finite: Collection[str]) -> JsonDict:
    result = dict(schema)
    properties, names = schema.get("properties"), schema.get("required")
    if isinstance(properties, Mapping) and isinstance(names, list):
        result["required"] = [
            name for name in names if _has_finite_value(properties.get(name), finite)
        ]
        if not result["required"]:
            del result["required"]
    if schema.get("minItems") and not _has_finite_value(schema.get("items"), finite):
        del result["minItems"]
    options = schema.get("anyOf")
    if isinstance(options, list):
        result["anyOf"] = [
            one
            for one in (_loosened_option(one, finite) for one in options)
            if _has_finite_value(one, finite)
        ]
        if not result["anyOf"]:
            result = {"type": "object"}
    return result


def _loosened_option(option: object, finite: Collection[str]) -> object:
    return _without_requirements(option, finite) if isinstance(option, dict) else option
