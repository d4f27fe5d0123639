"""The one form in which a model that only speaks calls a tool of Codex: a fenced block that holds one JSON object.

    ```codex-call-KEY
    {"name": "NAME", "arguments": {…}}
    ```

The key is random and new for each request, so that a block which the model only quotes, out of a file or of an earlier
turn, is no call. Never does: repair a call. Invariant: total; what a block lacks to be a call is a pure function of its
text and of the tools, so that a history is always corrected in the same words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from addons.core.limits import shown
from addons.core.translate.conversation import Call, Tool
from addons.core.translate.events import CallKind

FENCE = "```codex-call"
CLOSE = "```"
OTHER_KEY = "its key was not that of its answer, or only one call was allowed"
NOT_CLOSED = "no line of three backticks closed it"


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that the model has asked for. `arguments` as the client wants them: JSON, or a custom tool's text."""

    tool: Tool
    arguments: str


class _NoCallError(ValueError):
    def __init__(self, *, why: str) -> None:
        super().__init__(why)


def fence_of(key: str) -> str:
    """The first line of a block."""
    return f"{FENCE}-{key}"


def by_wire_name(tools: Iterable[Tool]) -> dict[str, Tool]:
    """The tools by the names that the model is told."""
    return {tool.wire_name: tool for tool in tools}


def read_call(body: str, tools: Mapping[str, Tool]) -> Asked | str:
    """The call that stands between the fences; else why it is none."""
    try:
        return _read(body, tools)
    except _NoCallError as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"


def _read(body: str, tools: Mapping[str, Tool]) -> Asked:
    asked = _object(body, "it")
    name = asked.get("name")
    tool = tools.get(name.strip()) if isinstance(name, str) else None
    if tool is None:
        raise _NoCallError(why=f"there is no tool {shown(name)}")
    arguments = asked.get("arguments", {})
    if tool.kind is CallKind.CUSTOM:
        return Asked(tool, _input(arguments))
    if isinstance(arguments, str):
        arguments = _object(arguments, "`arguments`")
    if not isinstance(arguments, dict):
        raise _NoCallError(why="`arguments` is no JSON object")
    return Asked(tool, _json(arguments))


def _object(text: str, what: str) -> Mapping[str, object]:
    """Line breaks inside strings, which models write, are taken as they are."""
    try:
        value = json.loads(text, strict=False, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _NoCallError(
            why=f"{what} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except ValueError as error:
        raise _NoCallError(why=f"{what} holds a number that JSON does not have") from error
    if not isinstance(value, dict):
        raise _NoCallError(why=f"{what} is no JSON object")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _input(arguments: object) -> str:
    text = arguments.get("input") if isinstance(arguments, dict) else arguments
    if not isinstance(text, str) or not text:
        raise _NoCallError(why="`arguments` is no object with a text under `input`")
    return _sendable(text)


def _json(arguments: Mapping[str, object]) -> str:
    try:
        text = json.dumps(arguments, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise _NoCallError(why="`arguments` holds a number that is too large") from error
    return _sendable(text)


def _sendable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _NoCallError(why="a string in it holds half of a character") from error
    return text


def shown_call(call: Call, arguments: str) -> str:
    """An earlier call as the body of a block. `arguments` are the call's own, or what was left of them."""
    name, value = json.dumps(call.wire_name), json.dumps(arguments, ensure_ascii=False)
    if call.kind is CallKind.CUSTOM:
        value = f'{{"input": {value}}}'
    elif arguments == call.arguments and arguments.lstrip().startswith("{"):
        value = arguments
    return f'{{"name": {name}, "arguments": {value}}}'


def why_no_call(text: str, tools: Mapping[str, Tool]) -> str:
    """Why the first block that an earlier answer shows was no call; empty when it shows none."""
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if line.lstrip(" ").startswith(FENCE)), None)
    if first is None:
        return ""
    rest = lines[first + 1 :]
    end = next((at for at, line in enumerate(rest) if line.strip() == CLOSE), None)
    if end is None:
        return NOT_CLOSED
    found = read_call("\n".join(rest[:end]), tools)
    return found if isinstance(found, str) else OTHER_KEY
