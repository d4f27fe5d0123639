"""What hooks see and return: a turn, the events of its answer, its end, a refusal.

All of it is frozen; an edit is a changed copy. Nothing in here can hold a credential: headers are not shown. Invariant: a
turn or an event that no hook changed is sent on byte for byte.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from addons.core.hooks.frozen_json import JsonList, JsonMap, plain
from addons.core.hooks.texts import MapText, map_texts
from addons.core.usage import Usage

API_VERSION = 1
"""The version of this interface. It is raised when something is removed or changes its meaning, and not for additions."""

EDITABLE = ("model", "instructions", "input", "tools", "fields")
"""The fields of a turn that a hook may change."""
TERMINAL_EVENTS = frozenset(
    {"response.completed", "response.failed", "response.incomplete", "error"}
)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Ends the turn with this reason, which the user sees. Nothing, or nothing more, is sent."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A request of the client for a model, before its route is decided."""

    model: str
    """The model that the client asks for: a slug or an alias."""
    instructions: str = ""
    input: Sequence[object] = field(default_factory=lambda: JsonList(()))
    """The history: items of the Responses API, as `JsonMap`. A plain string of the client is one message here."""
    tools: Sequence[object] = field(default_factory=lambda: JsonList(()))
    fields: Mapping[str, object] = field(default_factory=lambda: JsonMap({}))
    """The other members of the request's body, such as `reasoning` and `tool_choice`."""

    id: str = ""
    """The id of the flow."""
    thread: str = ""
    agent: str = "user"
    """Who makes the call: `user`, `sub-agent`, or the kind of a helper call of Codex, such as `title` or `review`."""
    folder: str = ""
    """The folder in which Codex works, as the history names it last. Empty if it names none."""
    client: str = ""
    """What the client calls itself, such as `codex_exec`."""
    transport: str = "http"
    """`http` or `websocket`."""
    is_compaction: bool = False
    """Whether the request asks for a summary of the history."""
    is_replay: bool = False
    """Whether a user sends a flow again in mitmweb."""
    state: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Of this hook and this turn alone: what `on_turn` leaves here, `on_event` and `on_end` find."""

    def replace(
        self,
        *,
        model: str | None = None,
        instructions: str | None = None,
        input: Sequence[object] | None = None,  # noqa: A002  the name in the Responses API
        tools: Sequence[object] | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> Turn:
        """Return a copy with these fields in place of its own."""
        return dataclasses.replace(
            self,
            model=self.model if model is None else model,
            instructions=self.instructions if instructions is None else instructions,
            input=self.input if input is None else input,
            tools=self.tools if tools is None else tools,
            fields=self.fields if fields is None else fields,
        )

    def add_instructions(self, text: str) -> Turn:
        """Return a copy with one more rule for the model: at the end of its instructions.

        Codex 0.169 and later send none to most models, but a message; then the rule is a message before all others.
        """
        if self.instructions:
            return self.replace(instructions=f"{self.instructions}\n\n{text}")
        part = {"type": "input_text", "text": text}
        message = JsonMap({"type": "message", "role": "developer", "content": [part]})
        return self.replace(input=[message, *self.input])

    def map_text(self, change: MapText) -> Turn:
        """Return a copy in which `change` was applied to each text of the instructions and of the history."""
        instructions, items = change(self.instructions), plain(self.input)
        changed = map_texts(items, change)
        same = changed is items and instructions == self.instructions
        if same or not isinstance(changed, list):
            return self
        return self.replace(instructions=instructions, input=JsonList(changed))


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the answer, on its way to the client."""

    type: str
    data: Mapping[str, object]
    """The event of the Responses API, `type` included."""
    block: bytes = field(default=b"", init=False, compare=False, repr=False)
    """The event as it was received; empty for one that a hook made. No copy has it."""

    @classmethod
    def received(cls, type_: str, data: Mapping[str, object], block: bytes) -> Event:
        """Return an event of an answer."""
        event = cls(type_, data)
        object.__setattr__(event, "block", block)
        return event

    @classmethod
    def of(cls, type_: str, **members: object) -> Event:
        """Return a new event."""
        return cls(type_, JsonMap({"type": type_, **members}))

    @property
    def is_terminal(self) -> bool:
        """Whether the answer ends with this event."""
        return self.type in TERMINAL_EVENTS

    @property
    def item(self) -> Mapping[str, object]:
        """The item of an `output_item` event; empty for other events."""
        item = self.data.get("item")
        return item if isinstance(item, Mapping) else JsonMap({})

    def replace(self, **members: object) -> Event:
        """Return a copy with these members in place of its own."""
        return Event(str(members.get("type", self.type)), JsonMap(self.data) | members)

    def map_text(self, change: MapText) -> Event:
        """Return a copy in which `change` was applied to each text. Of a delta it sees a part: use `PutBack` for these."""
        members = plain(self.data)
        changed = map_texts(members, change)
        if changed is members or not isinstance(changed, dict):
            return self
        return Event(self.type, JsonMap(changed))


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a turn has ended."""

    outcome: str
    """`complete`, or why not: `incomplete`, `failed`, `refused`, `client_left`, or the kind of a fault, such as `killed`."""
    status: int
    """The status that the client received; 0 if it left before."""
    error: str
    """The code of the error that the client received; empty without one."""
    model: str
    """The model that the upstream was asked for; empty if none was."""
    provider: str
    attempts: int
    usage: Usage | None
    seconds: float
    first_token_seconds: float | None
