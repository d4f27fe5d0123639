"""A long agent session of the real Codex, and the requests that its upstream received.

Two prompts, thirty requests: reasoning, text, outputs of many sizes, and one request with more parallel calls than a
cache examines. Never does: end a session early. Invariant: the script is the same for both protocols.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.e2e.byok.stage import Byok
from tests.fakes.model_upstream import Json, ScriptedAnswer, command, say

REQUESTS = 30
RESUMED_AT = 16
MANY_AT = 7
MANY = 24
"""More than the twenty blocks that Anthropic's cache examines."""


def run_session(byok: Byok) -> list[Json]:
    """Run the session; return every request body."""
    byok.configure({"model_reasoning_effort": "high", "model_reasoning_summary": "auto"})
    byok.upstream.play(*script())
    first = byok.exec("Work through it.", timeout=100)
    assert first.messages[-1] == "The first half is done.", first.errors
    second = byok.exec("Now the rest.", "resume", "--last", timeout=100)
    assert second.messages[-1] == "All done.", second.errors
    return list(byok.upstream.bodies)


def script() -> list[ScriptedAnswer]:
    """Return the answers of the model, one per request."""
    turns = [_step(number) for number in range(1, REQUESTS + 1)]
    turns[RESUMED_AT - 1] = say("The first half is done.", thought="Half.")
    turns[-1] = say("All done.", thought="Whole.")
    return turns


def _step(number: int) -> ScriptedAnswer:
    calls = MANY if number == MANY_AT else number % 3 + 1
    commands = [
        command(f"echo {number}.{one}; seq {number} {number * 20}", f"call_{number}_{one}")
        for one in range(calls)
    ]
    return say(f"Step {number}." if number % 2 else "", *commands, thought=f"Think of {number}.")


def units(body: Json) -> Iterator[object]:
    """Yield the parts of a request in the order of caching, without cache marks."""
    tools, system, messages = body.get("tools", []), body.get("system", []), body["messages"]
    yield from (_bare(part) for part in (*_listed(tools), *_listed(system)))
    for message in _listed(messages):
        content = message.get("content")
        if isinstance(content, list):
            yield from ((message["role"], _bare(block)) for block in content)
        else:
            yield message


def unstable(bodies: Sequence[Json]) -> list[int]:
    """Return the numbers of the requests that do not start with the whole previous request and are billed again."""
    requests = [list(units(body)) for body in bodies]
    return [
        number
        for number in range(1, len(requests))
        if requests[number][: len(requests[number - 1])] != requests[number - 1]
    ]


def without_marks(body: Json) -> Json:
    """Return the request as a translator without cache support would send it."""
    return {key: _stripped(value) for key, value in body.items()}


def _stripped(value: object) -> object:
    if isinstance(value, list):
        return [_stripped(one) for one in value]
    return (
        {key: _stripped(one) for key, one in _bare(value).items()}
        if isinstance(value, dict)
        else value
    )


def _bare(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "cache_control"}


def _listed(value: object) -> list[dict[str, Any]]:
    assert isinstance(value, list)
    return value
