"""What is left of a schema at each level of cleaning.

Sources: JSON Schema 2020-12; OpenAI, "Structured outputs: supported schemas"; Anthropic, "Structured outputs: JSON
Schema limitations"; Google, "Gemini API: Schema"; Moonshot, "MFJS spec" and "walle validation rules"; DeepSeek, "Tool
calls: strict mode"; Groq and Cerebras, "Structured outputs". Data only. Invariant: what a level does not keep becomes a
sentence of the description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"})  # fmt: skip
BY_TYPE: Mapping[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}),
    "object": frozenset({"properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"}),
    "boolean": frozenset(),
    "null": frozenset(),
}  # fmt: skip
"""Type → the keywords that a level may keep with it."""
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})  # fmt: skip
STRUCTURE = frozenset({"description", "enum", "properties", "required", "items", "additionalProperties"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Level:
    """One level of cleaning."""

    keywords: frozenset[str]
    """The keywords that stay, besides `type`, `anyOf` and `$ref`."""
    formats: frozenset[str] = FORMATS
    references: bool = True
    """Whether `$ref` and `$defs` stay; else definitions are written out, and recursion is cut."""
    type_lists: bool = True
    union_alone: bool = False
    """Whether `anyOf` may have no sibling, not even a description."""
    nullable: bool = False
    """Whether `nullable` is written instead of the type null."""
    string_enums: bool = False
    closed: bool = False
    """Whether every object refuses undeclared properties. What this cannot express is lost."""
    max_depth: int = 24
    """How many levels of properties and items stay."""


BASIC = Level(ANNOTATIONS | STRUCTURE | frozenset().union(*BY_TYPE.values()))
GEMINI = Level(
    STRUCTURE - {"additionalProperties"}
    | {"title", "minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "minimum", "maximum", "format"},
    formats=frozenset({"enum", "date-time", "int32", "int64", "float", "double"}),
    references=False,
    type_lists=False,
    union_alone=True,
    nullable=True,
    string_enums=True,
)  # fmt: skip
SUBSET = Level(
    STRUCTURE - {"additionalProperties"},
    references=False,
    type_lists=False,
    union_alone=True,
    string_enums=True,
    max_depth=8,
)
"""What every server takes that takes tools at all."""
WORDS = replace(SUBSET, max_depth=1)
STRICT = Level(
    STRUCTURE | {"title", "format"},
    references=False,
    type_lists=False,
    closed=True,
    max_depth=9,
)
"""What grammar-based decoding takes: OpenAI's and Groq's `strict`, Anthropic's output format."""
LEVELS: Mapping[str, Level] = {"basic": BASIC, "gemini": GEMINI, "subset": SUBSET, "words": WORDS}
