"""What a client is told when an answer was not whole: a row for each way to break, a column for each client.

The clients are plain HTTP, so that every byte of what they are told can be judged. Never does: believe a status alone.
Invariant: "lie" is said of an answer that claims to be complete, or of a call that is delivered though it was cut.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.fakes.model_upstream import (
    Broken,
    Ending,
    Json,
    ModelUpstream,
    Refuse,
    Turn,
    command,
    say,
)

TEXT = "A whole sentence, and another one."
HALF = command("rm -rf build")
TOOL: Json = {
    "type": "function",
    "name": "exec_command",
    "description": "Run a command.",
    "parameters": {
        "type": "object",
        "properties": {"cmd": {"type": "string"}},
        "required": ["cmd"],
        "additionalProperties": False,
    },
}
CLIENTS: Mapping[str, Mapping[str, str]] = {
    "codex": {"originator": "codex_exec", "x-codex-window-id": "w:0"},
    "sdk": {},
    "sdk, not streamed": {},
}
BREAKS: Mapping[str, Turn] = {
    "clean close mid-text": Broken(say(TEXT), TEXT[:8].encode(), Ending.CLEAN),
    "connection closed mid-text": Broken(say(TEXT), TEXT[:8].encode(), Ending.FIN),
    "connection reset mid-text": Broken(say(TEXT), TEXT[:8].encode(), Ending.RESET),
    "error event inside a 200 stream": Broken(say(TEXT), TEXT[:8].encode(), Ending.ERROR),
    "tool call cut, clean close": Broken(say("", HALF), b"cmd", Ending.CLEAN),
    "tool call cut, reset": Broken(say("", HALF), b"cmd", Ending.RESET),
    "tool call cut, error event": Broken(say("", HALF), b"cmd", Ending.ERROR),
}
LIMITED = Refuse(429, "slow down", headers={"retry-after": "17"})


@dataclass(frozen=True, slots=True)
class Told:
    """One answer as a client received it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    events: list[Json] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        return [str(event["type"]) for event in self.events]

    @property
    def delivers_a_call(self) -> bool:
        """Whether a call is among what a client may act on."""
        return any(_is_call(event.get("item")) for event in self.events if _is_done(event))

    @property
    def verdict(self) -> str:
        """`typed`, or `lie`."""
        if self.status >= 400:
            return "typed" if isinstance(json.loads(self.body).get("error"), dict) else "untyped"
        if not self.events:
            return "lie" if json.loads(self.body)["status"] == "completed" else "typed"
        if self.delivers_a_call or "response.completed" in self.kinds:
            return "lie"
        return "typed" if self.kinds[-1] in ("response.failed", "error") else "untyped"


def ask(port: int, slug: str, client: str) -> Told:
    """Send one turn as this client does."""
    streams = client != "sdk, not streamed"
    body = {"model": slug, "input": "hello", "stream": streams, "tools": [TOOL]}
    headers = {"content-type": "application/json", **CLIENTS[client]}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/v1/responses", json.dumps(body).encode(), headers)
        response = connection.getresponse()
        said = response.read()
    finally:
        connection.close()
    lower = {name.lower(): value for name, value in response.getheaders()}
    is_stream = lower.get("content-type", "").startswith("text/event-stream")
    return Told(response.status, lower, said, list(_events(said)) if is_stream else [])


def truth_row(port: int, slug: str, upstream: ModelUpstream, client: str) -> dict[str, str]:
    """Every column of the truth table for one client at one dialect."""
    row = {}
    for name, turn in BREAKS.items():
        upstream.reset()
        upstream.otherwise = turn
        row[name] = ask(port, slug, client).verdict
    upstream.reset()
    upstream.otherwise = LIMITED
    row["Retry-After of a 429"] = wait_told(ask(port, slug, client))
    return row


def wait_told(told: Told) -> str:
    """Whether the client learns how long to wait: by header, or inside a stream in the words that Codex reads."""
    if told.events:
        return "kept" if b"try again in 17" in told.body else "lost"
    is_limited = told.status == HTTPStatus.TOO_MANY_REQUESTS
    return "kept" if is_limited and told.headers.get("retry-after") == "17" else "lost"


def _events(said: bytes) -> Iterator[Json]:
    for line in said.decode().splitlines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def _is_done(event: Json) -> bool:
    return event["type"] == "response.output_item.done"


def _is_call(item: object) -> bool:
    return isinstance(item, dict) and str(item["type"]).endswith("_call")
