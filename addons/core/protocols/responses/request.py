"""Reads a Responses request body, with its input items, into a `Conversation`.

Source: OpenAI API reference, "Create a response"; what Codex sends beyond it. Knows nothing of the upstream except the
reasoning scope. Never drops content silently: what cannot be translated is noted in `dropped`. Never refuses an item for its
form, because it stays in the history of its thread; only a reference to an item on a server is refused, and a task for a
sub-agent that nobody but ChatGPT can read. Invariant: total
(any JSON object gives a `Conversation` or a `Problem`); what an item becomes does not depend on later items, so the items of
a history are a prefix of the items of its extension.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import orjson

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.json_values import JsonObject, as_object
from addons.core.protocols.canonical.conversation import (
    Assistant,
    Call,
    Conversation,
    Image,
    Item,
    Output,
    Part,
    Reasoning,
    Sampling,
    System,
    Text,
    TextFormat,
    User,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import NOTICE, unwrap
from addons.core.protocols.canonical.tools import (
    DeclaredTools,
    UpstreamNames,
    allowed_tools,
    read_tool_choice,
    read_tools,
)
from addons.core.protocols.responses.compaction import (
    COMPACTION_TYPES,
    read_compaction,
    request_summary,
)
from addons.core.protocols.responses.handover import AGENT_MESSAGE, unreadable_task
from addons.core.protocols.responses.request_parts import read_parts, text_of
from addons.core.protocols.responses.unknown_items import read_agent_message, read_unknown

SERVER_STATE = ("previous_response_id", "conversation", "prompt")
"""Fields that refer to state on OpenAI's servers."""
MESSAGE_ROLES = frozenset({"user", "assistant", "system", "developer"})
COMPACTION_TRIGGER = "compaction_trigger"
SAMPLING_FIELDS = frozenset({"max_output_tokens", "temperature", "top_p"})
NO_SAMPLING = Sampling()
TOOL_CARRIERS = ("additional_tools", "tool_search_output")
"""Items whose tools are added to those of the request before any item is read."""
OUTPUT_TYPES = ("function_call_output", "custom_tool_call_output", "local_shell_call_output")
HOSTED_STEPS = (
    "web_search_call", "file_search_call", "image_generation_call", "code_interpreter_call", "computer_call",
    "tool_search_call", "mcp_list_tools", "mcp_call", "mcp_approval_request", "shell_call", "apply_patch_call",
)  # fmt: skip
HOSTED_RESULTS = (
    "computer_call_output", "mcp_approval_response", "shell_call_output", "apply_patch_call_output",
)  # fmt: skip
MAX_FIELD_LENGTH = 4_000
"""Longer fields of a hosted step, such as base64 images, are replaced by their length."""
STATELESS = "refers to state that codex-shim does not have. Send the whole history in `input`, with `store: false`."


class UnreadableInputError(Exception):
    """The request cannot be translated: where, and why."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} {why}")

    def problem(self) -> Problem:
        """Return the answer of status 400."""
        text = f"codex-shim cannot translate this request: {self}"
        return Problem(400, INVALID_PROMPT, text, "invalid_request_error")


def json_text(value: object) -> str:
    """Return compact JSON of a value that the client sent in place of a string."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        # orjson parses deeper nesting than it writes.
        raise UnreadableInputError(
            where="input", why=f"holds JSON that cannot be written: {error}."
        ) from error


