"""Writes the turns of a conversation as chat messages, in the form that every chat server accepts.

One leading system message; later system messages are user messages in place. Consecutive user messages are one message.
Where the profile says so, an assistant message stands between a tool message and a user message. Never drops content:
an image that cannot be sent becomes a note.

Invariant: every assistant message with tool calls is directly followed by one tool message per call. The messages of a
history are a prefix of those of its extension, except for its last one if that is a user message: when the extension
goes on with more user messages, because no answer came in between, they are joined to it. Its content is then a prefix of
the joined content, so the cached prompt of the upstream ends with it as before. Messages before the last one never change.
(`canonical.turns` describes the other exception, calls without an output at the end of a history.)

Sources: "System message must be at the beginning" (Qwen templates; ggml-org/llama.cpp#20733), "Conversation roles must
alternate" (Mistral and Gemma templates), "Unexpected role 'user' after role 'tool'" (Mistral; zed-industries/zed#37021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import orjson

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
from addons.core.protocols.canonical.custom_tool_input import wrap_input
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import unwrap
from addons.core.protocols.canonical.pictures import relabelled
from addons.core.protocols.canonical.turns import (
    Exchange,
    group_turns,
    mistral_call_id,
    openai_call_id,
)
from addons.core.upstream.profile import CallIds, Profile, ReplayField
from addons.core.upstream.target import Target

Message = dict[str, object]

IMAGE_BELOW = "[the image is in the user message after the tool results]"
IMAGES_OF = "[images from tool call {call_id}]"
NO_IMAGES = "[image omitted: {model} takes no images]"
EMPTY_OUTPUT = "[no output]"
NO_ANSWER = "[no answer yet]"
"""The assistant message between tool results and a user message."""
OBSERVED_FIELDS = frozenset(get_args(ReplayField)) - {""}
SEPARATOR = "\n\n"
CONTINUE = "[continue]"
CALL_IDS: Mapping[CallIds, Callable[[str], str]] = {
    "any": str,
    "openai": openai_call_id,
    "mistral": mistral_call_id,
    "verbatim": str,
}


def write_messages(items: Iterable[Item], target: Target, note: str = "") -> list[Message]:
    """Return the messages. `note` is added to the first one: the only position that never moves."""
    writer = _MessageWriter(target)
    for turn in group_turns(_with_note(items, note) if note else items):
        if isinstance(turn, System):
            writer.system(turn.text)
        elif isinstance(turn, User):
            writer.user(turn.parts)
        else:
            writer.exchange(turn)
    return writer.finish()


def _with_note(items: Iterable[Item], note: str) -> Iterator[Item]:
    """Yield the items with the note after the leading system messages."""
    is_leading = True
    for item in items:
        if is_leading and not isinstance(item, System):
            yield System(note)
        is_leading = is_leading and isinstance(item, System)
        yield item
    if is_leading:
        yield System(note)


@dataclass(slots=True)
class _MessageWriter:
    """Collects the messages."""

    target: Target
    messages: list[Message] = field(default_factory=list)
    _open: list[Sequence[Part]] = field(default_factory=list)
    """The user turns of the last message, if it is a user message."""

    def system(self, text: str) -> None:
        """Add an instruction: to the leading message, or as a user message."""
        if not text:
            return
        role = self.target.profile.system_role
        if role == "user":
            self.user((Text(text),))
        elif not self.messages:
            self.messages.append({"role": role, "content": text})
        elif len(self.messages) == 1 and self.messages[0]["role"] == role:
            joined = f"{self.messages[0]['content']}{SEPARATOR}{text}"
            self.messages[0] = {"role": role, "content": joined}
        else:
            self.user((Text(text),))

    def user(self, parts: Sequence[Part]) -> None:
        """Add a user message, or join it to the one before."""
        if not parts:
            return
        if not self._open:
            if self._last_role == "tool" and not self.target.profile.user_after_tool:
                self.messages.append({"role": "assistant", "content": NO_ANSWER})
            self.messages.append({"role": "user"})
        self._open.append(parts)

    def exchange(self, exchange: Exchange) -> None:
        """Add an answer with the outputs of its calls."""
        message = _assistant(exchange, self.target)
        if message is None:
            return
        self._close_user()
        self.messages.append(message)
        answers = exchange.answers
        self.messages += [_tool_result(output, self.target) for output in answers]
        self.user(tuple(_images_after(answers, self.target)))

    def finish(self) -> list[Message]:
        """Return the messages. The last one is not an answer: newer models refuse a prefilled one."""
        if self._last_role == "assistant" and not self._open:
            self.user((Text(CONTINUE),))
        self._close_user()
        return self.messages

    def _close_user(self) -> None:
        if self._open:
            self.messages[-1]["content"] = _joined(self._open, self.target)
            self._open.clear()

    @property
    def _last_role(self) -> object:
        return self.messages[-1]["role"] if self.messages else None


def _joined(turns: Sequence[Sequence[Part]], target: Target) -> str | list[Message]:
    """Return the content of one message from several user turns: texts that meet become one text."""
    if len(turns) == 1:
        return _content(turns[0], target)
    contents = [_content(parts, target) for parts in turns]
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) == len(contents):
        return SEPARATOR.join(texts)
    joined: list[Message] = []
    for content in contents:
        first, *rest = _as_parts(content)
        if joined and joined[-1]["type"] == first["type"] == "text":
            first = {"type": "text", "text": f"{joined.pop()['text']}{SEPARATOR}{first['text']}"}
        joined += [first, *rest]
    return joined


def _as_parts(content: str | list[Message]) -> list[Message]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _content(parts: Sequence[Part], target: Target) -> str | list[Message]:
    if len(parts) == 1 and isinstance(only := parts[0], Text):
        # nearly every content
        return only.text
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) == len(parts):
        return "\n".join(texts)
    if not target.images:
        note = NO_IMAGES.format(model=target.model)
        return "\n".join(part.text if isinstance(part, Text) else note for part in parts)
    return [_part(part) for part in parts]


def _part(part: Part) -> Message:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    detail = {"detail": part.detail} if part.detail else {}
    return {"type": "image_url", "image_url": {"url": relabelled(part.url), **detail}}


WITHOUT_TEXT = {"null": None, "empty": "", "text": "(calls tools)"}
"""What stands as content together with calls alone, by `empty_content`."""


def _assistant(exchange: Exchange, target: Target) -> Message | None:
    """Return the message of an answer; None if it has only reasoning, which strict APIs refuse."""
    profile, calls = target.profile, exchange.calls
    text = SEPARATOR.join([b.text for b in exchange.blocks if isinstance(b, Assistant)])
    if not (text or calls):
        return None
    message: Message = {"role": "assistant"}
    if text:
        message["content"] = text
    elif profile.empty_content != "omit":
        message["content"] = WITHOUT_TEXT[profile.empty_content]
    reasoning = [block for block in exchange.blocks if isinstance(block, Reasoning)]
    if reasoning or (calls and profile.replay_field):
        message.update(_replayed_reasoning(reasoning, target, required=bool(calls)))
    if calls:
        extras = dict(_call_extras(reasoning, target)) if reasoning else {}
        message["tool_calls"] = [_call(call, extras, profile) for call in calls]
    return message


def _call_extras(reasoning: Iterable[Reasoning], target: Target) -> Iterator[tuple[str, object]]:
    """Return what the provider attached to its calls, by call id."""
    for block in reasoning:
        data = unwrap(block.opaque, target.reasoning_scope) if block.opaque else None
        extras = data.get("calls") if data else None
        if isinstance(extras, dict):
            yield from extras.items()


def _replayed_reasoning(
    reasoning: Sequence[Reasoning], target: Target, *, required: bool
) -> Message:
    """Return the reasoning that the provider expects back: as it sent it, else the visible text."""
    name: str = target.profile.replay_field
    if name != "reasoning_content":
        # A refusal may have named `reasoning_content`. Any other field of a profile is a default.
        name = _observed_field(reasoning, target) or name
    if not name:
        return {}
    values = [_reasoning_value(block, target) for block in reasoning]
    if name == "reasoning_details":
        details = [one for value in values if isinstance(value, list) for one in value]
        return {name: details} if details else {}
    text = SEPARATOR.join(value for value in values if isinstance(value, str) and value)
    # DeepSeek and Kimi refuse a message with tool calls without this field, but accept an empty one.
    return {name: text} if text or (required and target.profile.replay_field) else {}


def _observed_field(reasoning: Sequence[Reasoning], target: Target) -> str:
    """Return the field in which this model sent the reasoning, which may be wanted back; empty if it sent none."""
    for block in reasoning:
        data = unwrap(block.opaque, target.reasoning_scope) if block.opaque else None
        if data and (field := data.get("field")) in OBSERVED_FIELDS:
            return str(field)
    return ""


def _reasoning_value(block: Reasoning, target: Target) -> object:
    data = unwrap(block.opaque, target.reasoning_scope) if block.opaque else None
    if data is None:
        return block.summary
    return data.get("reasoning")


def _call(call: Call, extras: dict[str, object], profile: Profile) -> Message:
    function = {"name": call.upstream_name, "arguments": _arguments(call)}
    message: Message = {
        "id": CALL_IDS[profile.call_ids](call.call_id),
        "type": "function",
        "function": function,
    }
    if call.call_id in extras:
        message["extra_content"] = extras[call.call_id]
    return message


def _arguments(call: Call) -> str:
    """Return JSON text of an object, which several upstreams require. Malformed arguments are put inside one."""
    if call.kind is CallKind.CUSTOM:
        return wrap_input(call.arguments)
    try:
        value = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        return call.arguments or "{}"
    return orjson.dumps({"invalid_arguments": call.arguments}).decode()


def _tool_result(output: Output, target: Target) -> Message:
    parts: Sequence[Part] = output.parts
    if target.images and not target.profile.tool_images:
        parts = [Text(IMAGE_BELOW) if isinstance(part, Image) else part for part in parts]
    content = _content(parts, target) if parts else EMPTY_OUTPUT
    call_id = CALL_IDS[target.profile.call_ids](output.call_id)
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _images_after(outputs: Iterable[Output], target: Target) -> Iterator[Part]:
    """Return the images of tool outputs for the user message after them, if tool messages accept none."""
    if target.profile.tool_images or not target.images:
        return
    for output in outputs:
        images = [part for part in output.parts if isinstance(part, Image)]
        if images:
            call_id = CALL_IDS[target.profile.call_ids](output.call_id)
            yield Text(IMAGES_OF.format(call_id=call_id))
            yield from images
