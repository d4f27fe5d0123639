"""A row of models.json for tests of plans: target, key, and a protocol with one event per line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from addons.core.errors import Problem
from addons.core.headers import Headers
from addons.core.protocols.canonical.conversation import Conversation, Text, User
from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    Omitted,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from addons.core.protocols.translator import EventReader
from addons.core.routes import Route
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.turn import ClientRequest, Plan
from addons.core.upstream.api_keys import KeyProblem
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target

ORIGIN = Origin("https", "api.example.com", 443)
TARGET = Target(
    slug="row",
    display_name="Row",
    provider="example",
    model="big-model",
    protocol=Protocol.CHAT,
    origin=ORIGIN,
    path="/v1/chat/completions",
    headers=((b"x-extra", b"1"),),
)
KEY = SecretHeader(b"authorization", Secret("row-key"), ORIGIN, b"Bearer ")
CODEX: Headers = ((b"originator", b"codex_exec"), (b"content-type", b"application/json"))
SDK: Headers = ((b"user-agent", b"openai-python"), (b"content-type", b"application/json"))


@dataclass
class Key:
    """A key source with a scripted result."""

    now: tuple[SecretHeader, ...] | KeyProblem = (KEY,)
    refusals: int = 0

    def current(self) -> tuple[SecretHeader, ...] | KeyProblem:
        return self.now

    def refused(self) -> None:
        self.refusals += 1


EVENTS: Mapping[str, Event] = {
    "stop": Stopped(StopReason.END),
    "length": Stopped(StopReason.LENGTH),
    "call": ToolCallStart(0, "call_1", "shell"),
    "arguments": ToolCallDelta(0, '{"command": "rm -rf bui'),
    "picture": Omitted("a picture in the answer", "[A picture.]"),
    "busy": Failed(Problem(503, "rate_limit_exceeded", "busy: try again in 5s")),
}


class Reader:
    """Reads lines: a key of `EVENTS` is that event, any other line is text."""

    awaits_end = False

    def feed(self, data: bytes) -> Sequence[Event]:
        return [EVENTS.get(line, TextDelta(line)) for line in data.decode().splitlines()]

    def finish(self) -> Sequence[Event]:
        return ()


@dataclass
class FakeTranslator:
    """The translator of a protocol whose answers are lines; it keeps the conversations that it wrote."""

    written: list[Conversation] = field(default_factory=list)
    problem: Problem | None = None

    def write_request(self, conversation: Conversation, target: Target) -> bytes | Problem:
        self.written.append(conversation)
        return self.problem or orjson.dumps({"model": target.model, "stream": True})

    def reader(self, conversation: Conversation, target: Target) -> EventReader:
        assert conversation in self.written
        assert target.model
        return Reader()


def read(payload: Mapping[str, object], reasoning_scope: str) -> Conversation | Problem:
    """Return the input as one user message."""
    assert reasoning_scope
    if payload.get("input") == "unreadable":
        return Problem(400, "invalid_prompt", "input[0] is of no known type")
    return Conversation((User((Text(orjson.dumps(payload.get("input")).decode()),)),), echo=payload)


def request(
    headers: Headers = CODEX, *, path: str = "/v1/responses", **fields: object
) -> ClientRequest:
    payload = {"model": "row", "input": "hi", "stream": True, **fields}
    secrets = {b"authorization": Secret("Bearer the-clients-own")}
    return ClientRequest("POST", path, headers, orjson.dumps(payload), secrets)


def no_plan(request: ClientRequest, route: Route) -> Plan:
    raise AssertionError(request, route)


ROUTE = Route("row", "Row", "example", "big-model", {}, no_plan)


def with_target(**fields: object) -> Target:
    return replace(TARGET, **fields)  # type: ignore[arg-type]
