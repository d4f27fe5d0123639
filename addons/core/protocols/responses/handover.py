"""Hands a task over between Codex's agents as text where the receiving model could not read it otherwise.

Codex marks the message of `spawn_agent`, `send_message` and `followup_task` with `"encrypted": true`. ChatGPT then
encrypts what its model writes there, and only ChatGPT can read it. `in_plain_text` removes the mark
(`chatgpt.plain_handover`). Codex passes every such message on as encrypted content, also text of a model that encrypts
nothing; `readable_message` turns that into text for ChatGPT, and `unreadable_task` finds the task that another service
encrypted.

Source: openai/codex#26210 and #34833; the schemas of Codex 0.169 and 0.171. Never adds anything. Invariant: a request
without a mark is returned as the same object, and no byte but those of the marks is removed. A mark with an escaped or
repeated key, which Codex never writes, stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import orjson

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.json_values import JsonObject, as_object
from addons.core.protocols.request_body import decode, encode
from addons.core.protocols.responses.request_parts import is_encrypted
from addons.core.turn import ClientRequest

AGENT_MESSAGE = "agent_message"
HANDOVER_TOOLS = frozenset({"spawn_agent", "send_message", "followup_task"})
"""The tools with which one agent writes to another."""
_PLAIN_CONTENT = re.compile(rb'"encrypted_content"\s*:\s*"(?![A-Za-z0-9+/_=-]{64})')
"""Content that is marked as encrypted and is not. Quotes inside of a string are escaped, so this is no text."""
UNREADABLE_TASK = (
    "This sub-agent got no task: ChatGPT encrypted the message of the agent {author}, and only models of ChatGPT can "
    'read it. Set `"chatgpt": {{"plain_handover": true}}` in models.json, then give the task again. '
    "`codex-shim list` shows the models of ChatGPT, which can read it as it is."
)
_MARK = re.compile(rb'"encrypted"\s*:\s*true')
_COMMA = re.compile(rb"\s*,")
_MAX_NAME_LENGTH = 80


def in_plain_text(request: ClientRequest, cap: int) -> ClientRequest:
    """Return the request without the marks, in its body and in its WebSocket frame."""
    encoding = request.header(b"content-encoding")
    plain = decode(request.body, encoding, cap)
    if isinstance(plain, Problem):
        return request
    body = _without_marks(plain)
    frame = None if request.frame is None else _without_marks(request.frame)
    if body is plain and frame is request.frame:
        return request
    return replace(
        request, body=request.body if body is plain else encode(body, encoding), frame=frame
    )


def holds_plain_content(body: bytes) -> bool:
    """Return whether a body may hold a message of an agent that `readable_message` changes."""
    return b'"agent_message"' in body and _PLAIN_CONTENT.search(body) is not None


def readable_message(item: JsonObject) -> JsonObject:
    """Return a message of an agent with its text as text: what is marked as encrypted and is not."""
    content = item.get("content")
    if item.get("type") != AGENT_MESSAGE or not isinstance(content, list):
        return item
    return {**item, "content": [_readable(part) for part in content]}


def unreadable_task(payload: JsonObject) -> Problem | None:
    """Return the error for a request that ends with a message of an agent that another service encrypted.

    Nothing but that message says what to do. A later item means that the thread has gone on without it.
    """
    items = _listed(payload.get("input"))
    last = as_object(items[-1]) if items else {}
    content = last.get("content")
    if last.get("type") != AGENT_MESSAGE or not isinstance(content, list):
        return None
    if not any(is_encrypted(as_object(part).get("encrypted_content")) for part in content):
        return None
    author = str(last.get("author") or "(unnamed)")[:_MAX_NAME_LENGTH]
    return Problem(400, INVALID_PROMPT, UNREADABLE_TASK.format(author=author))


def _readable(part: object) -> object:
    text = as_object(part).get("encrypted_content")
    if not isinstance(text, str) or is_encrypted(text):
        return part
    return {"type": "input_text", "text": text}


def _without_marks(text: bytes) -> bytes:
    """Return a JSON text without the marks of the tools for messages between agents."""
    found = list(_MARK.finditer(text))
    if not found:
        return text
    try:
        payload = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    schemas = {id(schema) for schema in _message_schemas(as_object(payload))}
    are_removed = list(_marks(payload, schemas))
    if not schemas or len(are_removed) != len(found):
        return text
    pieces, done = [], 0
    for mark, is_removed in zip(found, are_removed, strict=True):
        if is_removed:
            start, end = _member(text, *mark.span())
            pieces.append(text[done:start])
            done = end
    return b"".join((*pieces, text[done:])) if pieces else text


def _member(text: bytes, start: int, end: int) -> tuple[int, int]:
    """Return where a member of an object begins and ends, with the comma before it, or else the one after it."""
    while text[start - 1 : start].isspace():
        start -= 1
    if text[start - 1 : start] == b",":
        return start - 1, end
    comma = _COMMA.match(text, end)
    return start, comma.end() if comma else end


def _marks(payload: object, schemas: set[int]) -> Iterator[bool]:
    """Yield for each `"encrypted": true`, in the order of the text, whether it belongs to one of the schemas."""
    waiting = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, tuple):
            yield value[0]
        elif isinstance(value, dict):
            belongs = (id(value) in schemas,)
            waiting += [
                belongs if key == "encrypted" and one is True else one
                for key, one in reversed(value.items())
            ]
        elif isinstance(value, list):
            waiting += reversed(value)


def _message_schemas(payload: JsonObject) -> Iterator[Mapping[str, object]]:
    """Yield the schema of each parameter of the tools for messages between agents."""
    carriers = [payload, *(as_object(item) for item in _listed(payload.get("input")))]
    for tool in (as_object(tool) for one in carriers for tool in _listed(one.get("tools"))):
        for function in (tool, *(as_object(inner) for inner in _listed(tool.get("tools")))):
            if function.get("name") in HANDOVER_TOOLS:
                properties = as_object(as_object(function.get("parameters")).get("properties"))
                yield from (value for value in properties.values() if isinstance(value, dict))


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
