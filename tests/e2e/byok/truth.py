"""What a client receives when an upstream answer is incomplete: a row for each kind of break, a column for each client.

The clients use plain HTTP, so every received byte can be judged. Never does: rely on the status alone. Invariant: the
verdict is "complete" for an answer that claims to be complete, and for one that delivers a tool call.
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
class ReceivedAnswer:
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
        """Whether the answer contains a call that a client would run."""
        return any(_is_call(event.get("item")) for event in self.events if _is_done(event))

    @property
    def verdict(self) -> str:
        """`typed` or `untyped` for an error, `complete` for an answer that claims to be complete."""
        if self.status >= 400:
            return "typed" if isinstance(json.loads(self.body).get("error"), dict) else "untyped"
        if not self.events:
            return "complete" if json.loads(self.body)["status"] == "completed" else "typed"
        if self.delivers_a_call or "response.completed" in self.kinds:
            return "complete"
        return "typed" if self.kinds[-1] in ("response.failed", "error") else "untyped"


def ask(port: int, slug: str, client: str) -> ReceivedAnswer:
    """Send one turn as this client does; return the answer."""
    streams = client != "sdk, not streamed"
    body = {"model": slug, "input": "hello", "stream": streams, "tools": [TOOL]}
    headers = {"content-type": "application/json", **CLIENTS[client]}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/v1/responses", json.dumps(body).encode(), headers)
        response = connection.getresponse()
        received = response.read()
    finally:
        connection.close()
    lower = {name.lower(): value for name, value in response.getheaders()}
    is_stream = lower.get("content-type", "").startswith("text/event-stream")
    return ReceivedAnswer(
        response.status, lower, received, list(_events(received)) if is_stream else []
    )


def verdicts(port: int, slug: str, upstream: ModelUpstream, client: str) -> dict[str, str]:
    """Return the verdict on every kind of break for one client and one protocol."""
    row = {}
    for name, turn in BREAKS.items():
        upstream.reset()
        upstream.default_answer = turn
        row[name] = ask(port, slug, client).verdict
    upstream.reset()
    upstream.default_answer = LIMITED
    row["Retry-After of a 429"] = verdict_on_wait(ask(port, slug, client))
    return row


def verdict_on_wait(received: ReceivedAnswer) -> str:
    """Return whether the wait reaches the client: in a header, or in the text that Codex parses inside a stream."""
    if received.events:
        return "passed on" if b"try again in 17" in received.body else "lost"
    is_limited = received.status == HTTPStatus.TOO_MANY_REQUESTS
    return "passed on" if is_limited and received.headers.get("retry-after") == "17" else "lost"


def _events(stream: bytes) -> Iterator[Json]:
    for line in stream.decode().splitlines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def _is_done(event: Json) -> bool:
    return event["type"] == "response.output_item.done"


def _is_call(item: object) -> bool:
    return isinstance(item, dict) and str(item["type"]).endswith("_call")
