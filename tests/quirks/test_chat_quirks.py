from __future__ import annotations

import pytest

from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.events import (
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
from tests.conformance import check
from tests.core.wire.chat_streams import read
from tests.quirks.chat_quirks import QUIRKS, Meaning, Quirk

TABLE = pytest.mark.parametrize("quirk", QUIRKS, ids=lambda one: f"{one.provider}: {one.name}")


def meaning(events: list[Event]) -> Meaning:
    """Only calls that ended count: the others are never delivered."""
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
        None
        if used is None
        else (
            used.input_tokens,
            used.cached_tokens,
            used.output_tokens,
            used.reasoning_tokens,
            used.total_tokens,
        ),
        used.cache_written_tokens if used else 0,
    )


def _end(last: Event) -> str:
    if isinstance(last, Failed):
        return last.problem.code
    assert isinstance(last, Stopped)
    return str(last.reason)


@TABLE
def test_a_quirk_means_what_the_upstream_meant(quirk: Quirk) -> None:
    assert meaning(read(quirk.sent)) == quirk.meaning


@TABLE
def test_a_quirk_means_the_same_byte_by_byte(quirk: Quirk) -> None:
    assert read(*(bytes([byte]) for byte in quirk.sent)) == read(quirk.sent)


@TABLE
@pytest.mark.parametrize("client", Client)
def test_clients_are_told_in_the_form_of_the_api(quirk: Quirk, client: Client) -> None:
    emitter = Emitter("resp_0a1b", 1_700_000_000, "stub", {}, client)
    final = check(emitter.emit(read(quirk.sent)))["response"]
    calls = [item for item in final["output"] if item["type"] == "function_call"]
    assert [item["name"] for item in calls] == [name for name, _ in quirk.meaning.calls]
    assert len({item["call_id"] for item in calls}) == len(calls)
    if quirk.meaning.end == "stream_interrupted":
        assert final["status"] == "failed"
