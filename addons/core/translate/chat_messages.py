"""The items of a conversation as messages of chat completions.

Source: OpenAI API reference, "Create chat completion", `messages`. Never drops content: a picture that cannot be
sent leaves a note. Invariant: what a message says depends on its turn and those before it, and every assistant message
with tool calls is followed at once by one tool message per call, as strict APIs demand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import orjson

from addons.core.target import CallIds, Profile, Target
from addons.core.translate.call_ids import mistral_id, openai_id
from addons.core.translate.conversation import (
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
from addons.core.translate.custom_input import wrap_input
from addons.core.translate.events import CallKind
from addons.core.translate.grouping import Exchange, turns_of
from addons.core.translate.replay import unseal

Message = dict[str, object]

IMAGE_BELOW = "[the image is in the user message after the tool results]"
IMAGES_OF = "[images from tool call {call_id}]"
NO_IMAGES = "[image omitted: {model} takes no images]"
EMPTY_OUTPUT = "[no output]"
BETWEEN_TEXTS = "\n\n"
CALL_IDS: Mapping[CallIds, Callable[[str], str]] = {
    "any": str,
    "openai": openai_id,
    "mistral": mistral_id,
}


def messages_of(items: Iterable[Item], target: Target, note: str = "") -> list[Message]:
    """The messages. `note` is said by the first of them: the one place that never moves."""
    messages: list[Message] = []
    for turn in turns_of(_noted(items, note)):
        if isinstance(turn, System):
            messages.append(_system(turn, target.profile, first=not messages))
        elif isinstance(turn, User):
            if turn.parts:
                messages.append({"role": "user", "content": _content(turn.parts, target)})
        else:
            messages += _exchange(turn, target)
    return messages


def _noted(items: Iterable[Item], note: str) -> Iterator[Item]:
    rest = iter(items)
    first = next(rest, None)
    if note and isinstance(first, System):
        yield System(f"{first.text}{BETWEEN_TEXTS}{note}")
    else:
        if note and first:
            yield System(note)
        if first:
            yield first
    yield from rest


def _system(turn: System, profile: Profile, *, first: bool) -> Message:
    # Only the very first: joining a run of them would change the message when another one comes
    role = profile.system_role if first or not profile.leading_system_only else "user"
    return {"role": role, "content": turn.text}


def _content(parts: Sequence[Part], target: Target) -> str | list[Message]:
    shown = [_shown(part, target) for part in parts]
    if all(isinstance(part, Text) for part in shown):
        return "\n".join(part.text for part in shown if isinstance(part, Text))
    return [_part(part) for part in shown]


def _shown(part: Part, target: Target) -> Part:
    if isinstance(part, Image) and not target.images:
        return Text(NO_IMAGES.format(model=target.model))
    return part


def _part(part: Part) -> Message:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    detail = {"detail": part.detail} if part.detail else {}
    return {"type": "image_url", "image_url": {"url": part.url, **detail}}


def _exchange(exchange: Exchange, target: Target) -> Iterator[Message]:
    message = _assistant(exchange, target)
    if message is None:
        return
    yield message
    for output in exchange.answers:
        yield _tool_result(output, target)
    if pictures := list(_pictures(exchange.answers, target)):
        yield {"role": "user", "content": pictures}


def _assistant(exchange: Exchange, target: Target) -> Message | None:
    """One message for all that was said; None when it was only thought, which no strict API takes alone."""
    profile, calls = target.profile, exchange.calls
    text = BETWEEN_TEXTS.join(b.text for b in exchange.blocks if isinstance(b, Assistant))
    if not (text or calls):
        return None
    message: Message = {"role": "assistant"}
    if text:
        message["content"] = text
    elif profile.empty_content != "omit":
        message["content"] = None if profile.empty_content == "null" else ""
    thoughts = [block for block in exchange.blocks if isinstance(block, Reasoning)]
    kept = [unseal(block.opaque, target.lineage) or {} for block in thoughts if block.opaque]
    message.update(_replayed(thoughts, target, required=bool(calls)))
    if calls:
        extras = {key: extra for data in kept for key, extra in _extras(data.get("calls"))}
        message["tool_calls"] = [_call(call, extras, profile) for call in calls]
    return message


def _extras(value: object) -> Iterable[tuple[str, object]]:
    return value.items() if isinstance(value, dict) else ()


def _replayed(thoughts: Sequence[Reasoning], target: Target, *, required: bool) -> Message:
    """What the provider wants back of its thinking: as it gave it, else as much of it as was shown."""
    name = target.profile.replay_field
    if not name:
        return {}
    values = [_thought(block, target) for block in thoughts]
    if name == "reasoning_details":
        details = [one for value in values if isinstance(value, list) for one in value]
        return {name: details} if details else {}
    text = BETWEEN_TEXTS.join(value for value in values if isinstance(value, str) and value)
    # DeepSeek and Kimi refuse a message with tool calls that lacks the field; an empty one will do
    return {name: text} if text or required else {}


def _thought(block: Reasoning, target: Target) -> object:
    data = unseal(block.opaque, target.lineage) if block.opaque else None
    if data is None:
        return block.summary
    return data.get("reasoning")


def _call(call: Call, extras: dict[str, object], profile: Profile) -> Message:
    function = {"name": call.wire_name, "arguments": _arguments(call)}
    message: Message = {
        "id": CALL_IDS[profile.call_ids](call.call_id),
        "type": "function",
        "function": function,
    }
    if call.call_id in extras:
        message["extra_content"] = extras[call.call_id]
    return message


def _arguments(call: Call) -> str:
    """JSON text of an object, which several upstreams parse: what a model got wrong is kept inside one."""
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
    if not target.profile.tool_images:
        parts = [_below(part, target) for part in parts]
    content = _content(parts, target) if parts else EMPTY_OUTPUT
    call_id = CALL_IDS[target.profile.call_ids](output.call_id)
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _below(part: Part, target: Target) -> Part:
    return Text(IMAGE_BELOW) if isinstance(part, Image) and target.images else part


def _pictures(outputs: Iterable[Output], target: Target) -> Iterator[Message]:
    if target.profile.tool_images or not target.images:
        return
    for output in outputs:
        images = [part for part in output.parts if isinstance(part, Image)]
        if images:
            call_id = CALL_IDS[target.profile.call_ids](output.call_id)
            yield {"type": "text", "text": IMAGES_OF.format(call_id=call_id)}
            yield from map(_part, images)
