"""Unions: options of objects as one object, the siblings of `anyOf` inside its options, and mixed enums by type.

Sources: Moonshot, "when using anyOf, type should be defined in anyOf items instead of the parent schema"; Anthropic and
OpenAI, which refuse a union at the root of a tool's schema. Schemas are of the form that `drafts.modern` returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from addons.core.json_values import JsonDict, as_object
from addons.core.protocols.schemas.expansion import Expanded
from addons.core.protocols.schemas.levels import ANNOTATIONS
from addons.core.protocols.schemas.merge import merged
from addons.core.protocols.schemas.sentences import compact, sentence

MAX_ENUM = 500
MAX_SETS = 20
SETS = "Use one of these sets of properties: {}."
MERGED = frozenset({"type", "properties", "required", "additionalProperties", "description", "title"})  # fmt: skip


def is_object(schema: JsonDict) -> bool:
    """Return whether a schema may describe objects and has no options of its own."""
    types = schema.get("type")
    return "anyOf" not in schema and "enum" not in schema and (not types or types == ["object"])


def is_flattened(parent: JsonDict, options: Sequence[JsonDict]) -> bool:
    """Return whether the options of a schema are written as one object: they restrict its properties."""
    return bool(options) and "properties" in parent and all(is_object(one) for one in options)


def flattened(parent: JsonDict, options: Sequence[JsonDict]) -> tuple[JsonDict, list[str]]:
    """Return one object that has the properties of all options, and the options as sentences."""
    objects = [one for one in options if is_object(one)]
    result: JsonDict = {**parent, "type": ["object"]}
    own = as_object(parent.get("properties"))
    properties: JsonDict = dict(own)
    for name in dict.fromkeys(name for one in objects for name in as_object(one.get("properties"))):
        kinds = [as_object(one.get("properties")).get(name) for one in objects]
        given = _distinct(kind for kind in kinds if kind is not None)
        if name not in own:
            properties[name] = given[0] if len(given) == 1 else {"anyOf": given}
        elif None not in kinds:
            properties[name] = {"allOf": [own[name], {"anyOf": given}]}
    if properties:
        result["properties"] = properties
    if required := _required(parent, objects):
        result["required"] = required
    if objects and all(one.get("additionalProperties") is False for one in objects):
        result.setdefault("additionalProperties", False)
    return result, _sets(objects)


def _required(parent: JsonDict, objects: Sequence[JsonDict]) -> list[object]:
    """Return the names that the schema or every option requires."""
    lists = [names for one in objects if isinstance(names := one.get("required", []), list)]
    common = [name for name in lists[0] if all(name in one for one in lists)] if lists else []
    known = parent.get("required")
    return _distinct([*(known if isinstance(known, list) else ()), *common])


def _distinct(values: Iterable[object]) -> list[object]:
    found: list[object] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _sets(objects: Sequence[JsonDict]) -> list[str]:
    sets = _distinct(text for one in objects[:MAX_SETS] if (text := _set_of(one)))
    numbered = "; ".join(f"({number}) {one}" for number, one in enumerate(sets, 1))
    notes = [SETS.format(numbered)] if len(sets) > 1 else []
    rest = [{key: value for key, value in one.items() if key not in MERGED} for one in objects]
    return [*notes, sentence("anyOf", rest)] if any(rest) else notes


def _set_of(schema: JsonDict) -> str:
    properties, required = as_object(schema.get("properties")), schema.get("required")
    names = [str(name) for name in required] if isinstance(required, list) else []
    needed = [_with_value(name, properties.get(name)) for name in names]
    optional = [_with_value(name, one) for name, one in properties.items() if name not in names]
    text = ", ".join([*needed, *([f"optionally {', '.join(optional)}"] if optional else [])])
    description = schema.get("description")
    return f"{text} ({description})" if text and isinstance(description, str) else text


def _with_value(name: str, schema: object) -> str:
    """Return the name of a property, with its value if only one is possible."""
    one = as_object(schema)
    values = [one["const"]] if "const" in one else one.get("enum")
    return f"{name} {compact(values[0])}" if isinstance(values, list) and len(values) == 1 else name


def distributed(
    parent: JsonDict, options: Sequence[object], expanded: Sequence[Expanded]
) -> list[object]:
    """Return the options with the keywords next to them."""
    siblings = {key: value for key, value in parent.items() if key not in ANNOTATIONS}
    kept = [one for one in options if one is not False]
    if not siblings:
        return kept
    return [
        _with_keywords(one, more.schema, siblings)
        for one, more in zip(kept, expanded, strict=False)
    ]


def _with_keywords(option: object, expanded: JsonDict, siblings: JsonDict) -> object:
    known, types = expanded.get("type"), siblings.get("type")
    if isinstance(known, list) and isinstance(types, list):
        common = set(merged({"type": known}, {"type": types})) == {"type"}
        if not common or (len(siblings) == 1 and set(known) <= set(types)):
            # An option of another type was meant to be one, as null next to a string.
            return option
    return {"allOf": [option, siblings]}


def enum_options(
    values: Sequence[object], types: Sequence[str], *, string_only: bool
) -> tuple[list[JsonDict], list[str]]:
    """Return one schema for each type among the values, and as sentences what they do not express."""
    groups: dict[str, list[object]] = {}
    for value in values:
        kind = _type_of(value)
        if not types or kind in types or (kind == "integer" and "number" in types):
            groups.setdefault("number" if kind == "integer" else kind, []).append(value)
    options: list[JsonDict] = []
    notes: list[str] = []
    for kind, group in groups.items():
        option, is_whole = _enum(kind, group, string_only=string_only)
        options.append(option)
        if not is_whole:
            notes.append(sentence("enum", group))
    return options, notes


def _enum(kind: str, values: list[object], *, string_only: bool) -> tuple[JsonDict, bool]:
    if kind == "null":
        return {"type": kind}, True
    if kind == "array":
        return {"type": kind, "items": {"type": "string"}}, False
    if kind in {"object", "boolean"}:
        return {"type": kind}, kind == "boolean" and len(set(map(str, values))) > 1
    if kind == "number" and all(_type_of(one) == "integer" for one in values):
        kind = "integer"
    distinct = list(dict.fromkeys(values))
    is_refused = string_only and (kind != "string" or "" in distinct)
    if is_refused or len(distinct) > MAX_ENUM:
        return {"type": kind}, False
    return {"type": kind, "enum": distinct}, True


def _type_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    names = {float: "number", str: "string", list: "array"}
    return names.get(type(value), "object")


def without_null(options: Sequence[JsonDict]) -> tuple[list[JsonDict], bool]:
    """Return the options without the type null, and whether there was one."""
    rest = [one for one in options if one.get("type") != "null"]
    return rest, len(rest) < len(options)
