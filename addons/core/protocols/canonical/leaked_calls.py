"""Tool calls that a server left in the text of an answer, in the forms of the models' own templates.

Source: the chat templates that `text_markers` names, and public reports of leaked calls. Decides on one piece of text that
begins with a marker; `answer_text` finds the markers while the answer streams, `call_arguments` reads the arguments.
Invariant: a call is read only if it names a declared tool and is whole; its arguments are those of the text, repaired only
where that is certain.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from html import unescape
from itertools import islice

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.protocols.canonical.argument_repair import repair_arguments
from addons.core.protocols.canonical.call_arguments import (
    JSON,
    Arguments,
    closing_tag,
    dumps,
    gemma_arguments,
    glm_arguments,
    kimi_arguments,
    python_calls,
    tagged_arguments,
)
from addons.core.protocols.canonical.conversation import Conversation, Tool
from addons.core.protocols.canonical.custom_tool_input import wrap_input
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.text_markers import (
    CLOSERS,
    HEADS,
    KIMI_HEADS,
    OPENERS,
    PREFIXES,
    any_of,
    beginnings,
    behind_markers,
)
from addons.core.upstream.patterns import before_turns

_OPENED = before_turns(rf"(?:\s*(?:{any_of(OPENERS)}))*\s*")
_CLOSED = before_turns(any_of(CLOSERS))
_HEAD = before_turns(
    rf"<(?P<tag>(?:{any_of(PREFIXES)})(?:function|invoke))(?:=|\s+name=)[\"']?(?P<name>[^\s\"'<>]+)[\"']?\s*>"
)
_KIMI_HEAD = re.compile(
    rf"(?:{any_of(KIMI_HEADS)})\"(?P<name>[^\"]+)\"(?:\s+\w+=\"[^\"]*\")*<\|sep\|>"
)
_NAMED = re.compile(
    r"(?:functions?[.:]|default_api[.:]|call:)?([A-Za-z0-9_.-]+?)(?::[0-9]+)?(?![A-Za-z0-9_.:-])"
)
_SEPARATOR = re.compile(
    r"\s*(?:<\|tool_call_argument_begin\|>|<\uff5ctool\u2581sep\uff5c>|\[CALL_ID\][\w-]*|\[ARGS\]|<\|channel\|>(?:commentary|analysis)|\s*(?:<\|constrain\|>)?(?:json)?<\|message\|>)*\s*(?:```(?:json)?\s*)?"
)
TYPE_AND_SEPARATOR = "function<\uff5ctool\u2581sep\uff5c>"
GEMMA_PREFIX = "call:"
_NAME_PREFIXES = ("functions.", "function.", "default_api.", GEMMA_PREFIX)
_BEFORE_ARGUMENTS = beginnings(
    *("<arg_key>", "</tool_call>", "<|tool_call_argument_begin|>", "<\uff5ctool\u2581sep\uff5c>"),
    *("[CALL_ID]", "[ARGS]", "```json", "<|constrain|>json<|message|>", "json<|message|>"),
    *("<|message|>", "<|channel|>commentary", "<|channel|>analysis"),
)
_BEFORE_TYPE = beginnings(TYPE_AND_SEPARATOR)
_BEFORE_NAME = beginnings(*_NAME_PREFIXES)
_BEFORE_MARKER = beginnings(*OPENERS, *HEADS, *CLOSERS)
_NAME_NOISE = before_turns(
    r"(?:(?:</?[\w|\uff5c\u2581:]+>|<\|[\w|]*)(?:commentary|analysis|final|json)?){1,16}$"
)
_FENCE_END = re.compile(r"\s*```")
_BETWEEN = re.compile(r"\s*+(?:[,;]\s*+)?(?=\{)")
_BETWEEN_VALUES = re.compile(r"\s*+(?:[,;]\s*+)?")
_CALL_KEYS = frozenset({"name", "arguments", "parameters", "type", "id"})
MAX_END_TAGS = 16
MAX_HEAD = 200
"""More characters than the beginning of a call has before its arguments."""


@dataclass(frozen=True, slots=True)
class LeakedCall:
    """One call: the tool's upstream name, and the text of its arguments as the upstream would send them."""

    name: str
    arguments: str


class Pending(Enum):
    """Why no call was read."""

    MORE = auto()
    """The call is not whole yet."""
    TEXT = auto()
    """This is not a call."""


@dataclass(frozen=True, slots=True)
class Found:
    """The calls at the beginning of a text, and the place where they end."""

    calls: tuple[LeakedCall, ...]
    end: int


Reading = Found | Pending