@dataclass(slots=True)
class ItemReader:
    """Reads the items of one request, in order."""

    reasoning_scope: str
    names: UpstreamNames
    items: list[Item] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def read(self, item: object, where: str) -> None:
        """Read one item."""
        if not isinstance(item, dict):
            self.dropped.append(f"{where}: not an object")
            return
        kind = item.get("type", "message")
        read = READERS.get(kind) if isinstance(kind, str) else None
        if read is None:
            if kind == "item_reference":
                raise UnreadableInputError(where, STATELESS)
            read = ItemReader.unknown
        try:
            read(self, item, where)
        except UnreadableInputError as error:
            self.dropped.append(str(error))
            self.unknown(item, where)

    def skip(self, item: JsonObject, where: str) -> None:
        """Read nothing: the item has a meaning for the request, and none for the model."""

    def message(self, item: JsonObject, where: str) -> None:
        """Read a message of any role."""
        role = item.get("role")
        if not isinstance(role, str) or role not in MESSAGE_ROLES:
            raise UnreadableInputError(where, f"has the unknown role {role!r}.")
        parts = read_parts(item.get("content"), f"{where}.content", self.dropped)
        if role == "user":
            self._user(parts)
        elif role == "assistant":
            self._assistant(parts, where)
        else:
            self._system(parts)

    def reasoning(self, item: JsonObject, where: str) -> None:
        """Read reasoning: its summary, and the blob if it was wrapped for this upstream."""
        if item.get("encrypted_content") == NOTICE:
            return
        parts = read_parts(item.get("summary"), f"{where}.summary", self.dropped)
        parts = parts or read_parts(item.get("content"), f"{where}.content", self.dropped)
        blob = item.get("encrypted_content")
        own = isinstance(blob, str) and unwrap(blob, self.reasoning_scope) is not None
        if blob and not own:
            self.dropped.append(f"{where}: encrypted reasoning of another upstream")
        summary = "\n\n".join(part.text for part in parts if isinstance(part, Text))
        if summary or own:
            self.items.append(Reasoning(summary, blob if own and isinstance(blob, str) else None))

    def function_call(self, item: JsonObject, where: str) -> None:
        """Read a call of a function, which may be in a namespace."""
        arguments = item.get("arguments", "")
        arguments = arguments if isinstance(arguments, str) else json_text(arguments)
        self._call(item, where, arguments, CallKind.FUNCTION)

    def custom_tool_call(self, item: JsonObject, where: str) -> None:
        """Read a call of a custom tool."""
        text = item.get("input", "")
        text = text if isinstance(text, str) else json_text(text)
        self._call(item, where, text, CallKind.CUSTOM)

    def local_shell_call(self, item: JsonObject, where: str) -> None:
        """Read a call of the local shell. Older items have only an `id`."""
        call_id = item.get("call_id") or item.get("id")
        call = {"call_id": call_id, "name": "local_shell"}
        self._call(call, where, json_text(item.get("action") or {}), CallKind.LOCAL_SHELL)

    def output(self, item: JsonObject, where: str) -> None:
        """Read the output of a tool."""
        call_id = item.get("call_id") or item.get("id")
        if not isinstance(call_id, str) or not call_id:
            raise UnreadableInputError(where, "has no call_id.")
        value = item.get("output")
        value = json_text(value) if isinstance(value, dict) else value
        self.items.append(Output(call_id, read_parts(value, f"{where}.output", self.dropped)))

    def compaction(self, item: JsonObject, where: str) -> None:
        """Read a compaction: the summary that replaces earlier turns."""
        text = read_compaction(item)
        if text:
            self.items.append(User((Text(text),)))
        else:
            self.dropped.append(f"{where}: a compaction that another service encrypted")

    def hosted_step(self, item: JsonObject, _where: str) -> None:
        """Read a step of a hosted tool, as text of the assistant."""
        self.items.append(Assistant(_as_text(item)))

    def hosted_result(self, item: JsonObject, _where: str) -> None:
        """Read a result that the client sent for a hosted tool, as text of the user."""
        self.items.append(User((Text(_as_text(item)),)))

    def agent_message(self, item: JsonObject, where: str) -> None:
        """Read a message of another agent."""
        self.items += read_agent_message(item, where, self.dropped)

    def unknown(self, item: JsonObject, where: str) -> None:
        """Read the text of an item of an unknown type or form."""
        self.items += read_unknown(item, where, self.dropped)

    def _call(self, item: JsonObject, where: str, arguments: str, kind: CallKind) -> None:
        call_id, name, namespace = item.get("call_id"), item.get("name"), item.get("namespace")
        if not isinstance(call_id, str) or not call_id:
            raise UnreadableInputError(where, "has no call_id.")
        if not isinstance(name, str) or not name:
            raise UnreadableInputError(where, "has no name.")
        upstream_name = self.names.name_for(name, namespace if isinstance(namespace, str) else None)
        self.items.append(Call(call_id, upstream_name, arguments, kind))

    def _user(self, parts: tuple[Part, ...]) -> None:
        if parts:
            self.items.append(User(parts))

    def _assistant(self, parts: tuple[Part, ...], where: str) -> None:
        if any(isinstance(part, Image) for part in parts):
            raise UnreadableInputError(
                where, "is an assistant message with an image. Send it as a user message."
            )
        if text := text_of(parts):
            self.items.append(Assistant(text))

    def _system(self, parts: tuple[Part, ...]) -> None:
        if text := text_of(parts):
            self.items.append(System(text))
        # No upstream accepts an image in a system message.
        self._user(tuple(part for part in parts if isinstance(part, Image)))


def _as_text(item: JsonObject) -> str:
    """Return an item of a hosted tool as one line of text."""
    fields: dict[str, object] = {}
    for key, value in item.items():
        if key in {"type", "id", "status"} or value is None:
            continue
        size = len(json_text(value))
        fields[key] = value if size <= MAX_FIELD_LENGTH else f"({size} characters left out)"
    return f"[{item['type']}: {json_text(fields)}]"


