"""Strict judges of the requests of each provider: address, key header, fields, values, order and reasoning.

Written from the provider's public reference, which each `Api` names with the date of reading. Shares no code with
codex-shim. What a reference leaves open is not judged. `tests.strict.provider_apis` holds the providers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.strict import chat, messages

Json = dict[str, Any]
COMMON = frozenset({"model", "messages", "tools", "tool_choice", "stream", "stream_options", "temperature", "top_p", "max_tokens", "response_format"})  # fmt: skip
"""The fields of a chat request that every provider documents."""


@dataclass(frozen=True, kw_only=True)
class Api:
    """What one provider takes."""

    id: str
    row: Mapping[str, Any]
    """The row of models.json, without a key."""
    variable: str
    """The environment variable of the key; empty for a server without one."""
    url: str
    reference: str
    read: str = "2026-11-29"
    key: tuple[str, str] = ("authorization", "Bearer ")
    """Header and prefix of the key."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that a request must have."""
    fields: frozenset[str] = frozenset()
    """Fields beyond `COMMON`."""
    without: frozenset[str] = frozenset()
    """Fields of `COMMON` that the provider refuses or does not document."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Fields that a request must have, with this value. None: the field must be absent."""
    efforts: frozenset[str] = frozenset()
    """The values of `reasoning_effort`."""
    switch: frozenset[str] = frozenset()
    """The types of `thinking`."""
    thinks: Literal["never", "always", "unless off"] = "never"
    back: str = ""
    """The field that an assistant message with calls must have while the model thinks."""
    roles: frozenset[str] = frozenset({"system", "user", "assistant", "tool"})
    flags: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `tests.strict.chat.validate`."""
    choices: frozenset[str] = frozenset({"auto", "none", "required", "named"})
    """The forms of `tool_choice`."""
    stream: bytes = b""
    """A typical answer: reasoning where the model thinks, and one call of `exec_command`."""
    reasoning: str = "Look first."
    """The reasoning in `stream`."""
    call_id: str = "call_1"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request as it arrives."""

    url: str
    headers: Mapping[str, str]
    body: Json


def judge(api: Api, sent: Sent, key: str) -> list[str]:
    """Return every reason why the provider refuses a request."""
    faults = list(_head(api, sent, key))
    for name, value in api.body.items():
        if (name in sent.body) if value is None else sent.body.get(name) != value:
            faults.append(f"{name} has to be {value!r}")
    if "/messages" in sent.url or api.url.endswith(":streamRawPredict"):
        return [*faults, *_messages(api, sent.body)]
    if sent.url.split("?")[0].endswith("/responses"):
        return faults
    return [*faults, *chat.validate(sent.body, **api.flags), *_chat(api, sent.body)]


def _head(api: Api, sent: Sent, key: str) -> Iterator[str]:
    if sent.url != api.url:
        yield f"404: {sent.url}"
    name, prefix = api.key
    if api.variable and sent.headers.get(name) != prefix + key:
        yield f"401: {name} is missing"
    others = {"authorization", "x-api-key", "api-key", "x-portkey-api-key"} - {name}
    yield from (f"{other} is not the header of the key" for other in others & sent.headers.keys())
    for header, value in api.headers.items():
        if sent.headers.get(header) != value:
            yield f"{header} has to be {value}"


def _messages(api: Api, body: Json) -> list[str]:
    extra = {name for name, value in api.body.items() if value is not None}
    known = {name: value for name, value in body.items() if name not in extra}
    if api.body.get("model", "") is None:
        known["model"] = "in the path"
    return messages.validate(known)


def _chat(api: Api, body: Json) -> Iterator[str]:
    known = (COMMON | api.fields) - api.without
    yield from (f"unknown parameter: {name}" for name in body if name not in known)
    roles = {message["role"] for message in body["messages"]}
    yield from (f"role {role} is not known" for role in roles - api.roles)
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in api.efforts:
        yield f"reasoning_effort {effort!r} is not known"
    switch = body.get("thinking", {}).get("type")
    if switch is not None and switch not in api.switch:
        yield f"thinking.type {switch!r} is not known"
    choice = body.get("tool_choice", "auto")
    if ("named" if isinstance(choice, dict) else choice) not in api.choices:
        yield f"tool_choice {choice!r} is not supported"
    if api.back and _is_thinking(api, body):
        for place, message in enumerate(body["messages"]):
            if message.get("tool_calls") and api.back not in message:
                yield f"thinking is enabled but {api.back} is missing in messages[{place}]"


def _is_thinking(api: Api, body: Json) -> bool:
    if api.thinks == "unless off":
        return bool(body.get("thinking", {}).get("type") != "disabled")
    return api.thinks == "always"
