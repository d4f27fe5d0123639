"""An independent judge of Anthropic messages requests: `validate` names everything that the API refuses.

It shares no code with the shim, so that a mistake is not made twice. Source: Anthropic API reference, "Messages",
"Tool use", "Extended thinking", "Prompt caching", and the errors that users of the API report.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterator
from typing import Any

from tests.strict.schemas import anthropic_output, anthropic_tool

KEYS = {
    "model",
    "messages",
    "max_tokens",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "metadata",
    "service_tier",
}
TOOL_KEYS = {"name", "description", "input_schema", "cache_control", "type", "strict"}
BLOCK_KEYS = {
    "text": {"type", "text", "cache_control"},
    "image": {"type", "source", "cache_control"},
    "tool_use": {"type", "id", "name", "input", "cache_control"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}
OF_ROLE = {
    "user": {"text", "image", "tool_result"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
}
EFFORTS = {"low", "medium", "high", "xhigh", "max"}
THINKING = {"thinking", "redacted_thinking"}
NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}\Z")
ID = re.compile(r"^[a-zA-Z0-9_-]+\Z")
MEDIA = {"image/jpeg", "image/png", "image/gif", "image/webp"}
MAX_MARKS = 4
MANY_PICTURES = 20
MAX_PICTURES = 100
MAGIC = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
MIN_TOP_P = 0.95

Json = dict[str, Any]


def validate(body: Json) -> list[str]:
    """Return every reason to answer 400; empty if the request is valid."""
    return [
        *_top(body),
        *_tools(body),
        *_together(body),
        *_messages(body.get("messages")),
        *_answers(body.get("messages") or []),
        *_thought(body),
        *_marks(body),
        *_pictures(body),
    ]


def _pictures(body: Json) -> Iterator[str]:
    """Yield what the API refuses in pictures.

    Sources: "The image was specified using the image/jpeg media type, but the image appears to be a image/png image"
    (anthropics/claude-code#12009); "At least one of the image dimensions exceed max allowed size for many-image requests:
    2000 pixels" (anthropics/claude-code#24630); "Vision" in the API reference (8000 pixels, 100 pictures).
    """
    found = list(_sources(body.get("messages") or []))
    if len(found) > MAX_PICTURES:
        yield f"messages: at most {MAX_PICTURES} images"
    for source in found:
        if source["type"] != "base64":
            continue
        try:
            data = base64.b64decode(source["data"], validate=True)
        except binascii.Error:
            continue  # reported as a fault of the block
        kind = next((kind for start, kind in MAGIC.items() if data.startswith(start)), None)
        if kind not in {None, source["media_type"]}:
            yield f"specified using {source['media_type']}, but the image appears to be {kind}"
        if kind == "image/png":
            side = max(struct.unpack(">II", data[16:24].ljust(8, b"\0")))
            limit = 2000 if len(found) > MANY_PICTURES else 8000
            if side > limit:
                yield f"At least one of the image dimensions exceed max allowed size: {limit} pixels"


def _sources(blocks: list[Json]) -> Iterator[Json]:
    for block in blocks:
        if block.get("type") == "image":
            yield block["source"]
        elif isinstance(block.get("content"), list):
            yield from _sources(block["content"])


def _top(body: Json) -> Iterator[str]:
    for key in body.keys() - KEYS:
        yield f"{key}: Extra inputs are not permitted"
    if not isinstance(body.get("model"), str) or not body["model"]:
        yield "model: Field required"
    if type(body.get("max_tokens")) is not int or body["max_tokens"] < 1:
        yield "max_tokens: Field required, at least 1"
    for number, block in enumerate(body.get("system") or []):
        yield from _block(block, f"system.{number}", {"text"})


def _tools(body: Json) -> Iterator[str]:
    tools = body.get("tools", [])
    names = [tool.get("name") for tool in tools]
    if "tools" in body and not tools:
        yield "tools: empty"
    if len(set(names)) != len(names):
        yield "tools: Tool names must be unique."
    for number, tool in enumerate(tools):
        where = f"tools.{number}"
        schema = tool.get("input_schema")
        for key in tool.keys() - TOOL_KEYS:
            yield f"{where}.{key}: Extra inputs are not permitted"
        if not NAME.match(tool.get("name") or ""):
            yield f"{where}.name: String should match pattern"
        if tool.get("description", "x") == "":
            yield f"{where}.description: empty"
        if not isinstance(schema, dict):
            yield f"{where}.input_schema: Field required"
        else:
            yield from (f"{where}.{fault}" for fault in anthropic_tool(schema))


def _together(body: Json) -> Iterator[str]:
    yield from _choice(body)
    yield from _sampling(body)
    form = (body.get("output_config") or {}).get("format")
    if form:
        yield from (
            f"output_config.format.schema: {fault}" for fault in anthropic_output(form["schema"])
        )
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens", 0)
        if budget < 1024:
            yield "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        if budget >= body.get("max_tokens", 0):
            yield "max_tokens must be greater than thinking.budget_tokens"


def _thinks(body: Json) -> bool:
    return (body.get("thinking") or {}).get("type") in {"enabled", "adaptive"}


def _choice(body: Json) -> Iterator[str]:
    choice: Json = body.get("tool_choice") or {"type": "auto"}
    kind = choice.get("type")
    names = {tool["name"] for tool in body.get("tools", [])}
    if "tool_choice" in body and not names:
        yield "tool_choice may only be specified while providing tools"
    if kind not in {"auto", "any", "tool", "none"}:
        yield f"tool_choice.type: {kind}"
    if kind == "tool" and choice.get("name") not in names:
        yield "tool_choice.name: not a tool"
    if kind == "none" and "disable_parallel_tool_use" in choice:
        yield "tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted"
    if _thinks(body) and kind in {"any", "tool"}:
        yield "Thinking may not be enabled when tool_choice forces tool use."


def _sampling(body: Json) -> Iterator[str]:
    if "temperature" in body and not 0 <= body["temperature"] <= 1:
        yield "temperature: range: 0..1"
    if "temperature" in body and "top_p" in body:
        yield "temperature and top_p cannot both be specified"
    if _thinks(body) and body.get("temperature", 1) != 1:
        yield "temperature may only be set to 1 when thinking is enabled"
    if _thinks(body) and body.get("top_p", 1) < MIN_TOP_P:
        yield "top_p must be at least 0.95 when thinking is enabled"
    effort = (body.get("output_config") or {}).get("effort", "low")
    if effort not in EFFORTS:
        yield f"output_config.effort: {effort}"


def _messages(messages: Any) -> Iterator[str]:
    if not messages:
        yield "messages: at least one message is required"
        return
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        role, content = message.get("role"), message.get("content")
        if set(message) != {"role", "content"}:
            yield f"{where}: keys {sorted(message)}"
        if role != ("assistant" if number % 2 else "user"):
            yield f"{where}: roles must alternate, user first; found {role}"
        if not isinstance(content, list) or not content:
            yield f"{where}: all messages must have non-empty content"
            continue
        for place, block in enumerate(content):
            yield from _block(block, f"{where}.content.{place}", OF_ROLE.get(role, set()))
    last = messages[-1]
    if last["role"] == "assistant":
        yield "This model does not support assistant message prefill."
    if any(m["content"] and m["content"][-1]["type"] in THINKING for m in messages):
        yield "the final block in an assistant message cannot be thinking"


def _block(block: Json, where: str, allowed: set[str]) -> Iterator[str]:
    kind = block.get("type")
    if kind not in allowed:
        yield f"{where}: {kind} is not allowed here"
        return
    for key in block.keys() - BLOCK_KEYS[kind]:
        yield f"{where}.{kind}.{key}: Extra inputs are not permitted"
    if kind == "text" and not block.get("text", "").strip():
        yield f"{where}: text content blocks must contain non-whitespace text"
    elif kind == "image":
        yield from _image(block["source"], where)
    elif kind == "tool_use":
        yield from _call(block, where)
    elif kind == "tool_result":
        for place, part in enumerate(block.get("content") or []):
            yield from _block(part, f"{where}.content.{place}", {"text", "image"})
    elif kind == "thinking" and not isinstance(block.get("signature"), str):
        yield f"{where}.thinking.signature: Field required"


def _image(source: Json, where: str) -> Iterator[str]:
    if source["type"] == "url":
        if not source["url"].startswith("https://"):
            yield f"{where}: Only HTTPS URLs are supported"
    elif source["media_type"] not in MEDIA:
        yield f"{where}: media_type {source['media_type']}"
    else:
        try:
            base64.b64decode(source["data"], validate=True)
        except binascii.Error:
            yield f"{where}: invalid base64 data"


def _call(block: Json, where: str) -> Iterator[str]:
    if not ID.match(block.get("id") or ""):
        yield f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
    if not NAME.match(block.get("name") or ""):
        yield f"{where}.tool_use.name: String should match pattern"
    if not isinstance(block.get("input"), dict):
        yield f"{where}.tool_use.input: Input should be a valid dictionary"


def _answers(messages: list[Json]) -> Iterator[str]:
    used: set[str] = set()
    called: list[str] = []
    for number, message in enumerate(messages):
        content = message["content"]
        results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        kinds = [block["type"] == "tool_result" for block in content]
        if kinds != sorted(kinds, reverse=True):
            yield f"messages.{number}: tool_result blocks come first"
        if sorted(results) != sorted(called):
            yield f"messages.{number}: tool_use ids {called} but tool_result ids {results}"
        called = [block["id"] for block in content if block["type"] == "tool_use"]
        if used & set(called) or len(set(called)) != len(called):
            yield f"messages.{number}: `tool_use` ids must be unique"
        used |= set(called)
    if called:
        yield "tool_use ids were found without tool_result blocks"


def _thought(body: Json) -> Iterator[str]:
    messages = body.get("messages") or []
    answers = [m["content"] for m in messages if m["role"] == "assistant"]
    calls = bool(answers) and any(block["type"] == "tool_use" for block in answers[-1])
    if calls and not body.get("tools"):
        yield "Requests which include tool_use or tool_result blocks must define tools"
    enabled = (body.get("thinking") or {}).get("type") == "enabled"
    if enabled and calls and answers[-1][0]["type"] not in THINKING:
        yield "Expected `thinking` or `redacted_thinking`, but found `tool_use`"


def _marks(body: Json) -> Iterator[str]:
    blocks = [*body.get("tools", []), *(body.get("system") or [])]
    blocks += [block for message in body.get("messages") or [] for block in message["content"]]
    marked = [block for block in blocks if "cache_control" in block]
    if len(marked) > MAX_MARKS:
        yield f"A maximum of 4 blocks with cache_control may be provided. Found {len(marked)}."
    if any(block.get("type") in THINKING for block in marked):
        yield "cache_control: not on thinking"