Reader = Callable[[ItemReader, JsonObject, str], None]
READERS: Mapping[str, Reader] = {
    "message": ItemReader.message,
    "reasoning": ItemReader.reasoning,
    "function_call": ItemReader.function_call,
    "custom_tool_call": ItemReader.custom_tool_call,
    "local_shell_call": ItemReader.local_shell_call,
    "agent_message": ItemReader.agent_message,
    COMPACTION_TRIGGER: ItemReader.skip,
    **dict.fromkeys(TOOL_CARRIERS, ItemReader.skip),
    **dict.fromkeys(OUTPUT_TYPES, ItemReader.output),
    **dict.fromkeys(sorted(COMPACTION_TYPES), ItemReader.compaction),
    **dict.fromkeys(HOSTED_STEPS, ItemReader.hosted_step),
    **dict.fromkeys(HOSTED_RESULTS, ItemReader.hosted_result),
}


def read_request(payload: Mapping[str, object], reasoning_scope: str) -> Conversation | Problem:
    """Read a request body. `reasoning_scope` is `Target.reasoning_scope`."""
    try:
        return _read(payload, reasoning_scope)
    except UnreadableInputError as error:
        return error.problem()


def _read(payload: JsonObject, reasoning_scope: str) -> Conversation | Problem:
    for key in SERVER_STATE:
        if payload.get(key):
            raise UnreadableInputError(where=key, why=STATELESS)
    raw_items = _raw_items(payload.get("input"))
    last_type = as_object(raw_items[-1]).get("type") if raw_items else None
    if last_type == AGENT_MESSAGE and (task := unreadable_task(payload)):
        return task
    declared = _declared(payload.get("tools"), raw_items)
    choice = read_tool_choice(payload.get("tool_choice"), declared.tools)
    if isinstance(choice, Problem):
        return choice
    items, dropped = _items(
        payload, raw_items, ItemReader(reasoning_scope, UpstreamNames(declared.tools))
    )
    text = as_object(payload.get("text"))
    conversation = Conversation(
        items=items,
        tools=allowed_tools(payload.get("tool_choice"), declared.tools),
        choice=choice,
        parallel_tool_calls=_boolean(payload.get("parallel_tool_calls")),
        effort=_string(as_object(payload.get("reasoning")).get("effort")),
        text_format=_text_format(text.get("format")),
        verbosity=_string(text.get("verbosity")),
        sampling=_sampling(payload),
        cache_key=_string(payload.get("prompt_cache_key")),
        stream=payload.get("stream") is True,
        dropped=declared.dropped + dropped,
        echo=payload,
    )
    return request_summary(conversation) if last_type == COMPACTION_TRIGGER else conversation


def _raw_items(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list):
        raise UnreadableInputError(where="input", why="is neither a string nor a list of items.")
    return value


def _declared(tools: object, raw_items: list[object]) -> DeclaredTools:
    """Read the request's own tools first, so that tools of later items change no earlier name."""
    if tools is not None and not isinstance(tools, list):
        raise UnreadableInputError(where="tools", why="is not a list.")
    listed: list[object] = list(tools or ())
    notes: list[str] = []
    for index, item in enumerate(raw_items):
        if not isinstance(item, dict) or item.get("type") not in TOOL_CARRIERS:
            continue
        carried = item.get("tools", [])
        if isinstance(carried, list):
            listed.extend(carried)
        else:
            notes.append(f"input[{index}].tools: not a list")
    declared = read_tools(listed) if listed else DeclaredTools()
    return replace(declared, dropped=(*notes, *declared.dropped)) if notes else declared


def _items(
    payload: JsonObject, raw_items: list[object], reader: ItemReader
) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    instructions = payload.get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise UnreadableInputError(where="instructions", why="is not a string.")
    if instructions:
        reader.items.append(System(instructions))
    for index, item in enumerate(raw_items):
        reader.read(item, f"input[{index}]")
    if not reader.items:
        raise UnreadableInputError(where="input", why="is empty. Send at least one message.")
    return tuple(reader.items), tuple(reader.dropped)


def _text_format(value: object) -> TextFormat | None:
    if value is None:
        return None
    text_format = as_object(value)
    kind = text_format.get("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return TextFormat("json_object")
    # Some clients nest the schema as the chat completions API does.
    body = as_object(text_format.get("json_schema")) or text_format
    if kind != "json_schema" or not isinstance(body.get("schema"), dict):
        raise UnreadableInputError(
            where="text.format", why="is neither text, json_object nor a json_schema with a schema."
        )
    return TextFormat(
        "json_schema",
        _string(body.get("name")) or "output",
        as_object(body.get("schema")),
        _boolean(body.get("strict")),
        _string(body.get("description")) or "",
    )


def _sampling(payload: JsonObject) -> Sampling:
    if SAMPLING_FIELDS.isdisjoint(payload):
        # as Codex sends it
        return NO_SAMPLING
    limit = payload.get("max_output_tokens")
    return Sampling(
        limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else None,
        _number(payload, "temperature"),
        _number(payload, "top_p"),
    )


def _number(payload: JsonObject, key: Literal["temperature", "top_p"]) -> float | None:
    value = payload.get(key)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
