"""Independent judges of JSON schemas: each names everything that one API refuses.

They share no code with the shim. Sources, read in 2026-11:
- Anthropic tools: the refusals "Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'" (claude-code#79418),
  "does not support oneOf, allOf, or anyOf at the top level", "It must match JSON Schema draft 2020-12" (claude-code#63673).
- Anthropic output: "Structured outputs", "JSON Schema limitations"; "For 'integer' type, property 'minimum' is not
  supported" (req_llm#302, litellm#20813); `additionalProperties: false` on every object (ax#459).
- OpenAI tools: "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level",
  "array schema missing items". OpenAI strict: "Structured outputs", "Supported schemas".
- Moonshot: github.com/MoonshotAI/walle, docs/mfjs-spec.md, docs/mfjs-walle-vs-draft-2020-12.md,
  docs/validation-principles.md; "type is not defined" (pi#5822); `$ref` beside constraints (opencodex#2673).
- Gemini: "Gemini API: Schema"; enums of strings (azure-devops-mcp#145); nothing beside any_of (Vertex AI).
- DeepSeek, Groq, Cerebras strict: as OpenAI strict; DeepSeek "Tool calls" refuses length bounds, Cerebras recursion.
- Mistral and the rest without `strict`: JSON Schema 2020-12.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
Judge = Callable[[Json], list[str]]

TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}
KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}\Z")
MAPS = ("properties", "$defs", "patternProperties", "dependentSchemas")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLES = (
    "items",
    "additionalProperties",
    "not",
    "contains",
    "propertyNames",
    "if",
    "then",
    "else",
)
COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
OLD = ("definitions", "id", "dependencies", "additionalItems", "nullable", "divisibleBy", "extends")
COMPOSITION = {"oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "prefixItems", "patternProperties", "propertyNames", "unevaluatedProperties"}  # fmt: skip
GEMINI = {"type", "title", "description", "nullable", "enum", "format", "properties", "required", "items", "anyOf", "minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "minimum", "maximum"}  # fmt: skip
STRICT_FORMATS = {
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uuid",
}
MAX_LEVELS, MAX_STRICT_LEVELS = 30, 10


def walk(schema: Any, path: str = "root", depth: int = 0) -> Iterator[tuple[str, Any, int]]:
    """Yield every schema of a document with its place and its depth in properties and items."""
    yield path, schema, depth
    if not isinstance(schema, dict):
        return
    for key in MAPS:
        named = schema.get(key)
        for name, one in named.items() if isinstance(named, dict) else ():
            yield from walk(one, f"{path}.{key}.{name}", depth + (key != "$defs"))
    for key in LISTS:
        for place, one in enumerate(schema.get(key) or ()):
            yield from walk(one, f"{path}.{key}[{place}]", depth)
    for key in SINGLES:
        if key in schema:
            yield from walk(schema[key], f"{path}.{key}", depth + 1)


def draft_2020(schema: Json) -> list[str]:
    """Mistral, vLLM and every server that only wants a valid schema."""
    return [f"{path}: {fault}" for path, one, _ in walk(schema) for fault in _form(one, schema)]


def _form(one: Any, root: Json) -> Iterator[str]:
    if isinstance(one, bool):
        return
    if not isinstance(one, dict):
        yield "is no schema"
        return
    yield from (f"{key} belongs to an older draft" for key in OLD if key in one)
    types = one.get("type", [])
    listed = types if isinstance(types, list) else [types]
    if not set(map(str, listed)) <= TYPES or len(set(map(str, listed))) != len(listed):
        yield f"type {types!r}"
    for key in COUNTS:
        if key in one and not (type(one[key]) is int and one[key] >= 0):
            yield f"{key} is no count"
    for key in NUMBERS:
        if key in one and (isinstance(one[key], bool) or not isinstance(one[key], int | float)):
            yield f"{key} is no number"
    yield from _containers(one)
    if "$ref" in one and _resolve(root, one["$ref"]) is None:
        yield f"$ref {one['$ref']!r} names nothing"


def _containers(one: Json) -> Iterator[str]:
    for key in MAPS:
        if key in one and not isinstance(one[key], dict):
            yield f"{key} is no object"
    for key in (*LISTS, "enum"):
        if key in one and not (isinstance(one[key], list) and one[key]):
            yield f"{key} is no list, or empty"
    required = one.get("required", [])
    if not isinstance(required, list) or len({str(name) for name in required}) != len(required) or not all(isinstance(name, str) for name in required):  # fmt: skip
        yield "required"
    for key in ("description", "title", "pattern", "format", "$ref"):
        if key in one and not isinstance(one[key], str):
            yield f"{key} is no string"


def _resolve(root: Json, reference: Any) -> Any:
    name = str(reference).removeprefix("#/$defs/")
    if reference == "#":
        return root
    return root.get("$defs", {}).get(name) if str(reference).startswith("#/$defs/") else None


def anthropic_tool(schema: Json) -> list[str]:
    """Anthropic, `tools[].input_schema`."""
    faults = draft_2020(schema)
    if schema.get("type") != "object":
        faults.append("input_schema.type: Input should be 'object'")
    if schema.keys() & {"oneOf", "anyOf", "allOf"}:
        faults.append("input_schema does not support oneOf, allOf, or anyOf at the top level")
    for path, one, _ in walk(schema):
        for name in one.get("properties", {}) if isinstance(one, dict) else ():
            if not KEY.match(name):
                faults.append(f"{path}: Property keys should match pattern: {name!r}")
    return faults


def openai_tool(schema: Json) -> list[str]:
    """OpenAI, `tools[].function.parameters` without `strict`."""
    faults = draft_2020(schema)
    if schema.get("type") != "object" or schema.keys() & {"oneOf", "anyOf", "allOf", "enum", "not"}:
        faults.append(
            "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level"
        )
    if not isinstance(schema.get("properties"), dict):
        faults.append("object schema missing properties")
    for path, one, _ in walk(schema):
        if isinstance(one, dict) and "array" in _types(one) and "items" not in one:
            faults.append(f"{path}: array schema missing items")
    return faults


def _types(one: Json) -> list[str]:
    types = one.get("type", [])
    return types if isinstance(types, list) else [types]


def moonshot_tool(schema: Json) -> list[str]:
    """Moonshot and Kimi, `tools[].function.parameters`: MFJS."""
    faults = draft_2020(schema)
    if schema.get("type") != "object" or "anyOf" in schema:
        faults.append(
            "root: when using anyOf, type should be defined in anyOf items instead of the parent schema"
        )
    properties = 0
    for path, one, depth in walk(schema):
        if isinstance(one, bool) and path.endswith("additionalProperties"):
            continue
        if not isinstance(one, dict):
            faults.append(f"{path}: has to be an object")
            continue
        properties += len(one.get("properties", {}))
        faults += [f"{path}: {fault}" for fault in _flavoured(one, path, depth)]
    if properties > 3_000 or len(str(schema)) > 150_000:
        faults.append("too many properties, or too long")
    return [*faults, *_endless(schema)]


def _flavoured(one: Json, path: str, depth: int) -> Iterator[str]:
    if depth > MAX_LEVELS:
        yield "nested too deep"
    if "$ref" in one:
        if one.keys() - {"$ref", "description", "title"}:
            yield "when using $ref, type should be defined in the referenced schema instead of the parent schema"
        return
    if "anyOf" in one:
        if "type" in one:
            yield "when using anyOf, type should be defined in anyOf items instead of the parent schema"
        if len(one["anyOf"]) > 500:
            yield "anyOf must have 1-500 items"
    elif "type" not in one:
        yield "type is not defined"
    yield from _named(one, path)


def _named(one: Json, path: str) -> Iterator[str]:
    if "$defs" in one and path != "root":
        yield "$defs is only allowed at the root"
    if any("/" in name for name in one.get("$defs", {})):
        yield "$defs property name cannot contain '/'"
    if set(one.get("properties", {})) & {
        "$defs",
        "$ref",
        "anyOf",
        "required",
        "additionalProperties",
    }:
        yield "a property has the name of a keyword"
    if set(one.get("required", [])) - set(one.get("properties", {})):
        yield "required names a property that is not defined"
    kinds = {str if isinstance(one, str) else float if isinstance(one, int | float) and not isinstance(one, bool) else None for one in one.get("enum", ["x"])}  # fmt: skip
    if len(kinds) != 1 or None in kinds or len(one.get("enum", [])) > 1_000:
        yield "enum takes strings or numbers, not mixed"
    if one.get("items", True) in ({}, False) or isinstance(one.get("items"), list):
        yield "items must be an object"


def _endless(schema: Json) -> list[str]:
    """Return the definitions that only an infinite document meets."""
    definitions = schema.get("$defs", {})
    finite: set[str] = set()
    for _ in definitions:
        finite |= {name for name, one in definitions.items() if _ends(one, finite)}
    return [
        f"$defs.{name}: infinite recursion without termination condition"
        for name in definitions
        if name not in finite
    ]


def _ends(one: Any, finite: set[str]) -> bool:
    if not isinstance(one, dict):
        return True
    if "$ref" in one:
        return one["$ref"].rpartition("/")[2] in finite
    if "anyOf" in one:
        return any(_ends(option, finite) for option in one["anyOf"])
    if one.get("minItems") and not _ends(one.get("items"), finite):
        return False
    return all(
        _ends(one.get("properties", {}).get(name), finite) for name in one.get("required", [])
    )


def gemini_tool(schema: Json) -> list[str]:
    """Gemini, `parameters` of a function declaration through the OpenAI endpoint."""
    faults = [] if schema.get("type") == "object" else ["parameters: type must be OBJECT"]
    for path, one, _ in walk(schema):
        if not isinstance(one, dict):
            faults.append(f"{path}: Proto field is not repeating, or no schema")
            continue
        faults += [
            f"{path}: Unknown name {key!r}: Cannot find field." for key in one.keys() - GEMINI
        ]
        if "anyOf" in one and len(one) > 1:
            faults.append(f"{path}: when using any_of, it must be the only field set")
        if "anyOf" not in one and str(one.get("type")) not in TYPES - {"null"}:
            faults.append(f"{path}: Invalid value at type: {one.get('type')!r}")
        if not all(isinstance(value, str) and value for value in one.get("enum", [])):
            faults.append(f"{path}: Invalid value at enum (TYPE_STRING)")
        if "enum" in one and one.get("type") != "string":
            faults.append(f"{path}: enum: only allowed for STRING type")
        if set(one.get("required", [])) - set(one.get("properties", {})):
            faults.append(f"{path}: required: property is not defined")
        if one.get("type") == "array" and "items" not in one:
            faults.append(f"{path}: items: missing field.")
    return faults


def anthropic_output(schema: Json) -> list[str]:
    """Anthropic, `output_config.format.schema`."""
    faults = draft_2020(schema)
    refused = {
        *NUMBERS,
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    }
    for path, one, _ in walk(schema):
        if not isinstance(one, dict):
            continue
        faults += [
            f"{path}: property {key!r} is not supported"
            for key in one.keys() & (refused | COMPOSITION - {"allOf"})
        ]
        faults += _closed(path, one)
        if one.get("minItems", 0) not in {0, 1}:
            faults.append(f"{path}: minItems takes 0 and 1")
        if one.get("format", "date") not in STRICT_FORMATS | {"uri"}:
            faults.append(f"{path}: format {one['format']!r}")
        if any(isinstance(value, dict | list) for value in one.get("enum", [])):
            faults.append(f"{path}: enum takes strings, numbers, booleans and null")
        if not one.keys() & {"type", "anyOf", "$ref", "enum", "const"}:
            faults.append(f"{path}: a schema needs a type")
    return [*faults, *_recursions(schema)]


def _closed(path: str, one: Json) -> list[str]:
    if "object" in _types(one) and one.get("additionalProperties") is not False:
        return [
            f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false"
        ]
    return []


def _recursions(schema: Json) -> list[str]:
    definitions = schema.get("$defs", {})
    uses = {name: {str(one["$ref"]).rpartition("/")[2] for _, one, _ in walk(each) if isinstance(one, dict) and "$ref" in one} for name, each in definitions.items()}  # fmt: skip
    for _ in definitions:
        uses = {
            name: below.union(*(uses.get(one, set()) for one in below))
            for name, below in uses.items()
        }
    return [f"recursive definition {name}" for name, below in uses.items() if name in below]


def openai_strict(schema: Json) -> list[str]:
    """OpenAI, `strict: true` of tools and of `response_format`; Groq likewise."""
    faults = openai_tool(schema)
    for path, one, depth in walk(schema):
        if not isinstance(one, dict):
            continue
        faults += _closed(path, one)
        faults += [
            f"{path}: {key!r} is not permitted" for key in one.keys() & (COMPOSITION | {"default"})
        ]
        if set(one.get("properties", {})) != set(one.get("required", [])):
            faults.append(
                f"{path}: 'required' is required to be supplied and to include every key in properties"
            )
        if "$ref" in one and len(one) > 1:
            faults.append(f"{path}: $ref cannot have keywords {set(one) - {'$ref'}}")
        if not one.keys() & {"type", "anyOf", "$ref", "enum", "const"}:
            faults.append(f"{path}: schema must have a 'type' key")
        if one.get("format", "date") not in STRICT_FORMATS:
            faults.append(f"{path}: format {one['format']!r} is not supported")
        if depth > MAX_STRICT_LEVELS:
            faults.append(f"{path}: {depth} levels of nesting exceeds limit of 10")
    enums = [
        value
        for _, one, _ in walk(schema)
        if isinstance(one, dict)
        for value in one.get("enum", [])
    ]
    return [*faults, *(["more than 1000 enum values"] if len(enums) > 1_000 else [])]


def deepseek_strict(schema: Json) -> list[str]:
    """DeepSeek, `strict` of its beta endpoint; Cerebras refuses the same, and recursion."""
    faults = openai_strict(schema)
    for path, one, _ in walk(schema):
        refused = {"minLength", "maxLength", "minItems", "maxItems"} & (
            one.keys() if isinstance(one, dict) else set()
        )
        faults += [f"{path}: {key} is not supported" for key in refused]
    return [*faults, *_recursions(schema)]


TOOL_JUDGES: dict[str, Judge] = {
    "anthropic": anthropic_tool,
    "openai": openai_tool,
    "moonshot": moonshot_tool,
    "mistral": draft_2020,
}
"""What takes a tool at the level `basic`."""
STRICT_JUDGES: dict[str, Judge] = {"openai": openai_strict, "groq": openai_strict, "deepseek": deepseek_strict, "cerebras": deepseek_strict, "anthropic": anthropic_output}  # fmt: skip
