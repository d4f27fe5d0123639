"""The published schemas of the message attributes of the GenAI conventions, without their descriptions.

Source: open-telemetry/semantic-conventions-genai, model/gen-ai/gen-ai-{input-messages,output-messages,
system-instructions}.json, November 2026. `GenericPart` there lets any part pass that has a type. Here a part of a known
type is held to the schema of that type, so that a wrong one does not pass as a generic one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.strict.json_schema import problems

TEXT = {"type": "string"}
MAYBE = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def _part(kind: str, required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", *required],
        "properties": {"type": {"const": kind}, **required, **optional},
    }


_TYPED = {"type": "object", "required": ["type"], "properties": {"type": TEXT}}
_MODALITY = {"enum": ["image", "video", "audio", "document"]}
KNOWN = [
    _part("text", {"content": TEXT}),
    _part("tool_call", {"name": TEXT}, id=MAYBE),
    _part("tool_call_response", {"response": {}}, id=MAYBE),
    _part("server_tool_call", {"name": TEXT, "server_tool_call": _TYPED}, id=MAYBE),
    _part("server_tool_call_response", {"server_tool_call_response": _TYPED}, id=MAYBE),
    _part("blob", {"modality": _MODALITY, "content": TEXT}, mime_type=MAYBE),
    _part("file", {"modality": _MODALITY, "file_id": TEXT}, mime_type=MAYBE),
    _part("uri", {"modality": _MODALITY, "uri": TEXT}, mime_type=MAYBE),
    _part("reasoning", {"content": TEXT}),
    _part("compaction", {}, id=MAYBE, content=MAYBE),
]
_NAMES = [each["properties"]["type"]["const"] for each in KNOWN]
_GENERIC = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": {"type": "string", "not": {"enum": _NAMES}}},
}
_MESSAGE: dict[str, Any] = {
    "type": "object",
    "required": ["role", "parts"],
    "properties": {
        "role": TEXT,
        "parts": {"type": "array", "items": {"anyOf": [*KNOWN, _GENERIC]}},
        "name": MAYBE,
    },
}
_FINISH = {"enum": ["stop", "length", "content_filter", "tool_call", "compaction", "error"]}
SCHEMAS: dict[str, Any] = {
    "gen_ai.input.messages": {"type": "array", "items": _MESSAGE},
    "gen_ai.output.messages": {
        "type": "array",
        "items": _MESSAGE
        | {
            "required": ["role", "parts", "finish_reason"],
            "properties": _MESSAGE["properties"] | {"finish_reason": _FINISH},
        },
    },
    "gen_ai.system_instructions": {"type": "array", "items": {"anyOf": [KNOWN[0], _GENERIC]}},
}


def objections(name: str, text: str) -> Iterator[str]:
    """Yield what the schema of an attribute objects to in its JSON text."""
    yield from problems(json.loads(text), SCHEMAS[name], SCHEMAS[name])
