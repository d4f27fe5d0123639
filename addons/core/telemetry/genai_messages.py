"""The text of a turn as the messages of OpenTelemetry's semantic conventions for generative AI.

Source: the JSON schemas of `gen_ai.input.messages`, `gen_ai.output.messages` and `gen_ai.system_instructions` in
open-telemetry/semantic-conventions-genai, November 2026. On a span each attribute is a JSON text.

Never does: export a picture or a file, decode a body. Invariant: total; an attribute has at most its number of characters,
and what was left out is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import orjson

from addons.core.json_values import JsonDict, JsonObject, as_object, as_str

INPUT, OUTPUT, INSTRUCTIONS = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
)
OMITTED = "codex_shim.input_messages_omitted"
MAX_INPUT, MAX_OUTPUT, MAX_INSTRUCTIONS = 64 * 1024, 32 * 1024, 16 * 1024
"""Characters of each attribute."""
MAX_PART = 8 * 1024
"""Characters of one text, argument or result in a message."""
STOP, CALLED, ERROR = "stop", "tool_call", "error"
FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""Why an answer is incomplete → the finish reason."""
_RESULT, _CALL = "_output", "_call"
_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})


def request_attributes(request: JsonObject) -> dict[str, str | int]:
    """Return the attributes of a Responses request: the newest messages that fit, and the instructions."""
    found: dict[str, str | int] = {}
    if instructions := as_str(request.get("instructions")):
        part = _text(_cut(instructions, MAX_INSTRUCTIONS // 2))
        found[INSTRUCTIONS] = _fitting([part], MAX_INSTRUCTIONS)[0]
    text, left_out = _fitting(list(_messages(request.get("input"))), MAX_INPUT)
    if text != "[]":
        found[INPUT] = text
    if left_out:
        found[OMITTED] = left_out
    return found


def answer_attributes(items: Sequence[object], terminal: JsonObject) -> dict[str, str | int]:
    """Return the attributes of an answer: its items, and its terminal event, empty for an answer that was cut."""
    parts = [part for item in items for part in _message(as_object(item))[1]]
    finish = _finish(terminal, parts)
    if not parts and finish != STOP:
        return {}
    text, left_out = _fitting(parts, MAX_OUTPUT)
    message = b'[{"role":"assistant","parts":%s,"finish_reason":%s}]'
    whole = message % (text.encode(), orjson.dumps(finish))
    found: dict[str, str | int] = {OUTPUT: whole.decode()}
    if left_out:
        found["codex_shim.output_parts_omitted"] = left_out
    return found


def _finish(terminal: JsonObject, parts: Iterable[JsonDict]) -> str:
    kind = as_str(terminal.get("type"))
    if kind == "response.incomplete":
        details = as_object(as_object(terminal.get("response")).get("incomplete_details"))
        return FINISH.get(as_str(details.get("reason")), ERROR)
    if kind != "response.completed":
        return ERROR
    return CALLED if any(part["type"] == CALLED for part in parts) else STOP


def _messages(items: object) -> Iterator[JsonDict]:
    if isinstance(items, str):
        yield {"role": "user", "parts": [_text(_cut(items))]}
    for item in items if isinstance(items, list) else ():
        role, parts = _message(as_object(item))
        if parts:
            yield {"role": role, "parts": parts}


def _message(item: JsonObject) -> tuple[str, list[JsonDict]]:
    """Return the role and the parts of one Responses item."""
    kind = as_str(item.get("type")) or ("message" if "role" in item else "")
    if kind == "message":
        return as_str(item.get("role")) or "user", list(_parts(item.get("content")))
    if kind.endswith(_RESULT):
        return "tool", [_result(item)]
    return "assistant", list(_own_parts(item, kind))


def _own_parts(item: JsonObject, kind: str) -> Iterator[JsonDict]:
    """Yield the parts of an item that a model made."""
    if kind == "reasoning":
        texts = [*_plain(item.get("summary")), *_plain(item.get("content"))]
        if texts:
            yield {"type": "reasoning", "content": _cut("\n".join(texts))}
    elif kind.endswith(_CALL) and (name := _called(item, kind)):
        yield {"type": CALLED, "id": as_str(item.get("call_id")), "name": name, "arguments": _arguments(item)}  # fmt: skip
    elif kind.endswith(_CALL):
        name = kind.removesuffix(_CALL)
        used: JsonDict = {"type": name, "action": _bounded(item.get("action"))}
        yield {"type": "server_tool_call", "id": as_str(item.get("id")), "name": name, "server_tool_call": used}  # fmt: skip
    elif kind:
        yield {"type": kind}


def _called(item: JsonObject, kind: str) -> str:
    """Return the name of the tool that an item calls, empty for a tool of the server."""
    name = as_str(item.get("name")) or ("local_shell" if kind == "local_shell_call" else "")
    return ".".join(filter(None, (as_str(item.get("namespace")), name)))


def _arguments(item: JsonObject) -> object:
    text = as_str(item.get("arguments")) or as_str(item.get("input"))
    if not text:
        return _bounded(item.get("action"))
    try:
        value = orjson.loads(text) if len(text) <= MAX_PART else None
    except orjson.JSONDecodeError:
        value = None
    return _bounded(value) if isinstance(value, dict) else _cut(text)


def _result(item: JsonObject) -> JsonDict:
    output = item.get("output")
    shown = output if isinstance(output, str) else "\n".join(_plain(output))
    return {
        "type": "tool_call_response",
        "id": as_str(item.get("call_id")),
        "response": _cut(shown) if shown or isinstance(output, list) else _bounded(output),
    }


def _parts(content: object) -> Iterator[JsonDict]:
    for part in [content] if isinstance(content, str) else _listed(content):
        fields = as_object(part)
        kind = as_str(fields.get("type"))
        text = part if isinstance(part, str) else as_str(fields.get("text"))
        if text:
            yield _text(_cut(text))
        elif kind == "input_image":
            yield _picture(as_str(fields.get("image_url")))
        elif kind:
            refusal = as_str(fields.get("refusal"))
            yield {"type": kind, "content": _cut(refusal)} if refusal else {"type": kind}


def _picture(url: str) -> JsonDict:
    """Return the part of a picture: its address, or the size of the one that is in the request."""
    if url.startswith("data:"):
        return {
            "type": "image",
            "mime_type": url[5:].partition(";")[0][:60],
            "characters": len(url),
        }
    return {"type": "uri", "modality": "image", "uri": _cut(url)}


def _plain(content: object) -> Iterator[str]:
    """Yield the texts of a list of content parts."""
    for part in [content] if isinstance(content, str) else _listed(content):
        fields = as_object(part)
        if isinstance(part, str) or as_str(fields.get("type")) in _TEXTS:
            yield part if isinstance(part, str) else as_str(fields.get("text"))
        elif kind := as_str(fields.get("type")):
            yield f"[{kind}]"


def _listed(content: object) -> list[object]:
    return content if isinstance(content, list) else []


def _text(text: str) -> JsonDict:
    return {"type": "text", "content": text}


def _cut(text: str, most: int = MAX_PART) -> str:
    """Return a text with at most so many characters and a note of how many more there are."""
    return text if len(text) <= most else f"{text[:most]} [{len(text) - most} more characters]"


def _bounded(value: object) -> object:
    """Return a small JSON value as it is, and the beginning of a large one as text."""
    try:
        # a message holds it some levels down; orjson reads deeper values than it writes
        text = orjson.dumps([[[[[[[[value]]]]]]]])[8:-8].decode()
    except TypeError:
        return "[nested too deeply]"
    return value if len(text) <= MAX_PART else _cut(text)


def _dumped(value: JsonDict) -> str:
    return orjson.dumps(value).decode()


def _fitting(values: Sequence[JsonDict], most: int) -> tuple[str, int]:
    """Return the last values that fit into so many characters, as a JSON list, and how many others there are."""
    taken: list[str] = []
    left = most - 2
    for value in reversed(values):
        text = _dumped(value)
        if len(text) + 1 > left:
            break
        taken.append(text)
        left -= len(text) + 1
    return f"[{','.join(reversed(taken))}]", len(values) - len(taken)
