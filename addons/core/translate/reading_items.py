"""Each kind of input item as items of the conversation.

Source: OpenAI API reference, "Create a response", `input`, and the items that Codex sends. Never drops content in
silence: an unknown kind is `Unreadable`, what no upstream can be told is noted in `dropped`. Invariant: what an item
becomes does not depend on items after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from addons.core.translate.compaction import ITEM_TYPES, read_compaction
from addons.core.translate.conversation import (
    Assistant,
    Call,
    Image,
    Item,
    Json,
    Output,
    Part,
    Reasoning,
    System,
    Text,
    User,
)
from addons.core.translate.events import CallKind
from addons.core.translate.reading_parts import Unreadable, json_text, read_parts, text_of
from addons.core.translate.replay import unseal
from addons.core.translate.tools import WireNames

MESSAGE_ROLES = frozenset({"user", "assistant", "system", "developer"})
TOOL_CARRIERS = frozenset({"additional_tools", "tool_search_output"})
"""Items whose tools are hoisted into the request's own before any item is read."""
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
LONGEST_FIELD = 4_000
"""Of a hosted step: pictures in base64 are told by their size."""
STATELESS = (
    "refers to something that codex-shim no longer has. Send the whole history in `input`,"
    " with `store: false`, so that the client does so by itself."
)


def carries_tools(item: Json) -> bool:
    """Whether the tools of an item belong to the request."""
    kind = item.get("type")
    return isinstance(kind, str) and kind in TOOL_CARRIERS


@dataclass(slots=True)
class ItemReader:
    """Reads the items of one request, in order."""

    lineage: str
    names: WireNames
    items: list[Item] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def read(self, item: object, where: str) -> None:
        """Add what one item says."""
        if not isinstance(item, dict):
            raise Unreadable(where, "is not an object.")
        kind = item.get("type", "message")
        if carries_tools(item) or kind == "compaction_trigger":
            return
        read = READERS.get(kind) if isinstance(kind, str) else None
        if read is None:
            raise Unreadable(where, f"has the unknown type {kind!r}. Remove the item.")
        read(self, item, where)

    def message(self, item: Json, where: str) -> None:
        """A message of any role."""
        role = item.get("role")
        if not isinstance(role, str) or role not in MESSAGE_ROLES:
            raise Unreadable(where, f"has the unknown role {role!r}.")
        parts = read_parts(item.get("content"), f"{where}.content")
        if role == "user":
            self._user(parts)
        elif role == "assistant":
            self._assistant(parts, where)
        else:
            self._system(parts)

    def reasoning(self, item: Json, where: str) -> None:
        """Reasoning of an earlier turn: its summary, and the blob if it is the upstream's own."""
        parts = read_parts(item.get("summary"), f"{where}.summary")
        parts = parts or read_parts(item.get("content"), f"{where}.content")
        blob = item.get("encrypted_content")
        own = isinstance(blob, str) and unseal(blob, self.lineage) is not None
        if blob and not own:
            self.dropped.append(f"{where}: encrypted reasoning of another upstream")
        summary = "\n\n".join(part.text for part in parts if isinstance(part, Text))
        if summary or own:
            self.items.append(Reasoning(summary, blob if own and isinstance(blob, str) else None))

    def function_call(self, item: Json, where: str) -> None:
        """A call of a function, perhaps inside a namespace."""
        arguments = item.get("arguments", "")
        arguments = arguments if isinstance(arguments, str) else json_text(arguments)
        self._call(item, where, arguments, CallKind.FUNCTION)

    def custom_tool_call(self, item: Json, where: str) -> None:
        """A call of a custom tool."""
        text = item.get("input", "")
        text = text if isinstance(text, str) else json_text(text)
        self._call(item, where, text, CallKind.CUSTOM)

    def local_shell_call(self, item: Json, where: str) -> None:
        """A call of the local shell. Older items have only an `id`."""
        call_id = item.get("call_id") or item.get("id")
        known = {"call_id": call_id, "name": "local_shell"}
        self._call(known, where, json_text(item.get("action") or {}), CallKind.LOCAL_SHELL)

    def output(self, item: Json, where: str) -> None:
        """What a tool gave back."""
        call_id = item.get("call_id") or item.get("id")
        if not isinstance(call_id, str) or not call_id:
            raise Unreadable(where, "has no call_id.")
        value = item.get("output")
        value = json_text(value) if isinstance(value, dict) else value
        self.items.append(Output(call_id, read_parts(value, f"{where}.output")))

    def compaction(self, item: Json, where: str) -> None:
        """A summary that stands for earlier turns."""
        text = read_compaction(item)
        if text:
            self.items.append(User((Text(text),)))
        else:
            self.dropped.append(f"{where}: a compaction that another service encrypted")

    def hosted_step(self, item: Json, _where: str) -> None:
        """A step that a hosted tool did: the model is told of it in words."""
        self.items.append(Assistant(f"[{item['type']}: {json_text(_told(item))}]"))

    def hosted_result(self, item: Json, _where: str) -> None:
        """What came back from the client for a hosted tool."""
        self.items.append(User((Text(f"[{item['type']}: {json_text(_told(item))}]"),)))

    def reference(self, _item: Json, where: str) -> None:
        """An item that only the API has."""
        raise Unreadable(where, STATELESS)

    def _call(self, item: Json, where: str, arguments: str, kind: CallKind) -> None:
        call_id, name, namespace = item.get("call_id"), item.get("name"), item.get("namespace")
        if not isinstance(call_id, str) or not call_id:
            raise Unreadable(where, "has no call_id.")
        if not isinstance(name, str) or not name:
            raise Unreadable(where, "has no name.")
        wire = self.names.wire(name, namespace if isinstance(namespace, str) else None)
        self.items.append(Call(call_id, wire, arguments, kind))

    def _user(self, parts: tuple[Part, ...]) -> None:
        if parts:
            self.items.append(User(parts))

    def _assistant(self, parts: tuple[Part, ...], where: str) -> None:
        if any(isinstance(part, Image) for part in parts):
            raise Unreadable(
                where, "is an assistant message with an image. Send it as a user message."
            )
        if text := text_of(parts):
            self.items.append(Assistant(text))

    def _system(self, parts: tuple[Part, ...]) -> None:
        if text := text_of(parts):
            self.items.append(System(text))
        # No upstream takes a picture in a system message.
        self._user(tuple(part for part in parts if isinstance(part, Image)))


def _told(item: Json) -> dict[str, object]:
    told: dict[str, object] = {}
    for key, value in item.items():
        if key in {"type", "id", "status"} or value is None:
            continue
        size = len(json_text(value))
        told[key] = value if size <= LONGEST_FIELD else f"({size} characters left out)"
    return told


Reader = Callable[[ItemReader, Json, str], None]
READERS: Mapping[str, Reader] = {
    "message": ItemReader.message,
    "reasoning": ItemReader.reasoning,
    "function_call": ItemReader.function_call,
    "custom_tool_call": ItemReader.custom_tool_call,
    "local_shell_call": ItemReader.local_shell_call,
    "item_reference": ItemReader.reference,
    **dict.fromkeys(OUTPUT_TYPES, ItemReader.output),
    **dict.fromkeys(sorted(ITEM_TYPES), ItemReader.compaction),
    **dict.fromkeys(HOSTED_STEPS, ItemReader.hosted_step),
    **dict.fromkeys(HOSTED_RESULTS, ItemReader.hosted_result),
}
