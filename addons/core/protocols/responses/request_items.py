"""Reads the input items of a Responses request.

Source: OpenAI API reference, "Create a response", `input`; the items that Codex sends. Never drops content silently:
what cannot be translated is noted in `dropped`. Never refuses an item for its form, because it stays in the history of
its thread; only a reference to an item on a server raises `UnreadableInputError`. Invariant: what an item becomes does
not depend on later items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.json_values import JsonObject
from addons.core.protocols.canonical.conversation import (
    Assistant,
    Call,
    Image,
    Item,
    Output,
    Part,
    Reasoning,
    System,
    Text,
    User,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import unwrap
from addons.core.protocols.canonical.tools import UpstreamNames
from addons.core.protocols.responses.compaction import COMPACTION_TYPES, read_compaction
from addons.core.protocols.responses.request_parts import read_parts, text_of
from addons.core.protocols.responses.unknown_items import read_agent_message, read_unknown


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


MESSAGE_ROLES = frozenset({"user", "assistant", "system", "developer"})
TOOL_CARRIERS = ("additional_tools", "tool_search_output")
"""Items whose tools are added to those of the request before any item is read."""
OUTPUT_TYPES = (
    "function_call_output",
    "custom_tool_call_output",
    "local_shell_call_output",
)
HOSTED_STEPS = (
    "web_search_call",
    "file_search_call",
    "image_generation_call",
    "code_interpreter_call",
    "computer_call",
    "tool_search_call",
    "mcp_list_tools",
    "mcp_call",
    "mcp_approval_request",
    "shell_call",
    "apply_patch_call",
)
HOSTED_RESULTS = (
    "computer_call_output",
    "mcp_approval_response",
    "shell_call_output",
    "apply_patch_call_output",
)
MAX_FIELD_LENGTH = 4_000
"""Longer fields of a hosted step, such as base64 images, are replaced by their length."""
STATELESS = "refers to state that codex-shim does not have. Send the whole history in `input`, with `store: false`."


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
    "compaction_trigger": ItemReader.skip,
    **dict.fromkeys(TOOL_CARRIERS, ItemReader.skip),
    **dict.fromkeys(OUTPUT_TYPES, ItemReader.output),
    **dict.fromkeys(sorted(COMPACTION_TYPES), ItemReader.compaction),
    **dict.fromkeys(HOSTED_STEPS, ItemReader.hosted_step),
    **dict.fromkeys(HOSTED_RESULTS, ItemReader.hosted_result),
}
