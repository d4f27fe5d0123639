"""An echo of a secret in the output of a translated stream is in its quotes, however the upstream spread it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from addons.core.errors import Problem
from addons.core.masking.mask import TurnMask
from addons.core.protocols.canonical.events import (
    CallKind,
    Citation,
    Event,
    Failed,
    Omitted,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    Stopped,
    StopReason,
    TextDelta,
    TextDone,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.protocols.responses.stream_translator import StreamTranslator
from addons.core.secrets import Secret
from tests.core.protocols.responses.test_stream_translator import Reader

KEY = "row-Key_Inline-9f3aQz71LmXw"
HALF = len(KEY) // 2
STOP = Stopped(StopReason.END)
START = ToolCallStart(0, "c", "t")
SPELLINGS = {
    "as it is": list(KEY),
    "blanks": [each + " " * 30 for each in KEY],
    "long HTML escapes": [f"&#x{ord(each):012x};" for each in KEY],
    "escapes of escapes": ["\\" * 16 + f"u{ord(each):04x}" for each in KEY],
    "halves": [KEY[:HALF], KEY[HALF:]],
}

Reads = Sequence[Sequence[Event]]


def unmasked(reads: Reads) -> list[int]:
    """The numbers of the reads whose output holds an echo that the quotes do not show."""
    mask, translator = TurnMask(), StreamTranslator(Reader(list(reads)), emitter(), lambda _: None)
    mask.add([Secret(KEY)])
    found, missed, echoes = False, [], 0
    for number in range(len(reads)):
        written = translator.feed(b"1")
        found = mask.current.finds_any(translator.take_quotes()) or found
        has_echo = mask.current.data(written) != written
        echoes += has_echo
        if has_echo and not found:
            missed.append(number)
    assert echoes
    return missed


def emitter() -> Emitter:
    return Emitter("resp_1", 1, "m", {}, Client.CODEX)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_echo_that_is_spread_over_deltas(spelling: str) -> None:
    """The event that completes an item repeats its whole text."""
    parts = SPELLINGS[spelling]
    texts: list[list[Event]] = [[TextDelta(each)] for each in parts]
    thoughts: list[list[Event]] = [[ReasoningDelta(each)] for each in parts]
    refusal: list[list[Event]] = [[RefusalDelta(each)] for each in parts]
    assert unmasked([*texts, [STOP]]) == []
    assert unmasked([*texts, [TextDone()], [TextDelta("x")], [STOP]]) == []
    assert unmasked([*texts, [START], [ToolCallDelta(0, "{}")], [ToolCallEnd(0), STOP]]) == []
    assert unmasked([*thoughts, [TextDelta("x")], [STOP]]) == []
    assert unmasked([*thoughts, [ReasoningDone()], [TextDelta("x")], [STOP]]) == []
    assert unmasked([*refusal, [STOP]]) == []


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", [CallKind.CUSTOM, CallKind.FUNCTION])
def test_echo_that_is_spread_over_the_arguments_of_interleaved_calls(
    spelling: str, kind: CallKind
) -> None:
    first, second = ToolCallStart(0, "c", "t", None, kind), ToolCallStart(1, "d", "u")
    parts: list[list[Event]] = [
        [ToolCallDelta(0, each), ToolCallDelta(1, " ")] for each in SPELLINGS[spelling]
    ]
    quoted: list[Event] = [] if kind is CallKind.CUSTOM else [ToolCallDelta(0, '"}')]
    begun: list[Event] = [] if kind is CallKind.CUSTOM else [ToolCallDelta(0, '{"a":"')]
    end: list[Event] = [ToolCallDelta(1, "{}"), ToolCallEnd(0), ToolCallEnd(1)]
    assert unmasked([[first, second, *begun], *parts, [*quoted, *end], [STOP]]) == []


@pytest.mark.parametrize(
    "read",
    [
        [ToolCallStart(0, KEY, "t")],
        [ToolCallStart(0, "c", KEY)],
        [ToolCallStart(0, "c", "t", KEY)],
        [TextDelta("see"), Citation("https://a.example/" + KEY, "title")],
        [TextDelta("see"), Citation("https://a.example/", KEY)],
        [ReasoningDone(KEY)],
        [Omitted("a part", KEY)],
        [Failed(Problem(502, KEY, "text"))],
        [Failed(Problem(502, "code", KEY))],
    ],
    ids=str,
)
def test_echo_in_one_field(read: Sequence[Event]) -> None:
    assert unmasked([read, [STOP]]) == []
