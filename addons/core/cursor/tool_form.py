"""The text form of a Codex tool call in the answer of a model without tools: a fenced block with one JSON object.

    ```codex-call-KEY
    {"name": "NAME", "arguments": {…}}
    ```

The key is random and new for each request, so a block that the model quotes from a file or from an earlier turn is not
a call. Never does: repair a call. Invariant: total; the reason why a block is not a call depends only on its text and
the tools, so a history is always corrected with the same text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from addons.core.limits import shown
from addons.core.protocols.canonical.conversation import Call, Tool
from addons.core.protocols.canonical.events import CallKind

FENCE = "```codex-call"
CLOSE = "```"
WRONG_KEY = "its key was not that of its answer, or only one call was allowed"
NOT_CLOSED = "no line of three backticks closed it"


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """A call that the model made. `arguments` is JSON, or the text for a custom tool."""

    tool: Tool
    arguments: str


class _InvalidCallError(ValueError):
    def __init__(self, *, why: str) -> None:
        super().__init__(why)


def opening_fence(key: str) -> str:
    """Return the first line of a block."""
    return f"{FENCE}-{key}"


def tools_by_name(tools: Iterable[Tool]) -> dict[str, Tool]:
    """Return the tools by the names that the model sees."""
    return {tool.upstream_name: tool for tool in tools}


def read_call(body: str, tools: Mapping[str, Tool]) -> ParsedCall | str:
    """Return the call between the fences, or the reason why there is none."""
    try:
        return _read(body, tools)
    except _InvalidCallError as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"


def _read(body: str, tools: Mapping[str, Tool]) -> ParsedCall:
    block = _object(body, "it")
    name = block.get("name")
    tool = tools.get(name.strip()) if isinstance(name, str) else None
    if tool is None:
        raise _InvalidCallError(why=f"there is no tool {shown(name)}")
    arguments = block.get("arguments", {})
    if tool.kind is CallKind.CUSTOM:
        return ParsedCall(tool, _input(arguments))
    if isinstance(arguments, str):
        arguments = _object(arguments, "`arguments`")
    if not isinstance(arguments, dict):
        raise _InvalidCallError(why="`arguments` is no JSON object")
    return ParsedCall(tool, _json(arguments))


def _object(text: str, what: str) -> Mapping[str, object]:
    """Return the JSON object of a text. Models write raw line breaks inside strings, so those are accepted."""
    try:
        value = json.loads(text, strict=False, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _InvalidCallError(
            why=f"{what} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except ValueError as error:
        raise _InvalidCallError(why=f"{what} holds a number that JSON does not have") from error
    if not isinstance(value, dict):
        raise _InvalidCallError(why=f"{what} is no JSON object")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _input(arguments: object) -> str:
    text = arguments.get("input") if isinstance(arguments, dict) else arguments
    if not isinstance(text, str) or not text:
        raise _InvalidCallError(why="`arguments` is no object with a text under `input`")
    return _sendable(text)


def _json(arguments: Mapping[str, object]) -> str:
    try:
        text = json.dumps(arguments, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise _InvalidCallError(why="`arguments` holds a number that is too large") from error
    return _sendable(text)


def _sendable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _InvalidCallError(why="a string in it holds half of a character") from error
    return text


def render_call(call: Call, arguments: str) -> str:
    """Return an earlier call as the body of a block. `arguments` are the call's own, or a clipped form of them."""
    name, value = json.dumps(call.upstream_name), json.dumps(arguments, ensure_ascii=False)
    if call.kind is CallKind.CUSTOM:
        value = f'{{"input": {value}}}'
    elif arguments == call.arguments and arguments.lstrip().startswith("{"):
        value = arguments
    return f'{{"name": {name}, "arguments": {value}}}'


def rejection_reason(text: str, tools: Mapping[str, Tool]) -> str:
    """Return why the first block in an earlier answer was not a call; empty when there is no block."""
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if line.lstrip(" ").startswith(FENCE)), None)
    if first is None:
        return ""
    rest = lines[first + 1 :]
    end = next((at for at, line in enumerate(rest) if line.strip() == CLOSE), None)
    if end is None:
        return NOT_CLOSED
    found = read_call("\n".join(rest[:end]), tools)
    return found if isinstance(found, str) else WRONG_KEY
