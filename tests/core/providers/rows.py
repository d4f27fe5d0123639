"""A row of models.json for tests of plans: its target, its key, and a dialect whose answers are easily written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from addons.core.credential import Origin, Secret, SecretHeader
from addons.core.errors import Problem
from addons.core.headers import Headers
from addons.core.keys import KeyProblem
from addons.core.routes import Route
from addons.core.target import Target
from addons.core.translate.conversation import Conversation, Dialects, Text, User
from addons.core.translate.dialect import EventReader
from addons.core.translate.events import (
    Event,
    Failed,
    LeftOut,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from addons.core.turn import ClientRequest, Plan

ORIGIN = Origin("https", "api.example.com", 443)
TARGET = Target(
    slug="row",
    display_name="Row",
    provider="example",
    model="big-model",
    dialect=Dialects.CHAT,
    origin=ORIGIN,
    path="/v1/chat/completions",
    headers=((b"x-extra", b"1"),),
)
KEY = SecretHeader(b"authorization", Secret("row-key"), ORIGIN, b"Bearer ")
CODEX: Headers = ((b"originator", b"codex_exec"), (b"content-type", b"application/json"))
SDK: Headers = ((b"user-agent", b"openai-python"), (b"content-type", b"application/json"))


@dataclass
class Key:
    """A key source that says what it is told to say."""

    now: tuple[SecretHeader, ...] | KeyProblem = (KEY,)
    refusals: int = 0

    def current(self) -> tuple[SecretHeader, ...] | KeyProblem:
        return self.now

    def refused(self) -> None:
        self.refusals += 1


WORDS: Mapping[str, Event] = {
    "stop": Stopped(StopReason.END),
    "length": Stopped(StopReason.LENGTH),
    "call": ToolCallStart(0, "call_1", "shell"),
    "arguments": ToolCallDelta(0, '{"command": "rm -rf bui'),
    "picture": LeftOut("a picture in the answer", "[A picture.]"),
    "busy": Failed(Problem(503, "rate_limit_exceeded", "busy: try again in 5s")),
}


class Reader:
    """Lines: a word of `WORDS` means that event, any other line is text."""

    def feed(self, data: bytes) -> Sequence[Event]:
        return [WORDS.get(line, TextDelta(line)) for line in data.decode().splitlines()]

    def finish(self) -> Sequence[Event]:
        return ()


@dataclass
class Parrot:
    """A dialect in which an upstream's answer is a few words."""

    written: list[Conversation] = field(default_factory=list)
    problem: Problem | None = None

    def write_request(self, conversation: Conversation, target: Target) -> bytes | Problem:
        self.written.append(conversation)
        return self.problem or orjson.dumps({"model": target.model, "stream": True})

    def reader(self, conversation: Conversation, target: Target) -> EventReader:
        assert conversation in self.written
        assert target.model
        return Reader()


def read(payload: Mapping[str, object], lineage: str) -> Conversation | Problem:
    """Reads the input as one text."""
    assert lineage
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