@dataclass(slots=True)
class LeakedCallParser:
    """Reads calls of the tools of one conversation."""

    conversation: Conversation

    def read(self, text: str, *, final: bool) -> Reading:
        """Read the calls at the beginning of the text, behind their marker. `final`: no more text follows."""
        reading = self._read(text)
        return Pending.TEXT if final and reading is Pending.MORE else reading

    def read_document(self, text: str) -> tuple[LeakedCall, ...]:
        """Read a whole answer that is the JSON of one or several calls and nothing else; their arguments must fit their tools."""
        values = _json_values(text.strip())
        if not all(isinstance(one, dict) and self._is_plain_call(one) for one in values):
            return ()
        return self._calls(values) or ()

    def may_be_document(self, text: str) -> bool:
        """Return whether the beginning of an answer may be that of such a document."""
        head = re.match(r'\s*(?:\[\s*)?\{\s*"(\w*)("?)(?:\s*:\s*"([^"]*)("?))?', text)
        if head is None:
            return not re.sub(r"[\s\[{\"]", "", text[:MAX_HEAD])
        key, ended, value, whole = head.groups()
        if ended and key not in _CALL_KEYS:
            return False
        if not ended and not any(known.startswith(key) for known in _CALL_KEYS):
            return False
        return not (key == "name" and whole) or self._tool(value) is not None

    def _read(self, text: str) -> Reading:
        opened = _OPENED.match(text)
        position = opened.end() if opened else 0
        rest = text[position : position + MAX_HEAD]
        if not rest or rest in _BEFORE_MARKER or _is_bare(text):
            return Pending.MORE
        if rest.startswith(KIMI_HEADS):
            return self._read_kimi(text, position)
        if rest.startswith(HEADS):
            head = _HEAD.match(text, position)
            if head is None:
                return Pending.MORE if len(rest) < MAX_HEAD and ">" not in rest else Pending.TEXT
            return self._read_tagged(text, head)
        if rest[0] in "{[":
            return self._read_json(text, position)
        return self._read_named(text, position)

    def _read_json(self, text: str, position: int) -> Reading:
        found: list[LeakedCall] = []
        end = position
        start: int | None = position
        while start is not None:
            try:
                value, end = JSON.raw_decode(text, start)
            except (ValueError, RecursionError):
                return (
                    self._read_broken_json(text, position)
                    if start == position
                    else Found(tuple(found), end)
                )
            calls = self._calls(value)
            if not calls:
                return Pending.TEXT
            found += calls
            between = _BETWEEN.match(text, end)
            start = between.end() if between else None
        return Found(tuple(found), end)

    def _read_broken_json(self, text: str, position: int) -> Reading:
        """Read JSON that may be repaired, or Python, that is whole because a closing marker follows."""
        closed = _CLOSED.search(text, position)
        if closed is None:
            return Pending.MORE
        written = text[position : closed.start()]
        repaired = repair_arguments(written, {"required": ["name"]})
        calls = self._calls(json.loads(repaired) if repaired else python_calls(written))
        return Found(calls, closed.start()) if calls else Pending.MORE

    def _read_tagged(self, text: str, head: re.Match[str]) -> Reading:
        """Read a call whose name is in a tag, with parameters in tags or with JSON."""
        tool = self._tool(head["name"])
        if tool is None:
            return Pending.TEXT
        for end in islice(_closing(head["tag"]).finditer(text, head.end()), MAX_END_TAGS):
            body = text[head.end() : end.start()]
            arguments = tagged_arguments(body, tool.schema)
            if arguments is None and body.lstrip().startswith("{"):
                arguments = repair_arguments(body, tool.schema)
            if arguments is not None:
                return Found((LeakedCall(tool.upstream_name, arguments),), end.end())
        return Pending.MORE

    def _read_kimi(self, text: str, position: int) -> Reading:
        """Read a call of Kimi K3."""
        head = _KIMI_HEAD.match(text, position)
        if head is None:
            return Pending.MORE if len(text) - position < MAX_HEAD else Pending.TEXT
        tool = self._tool(unescape(head["name"]))
        if tool is None:
            return Pending.TEXT
        return _whole(tool, kimi_arguments(text, head.end(), tool.schema))

    def _read_named(self, text: str, position: int) -> Reading:
        """Read a call that begins with the bare name of its tool."""
        if text.startswith(TYPE_AND_SEPARATOR, position):
            position += len(TYPE_AND_SEPARATOR)
        elif text[position : position + MAX_HEAD] in _BEFORE_TYPE:
            return Pending.MORE
        named = _NAMED.match(text, position)
        if named is None or named.end() == len(text):
            return Pending.MORE if self._may_be_named(text[position:]) else Pending.TEXT
        tool = self._tool(named[1])
        if tool is None:
            return Pending.TEXT
        if text.startswith(GEMMA_PREFIX, position):
            is_object = text.startswith("{", named.end())
            return _whole(tool, gemma_arguments(text, named.end())) if is_object else Pending.TEXT
        return self._read_arguments(tool, text, named.end())

    def _read_arguments(self, tool: Tool, text: str, position: int) -> Reading:
        """Read what follows the bare name of a tool."""
        separator = _SEPARATOR.match(text, position)
        place = separator.end() if separator else position
        rest = text[place : place + MAX_HEAD]
        if rest.startswith("{"):
            reading = self._read_json_arguments(tool, text, place)
            return _behind_fence(text, reading) if "```" in text[position:place] else reading
        if rest.startswith(("<arg_key>", "</tool_call>")):
            return _whole(tool, glm_arguments(text, place, tool.schema))
        fenced = text.endswith("```", 0, place) and "json".startswith(rest)
        begins = not rest or fenced or rest in _BEFORE_ARGUMENTS
        return Pending.MORE if begins else Pending.TEXT

    def _may_be_named(self, text: str) -> bool:
        text = text.strip()
        for prefix in _NAME_PREFIXES:
            text = text.removeprefix(prefix)
        name = text.split(":", 1)[0]
        return (
            not name
            or name in _BEFORE_NAME
            or any(tool.upstream_name.startswith(name) for tool in self.conversation.tools)
        )

    def _read_json_arguments(self, tool: Tool, text: str, position: int) -> Reading:
        try:
            value, end = JSON.raw_decode(text, position)
        except (ValueError, RecursionError):
            closed = _CLOSED.search(text, position)
            if closed is None:
                return Pending.MORE
            repaired = repair_arguments(text[position : closed.start()], tool.schema)
            if repaired is None:
                return Pending.MORE
            return Found((LeakedCall(tool.upstream_name, repaired),), closed.start())
        if not isinstance(value, dict):
            return Pending.TEXT
        arguments = repair_arguments(text[position:end]) or dumps(value)
        return Found((LeakedCall(tool.upstream_name, arguments),), end)

    def _calls(self, value: object) -> tuple[LeakedCall, ...] | None:
        """Return the calls of one JSON value; None unless all of it are calls of declared tools."""
        if isinstance(value, list):
            found = [self._calls(one) for one in value if not isinstance(one, list)]
            whole = len(found) == len(value) and all(found)
            return (
                tuple(call for calls in found for call in calls or ()) if whole and found else None
            )
        outer = as_object(value)
        call = as_object(outer.get("function")) or outer
        tool = self._tool(as_str(call.get("name")))
        if tool is None:
            return None
        given = call.get("arguments", call.get("parameters", {}))
        if isinstance(given, str):
            is_free = tool.kind is CallKind.CUSTOM and not given.lstrip().startswith("{")
            arguments = wrap_input(given) if is_free else repair_arguments(given, tool.schema)
        else:
            arguments = dumps(given) if isinstance(given, dict) else None
        return (LeakedCall(tool.upstream_name, arguments),) if arguments is not None else None

    def _is_plain_call(self, value: JsonObject) -> bool:
        """Return whether a JSON object is a call and nothing else, with arguments that the tool accepts."""
        tool = self._tool(as_str(value.get("name")))
        given = value.get("arguments", value.get("parameters"))
        if tool is None or not isinstance(given, dict) or not value.keys() <= _CALL_KEYS:
            return False
        required = tool.schema.get("required", [])
        known = as_object(tool.schema.get("properties")).keys()
        needed = required if isinstance(required, list) else []
        return given.keys() <= known and all(key in given for key in needed)

    def _tool(self, name: str) -> Tool | None:
        return declared_tool(self.conversation, name)


