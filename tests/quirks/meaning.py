"""Reduces the events of a quirk to its meaning, and checks the response that a client receives."""

from __future__ import annotations

from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    ReasoningDelta,
    RefusalDelta,
    Stopped,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageSeen,
)
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.usage import Usage
from tests.conformance import check
from tests.quirks.chat_quirks import Meaning, Quirk


def meaning(events: list[Event]) -> Meaning:
    """Return what the events mean. Only calls that ended count: others are never delivered."""
    starts = {event.index: event for event in events if isinstance(event, ToolCallStart)}
    arguments = dict.fromkeys(starts, "")
    for event in events:
        if isinstance(event, ToolCallDelta):
            arguments[event.index] += event.arguments
    ended = [event.index for event in events if isinstance(event, ToolCallEnd)]
    used = next((event.usage for event in events if isinstance(event, UsageSeen)), None)
    return Meaning(
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        "".join(event.text for event in events if isinstance(event, RefusalDelta)),
        tuple((starts[index].name, arguments[index]) for index in ended),
        _end(events[-1]),
        _counts(used),
        used.cache_written_tokens if used else 0,
    )


def check_response(quirk: Quirk, events: list[Event], client: Client) -> None:
    """Check that the response conforms to the API, delivers the quirk's calls, and never hides an interruption."""
    emitter = Emitter("resp_0a1b", 1_700_000_000, "stub", {}, client)
    final = check(emitter.emit(events))["response"]
    calls = [item for item in final["output"] if item["type"] == "function_call"]
    names = [name for name, _ in quirk.meaning.calls]
    assert [item["name"] for item in calls] == names, quirk.name
    given = [arguments or "{}" for _, arguments in quirk.meaning.calls]
    assert [item["arguments"] for item in calls] == given, quirk.name
    assert len({item["call_id"] for item in calls}) == len(calls), quirk.name
    if quirk.meaning.end == "stream_interrupted" or not quirk.answers:
        assert final["status"] == "failed", quirk.name
    if not quirk.answers:
        assert final["error"]["code"] == "empty_answer", quirk.name


def _end(last: Event) -> str:
    if isinstance(last, Failed):
        return last.problem.code
    assert isinstance(last, Stopped)
    return str(last.reason)


def _counts(used: Usage | None) -> tuple[int, int, int, int, int] | None:
    if used is None:
        return None
    return (
        used.input_tokens,
        used.cached_tokens,
        used.output_tokens,
        used.reasoning_tokens,
        used.total_tokens,
    )