def declared_tool(conversation: Conversation, name: str) -> Tool | None:
    """Return the declared tool of a name, also where a template's prefix, number or tag was left in it; or None."""
    tool = conversation.tool(name)
    if tool is None:
        named = _NAMED.fullmatch(_NAME_NOISE.sub("", name.strip()))
        tool = conversation.tool(named[1]) if named else None
    return tool


def _behind_fence(text: str, reading: Reading) -> Reading:
    """Return the reading of arguments in a code fence, with the end of the fence."""
    if not isinstance(reading, Found):
        return reading
    fence = _FENCE_END.match(text, reading.end)
    if fence is None and not text[reading.end :].strip("` \t\r\n"):
        return Pending.MORE
    return Found(reading.calls, fence.end()) if fence else reading


def _is_bare(text: str) -> bool:
    """Return whether a text is nothing but markers, the last of which may be a beginning."""
    behind = behind_markers(text)
    return not behind or behind in _BEFORE_MARKER


def _json_values(text: str) -> list[object]:
    """Return the JSON values, or members of lists, of which a text consists; none if it is anything else."""
    values: list[object] = []
    position = 0
    try:
        while position < len(text):
            value, end = JSON.raw_decode(text, position)
            values += value if isinstance(value, list) else [value]
            between = _BETWEEN_VALUES.match(text, end)
            position = between.end() if between else end
    except (ValueError, RecursionError):
        return []
    return values


def _whole(tool: Tool, arguments: Arguments | None) -> Reading:
    """Return the call with arguments that were read; None: they are not whole yet."""
    if arguments is None:
        return Pending.MORE
    return Found((LeakedCall(tool.upstream_name, arguments[0]),), arguments[1])


@lru_cache(maxsize=64)
def _closing(tag: str) -> re.Pattern[str]:
    return re.compile(closing_tag(tag))
